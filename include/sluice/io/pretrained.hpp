// SPDX-License-Identifier: MIT
/// \file
/// Models from checkpoint folders as the public hubs lay them out: `config.json` and
/// `model.safetensors`.
///
/// A model takes part without knowing of files. It has
///
///     static constexpr std::string_view architecture = "GLAForCausalLM";  // as in config.json
///     struct Config { ... };                       // lists its keys, see io/config.hpp
///     explicit GLAForCausalLM(const Config&);      // or (const Config&, Rng&)
///     static constexpr auto fields();              // names are those of the checkpoint
///
/// The constructor gives every tensor its shape and throws ArgumentError or ShapeError if it
/// cannot honour the configuration; what it puts into the tensors is overwritten. `Config` may
/// also be the name of a struct elsewhere: `using Config = GLAConfig;`. A model may have
///
///     std::string_view spare() const;   // a tensor that files may hold and it does not need
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/io/config.hpp>
#include <sluice/io/safetensors.hpp>

#include <concepts>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sluice {

/// A model that can be made from a configuration.
template <class Model>
concept Pretrained = Visitable<Model> && Configuration<typename Model::Config> && requires {
  { Model::architecture } -> std::convertible_to<std::string_view>;
} &&(std::constructible_from<Model, const typename Model::Config&> ||
     std::constructible_from<Model, const typename Model::Config&, Rng&>);

namespace detail {

/// Throws unless the JSON object of `file` names the architecture.
inline void require_architecture(const nlohmann::json& json, const std::string& file,
                                 std::string_view wanted) {
  const auto found = json.find("architectures");
  if (found == json.end()) throw CheckpointError(file + ": key \"architectures\" is missing");
  if (!found->is_array() || found->empty() || !found->front().is_string())
    throw CheckpointError(file + ": key \"architectures\" must be a list that begins with a text");
  const auto got = found->front().get<std::string>();
  if (got != wanted)
    throw CheckpointError(file + ": key \"architectures\" must be " + in_quotes(wanted) + ", got " +
                          in_quotes(got));
}

template <Pretrained Model>
Model make_model(const typename Model::Config& config) {
  if constexpr (std::constructible_from<Model, const typename Model::Config&>) {
    return Model(config);
  } else {
    Rng rng = Rng::blank();
    return Model(config, rng);
  }
}

}  // namespace detail

/// The model of a checkpoint folder. Sizes in config.json are believed: a folder from an untrusted
/// source can ask for more memory than there is.
/// \throws CheckpointError  naming the file, and the key or tensor, if one is missing, malformed
///     or does not fit.
template <Pretrained Model>
Model load_pretrained(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  const std::string file = path.string();
  const nlohmann::json json = detail::read_json_object(path);
  detail::require_architecture(json, file, Model::architecture);
  const auto config = detail::read_config<typename Model::Config>(json, file);
  const SafetensorsFile tensors(folder / "model.safetensors");
  try {
    Model model = detail::make_model<Model>(config);
    LoadOptions options;
    if constexpr (requires { model.spare(); }) options.spare = model.spare();
    load_safetensors(tensors, model, options);
    return model;
  } catch (const std::invalid_argument& e) {  // ArgumentError, ShapeError
    throw CheckpointError(file + ": " + e.what());
  } catch (const std::length_error& e) {
    throw CheckpointError(file + ": sizes are impossible: " + e.what());
  } catch (const std::bad_alloc&) {
    throw CheckpointError(file + ": the model does not fit into memory");
  }
}

}  // namespace sluice
