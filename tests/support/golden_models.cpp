// SPDX-License-Identifier: MIT
/// \file
/// Golden checkpoint folders: a published model, and what its own implementation made of a text.

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/io/config.hpp>
#include <sluice/io/pretrained.hpp>
#include <sluice/models/language/gla_lm.hpp>
#include <sluice/models/language/mamba2_lm.hpp>
#include <sluice/models/language/mamba_lm.hpp>
#include "support/golden_families.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace sluice::testing::golden_models {

/// Of logits, absolute, where the reference computed in float32.
inline constexpr double logits_limit = 2e-4;
/// Of logits in float64 on both sides, relative to the largest.
inline constexpr double wide_logits_limit = 1e-10;

/// Compares logits with the first of those of a reference, [.., V].
template <class Scalar>
void compare_logits(const SafetensorsFile& golden, const std::string& name, const std::string& form,
                    const std::vector<Scalar>& got, Report& report) {
  std::vector<double> reference(golden.info(name).size());
  golden.copy(name, reference.data());
  const bool wide = std::is_same_v<Scalar, double> && golden.info(name).dtype == Dtype::f64;
  if (got.size() > reference.size()) golden.fail("\"" + name + "\" is too short");
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double d = std::abs(double(got[i]) - reference[i]);
    worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(worst, d);
    largest = std::max(largest, std::abs(reference[i]));
  }
  report.add_error(form + "/" + scalar_name<Scalar>, name, worst,
                   wide ? wide_logits_limit * std::max(largest, 1.0) : logits_limit);
}

/// Reads one text token by token, and can continue it.
template <class Model>
class Reader {
 public:
  using Scalar = typename Model::Scalar;

  explicit Reader(const Model& model) : model_(model), state_(model.initial_state(1)) {}

  /// Reads a token; the logits of the next one, valid until the next call.
  View<const Scalar, 3> read(std::int64_t id) {
    tape_.start();
    return model_(tape_, View<const std::int64_t, 2>(&id, {1, 1}), state_).value;
  }

 private:
  const Model& model_;
  typename Model::State state_;
  Tape<Scalar> tape_;
};

/// `text` and what the model finds most probable after it, up to `length` tokens in all.
template <class Model>
std::vector<std::int64_t> continue_greedily(const Model& model, std::vector<std::int64_t> text,
                                            std::size_t length) {
  Reader<Model> reader(model);
  for (std::size_t t = 0; t + 1 < length; ++t) {
    const auto logits = reader.read(text[t]);
    if (t + 1 < text.size()) continue;
    const auto* begin = logits.data();
    text.push_back(std::max_element(begin, begin + logits.size()) - begin);
  }
  return text;
}

/// The greedy continuation of the beginning of sequence 0 that the reference has made.
template <class Model>
void check_generation(const Model& model, const SafetensorsFile& golden,
                      const Tensor<std::int64_t, 2>& ids, Report& report) {
  const auto generated = golden.tensor<std::int64_t, 2>("out.generated");
  const auto n = static_cast<std::size_t>(generated.dimension(1));
  const std::vector<std::int64_t> expected(generated.data(), generated.data() + n);
  // The prompt is what both have in common; where the model went on as the text does, no harm.
  std::vector<std::int64_t> prompt;
  while (prompt.size() < std::min(n, std::size_t(ids.dimension(1))) &&
         ids(0, Index(prompt.size())) == expected[prompt.size()])
    prompt.push_back(expected[prompt.size()]);
  if (prompt.empty()) golden.fail("\"out.generated\" does not begin as \"in.input_ids\"");
  const bool same = continue_greedily(model, prompt, n) == expected;
  report.add_error(std::string("greedy/") + scalar_name<typename Model::Scalar>, "out.generated",
                   same ? 0 : 1, 0.5);
}

template <class Model>
void check_model(const std::filesystem::path& folder, Report& report) {
  using Scalar = typename Model::Scalar;
  const auto model = load_pretrained<Model>(folder);
  const SafetensorsFile golden(folder / "golden.safetensors");
  const auto ids = golden.tensor<std::int64_t, 2>("in.input_ids");
  const Index B = ids.dimension(0), T = ids.dimension(1);
  if (ids.size() == 0) golden.fail("\"in.input_ids\" is empty");

  Tape<Scalar> tape;
  tape.start();
  auto state = model.initial_state(B);
  const auto logits = model(tape, View<const std::int64_t, 2>(ids), state).value;
  const Index V = logits.dim(2);
  const std::vector<Scalar> whole(logits.data(), logits.data() + logits.size());
  for (const std::string name : {"out.logits", "out.logits_f64"})
    if (golden.contains(name)) compare_logits(golden, name, "whole", whole, report);

  Reader<Model> reader(model);
  std::vector<Scalar> steps;
  for (Index t = 0; t < T; ++t) {
    const auto next = reader.read(ids(0, t));
    steps.insert(steps.end(), next.data(), next.data() + V);
  }
  for (const std::string name : {"out.logits", "out.step_logits", "out.step_logits_f64"})
    if (golden.contains(name)) compare_logits(golden, name, "token by token", steps, report);
  if (golden.contains("out.generated")) check_generation(model, golden, ids, report);
}

/// The first entry of "architectures" in config.json, which has been read from `path`.
inline std::string architecture_of(const nlohmann::json& json, const std::filesystem::path& path) {
  const auto found = json.find("architectures");
  if (found == json.end() || !found->is_array() || found->empty() || !found->front().is_string())
    throw CheckpointError(path.string() + ": no architecture");
  return found->front().get<std::string>();
}

/// Both precisions of a model.
template <template <class> class Model>
void check_both(const std::filesystem::path& folder, Report& report) {
  check_model<Model<double>>(folder, report);
  check_model<Model<float>>(folder, report);
}

void check(const std::filesystem::path& folder, Report& report) {
  const auto path = folder / "config.json";
  const auto json = detail::read_json_object(path);
  const std::string architecture = architecture_of(json, path);
  if (const auto found = json.find("attn"); found != json.end() && !found->is_null())
    throw NotAvailable("there are no layers of softmax attention yet");
  if (architecture == GLAForCausalLM<float>::architecture)
    return check_both<GLAForCausalLM>(folder, report);
  if (architecture == MambaForCausalLM<float>::architecture)
    return check_both<MambaForCausalLM>(folder, report);
  if (architecture == Mamba2ForCausalLM<float>::architecture)
    return check_both<Mamba2ForCausalLM>(folder, report);
  throw NotAvailable("there is no model " + architecture + " yet");
}

}  // namespace sluice::testing::golden_models
