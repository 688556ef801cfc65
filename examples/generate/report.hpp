// SPDX-License-Identifier: MIT
/// \file
/// What is said about a model and its speed.
#pragma once

#include "folder.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

namespace generate {

/// Seconds since it was made.
class Clock {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Tokens and the time that they took.
struct Pace {
  std::int64_t tokens = 0;
  double seconds = 0;

  double rate() const { return seconds > 0 ? double(tokens) / seconds : 0; }
};

/// 1234567 as "1 234 567".
inline std::string grouped(std::int64_t n) {
  std::string text = std::to_string(n);
  for (int i = int(text.size()) - 3; i > 0; i -= 3) text.insert(std::size_t(i), 1, ' ');
  return text;
}

/// A number from 0 on with about three significant digits and no exponent: 0.0123, 1.23, 1 016.
inline std::string readable(double value) {
  if (value >= 1000) return grouped(std::llround(value));
  int digits = 2;
  for (double size = value; size >= 10 && digits > 0; size /= 10) --digits;
  for (double size = value; size < 1 && size > 0 && digits < 6; size *= 10) ++digits;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
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
