// SPDX-License-Identifier: MIT
/// \file
/// A stopwatch.
#pragma once

#include <chrono>

namespace examples {

/// Seconds since it was made.
class Clock {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace examples
