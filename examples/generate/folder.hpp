// SPDX-License-Identifier: MIT
/// \file
/// A checkpoint folder: which architecture it holds, and what `config.json` says about its tokens.
#pragma once

#include "json_place.hpp"
#include "language_model.hpp"

#include <sluice/io/json.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace generate {

struct Folder {
  std::filesystem::path path;
  Architecture architecture;
  std::vector<std::int64_t> eos;  ///< tokens that end a text
  std::uintmax_t bytes;           ///< of the weights on disk

  bool ends(std::int64_t id) const { return std::find(eos.begin(), eos.end(), id) != eos.end(); }
};

namespace detail {

inline Architecture read_architecture(const JsonPlace& config) {
  const auto names = config.at("architectures").list();
  if (names.empty()) config.at("architectures").fail("is empty");
  const std::string name = names.front().text();
  std::string known;
  for (const Architecture& a : architectures) {
    if (a.name == name) return a;
    known += (known.empty() ? "" : ", ") + std::string(a.name);
  }
  names.front().fail("is " + sluice::detail::in_quotes(name) + ", which is not known (" + known +
                     " would fit)");
}

inline std::vector<std::int64_t> read_eos(const JsonPlace& config) {
  const auto place = config.find("eos_token_id");
  if (!place) return {};
  if (!place->value().is_array()) return {place->id()};
  std::vector<std::int64_t> ids;
  for (const JsonPlace& id : place->list()) ids.push_back(id.id());
  return ids;
}

}  // namespace detail

/// \throws InputError  naming the file and the key, if this is no folder of a known model.
inline Folder read_folder(const std::filesystem::path& path) try {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error))
    throw InputError(path.string() +
                     ": there is no such folder (name one with config.json and model.safetensors)");
  const auto config_path = path / "config.json";
  const nlohmann::json json = sluice::detail::read_json_object(config_path);
  const JsonPlace config(json, config_path.string());
  const auto bytes = std::filesystem::file_size(path / "model.safetensors", error);
  return {path, detail::read_architecture(config), detail::read_eos(config), error ? 0 : bytes};
} catch (const sluice::CheckpointError& e) {
  throw InputError(e.what());
}

}  // namespace generate
