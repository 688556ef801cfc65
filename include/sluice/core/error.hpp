// SPDX-License-Identifier: MIT
/// \file
/// The exceptions sluice throws, and the checks that throw them.
#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sluice {

/// Two shapes that had to agree do not. The message holds both.
struct ShapeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// An option lies outside its range. The message names it, the range and the value.
struct ArgumentError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// "[2, 8, 4, 16]".
template <std::size_t Rank>
std::string to_string(const std::array<std::ptrdiff_t, Rank>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < Rank; ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

/// Throws `ShapeError{"gla::recurrent: k must be [2, 8, 4, 16] to match q, got [2, 7, 4, 16]"}`.
template <std::size_t Rank>
void require_shape(std::string_view where, std::string_view what,
                   const std::array<std::ptrdiff_t, Rank>& got,
                   const std::array<std::ptrdiff_t, Rank>& expected, std::string_view why) {
  if (got == expected) return;
  throw ShapeError(std::string(where) + ": " + std::string(what) + " must be " +
                   to_string(expected) + " " + std::string(why) + ", got " + to_string(got));
}

/// Throws `ArgumentError{"gla::chunkwise: chunk_size must be at least 1, got 0"}`.
inline void require(bool holds, std::string_view where, std::string_view what,
                    std::string_view expected, const std::string& got) {
  if (holds) return;
  throw ArgumentError(std::string(where) + ": " + std::string(what) + " must be " +
                      std::string(expected) + ", got " + got);
}

}  // namespace sluice
