// SPDX-License-Identifier: MIT
/// \file
/// What is said about a model and its speed.
#pragma once

#include "../common/clock.hpp"
#include "../common/numbers.hpp"
#include "folder.hpp"

#include <cmath>
#include <cstdint>
#include <string>

namespace generate {

using examples::Clock;
using examples::grouped;

/// Tokens and the time that they took.
struct Pace {
  std::int64_t tokens = 0;
  double seconds = 0;

  double rate() const { return seconds > 0 ? double(tokens) / seconds : 0; }
};

/// A number of three significant digits, or all of those before the point.
inline std::string readable(double value) {
  return value >= 1000 ? grouped(std::llround(value)) : examples::readable(value);
}

inline std::string model_line(const Folder& folder, const LanguageModel::Size& size,
                              double seconds) {
  return "model    " + std::string(folder.architecture.name) + ", " + grouped(size.parameters) +
         " parameters, " + readable(double(folder.bytes) * 1e-6) + " MB read in " +
         readable(seconds) + " s\n";
}

inline std::string prefill_line(const Pace& pace) {
  return "prefill  " + grouped(pace.tokens) + " tokens, " + readable(pace.rate()) + " tokens/s\n";
}

/// \param pace  of the steps and the choices after them; the first token needs no step, since
///     prefill ends with its logits.
inline std::string decode_line(const Pace& pace, const LanguageModel::Size& size) {
  if (pace.tokens == 0) return "decode   no step\n";
  return "decode   " + grouped(pace.tokens) + " tokens, " + readable(pace.rate()) + " tokens/s, " +
         readable(1e3 / pace.rate()) + " ms a token, " +
         readable(1e-9 * double(size.step_bytes) * pace.rate()) + " GB/s of weights\n";
}

}  // namespace generate
