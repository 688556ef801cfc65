// SPDX-License-Identifier: MIT
/// \file
/// What `generate` can be told.
#pragma once

#include "sampler.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace generate {

struct Options {
  std::string folder = GENERATE_FOLDER;  ///< a shipped one, tiny and random
  std::vector<std::int64_t> ids;         ///< of the prompt; empty: `text`, or a default
  std::optional<std::string> text;       ///< of the prompt
  std::int64_t tokens = 32;              ///< to make, at most
  bool ignore_eos = false;
  SamplerOptions sampler;
  std::uint64_t seed = 1;
  int threads = 0;  ///< 0: as many as the machine runs at once
  bool quiet = false;
};

}  // namespace generate
