// SPDX-License-Identifier: MIT
/// \file
/// Golden checkpoint folders: a published model, and what its own implementation made of a text.
#pragma once

#include "support/golden_case.hpp"
#include "support/golden_report.hpp"

#include <sluice/io/config.hpp>

#include <filesystem>
#include <string>

namespace sluice::testing::golden_models {

/// The first entry of "architectures" in config.json.
inline std::string architecture_of(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  const auto json = detail::read_json_object(path);
  const auto found = json.find("architectures");
  if (found == json.end() || !found->is_array() || found->empty() || !found->front().is_string())
    throw CheckpointError(path.string() + ": no architecture");
  return found->front().get<std::string>();
}

inline void check(const std::filesystem::path& folder, Report&) {
  throw NotAvailable("there is no model " + architecture_of(folder) + " yet");
}

}  // namespace sluice::testing::golden_models
