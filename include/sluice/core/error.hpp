// SPDX-License-Identifier: MIT
/// \file
/// The exceptions sluice throws, and the checks that throw them.
#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

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

namespace detail {
template <class... Parts>
struct TextOf {
  std::tuple<Parts...> parts;
};
}  // namespace detail

/// `text("a divisor of ", n)`: words and numbers that become one text if `require` needs it; a warm
/// step makes none. Good for the length of the call alone.
template <class... Parts>
detail::TextOf<const Parts&...> text(const Parts&... parts) noexcept {
  return {std::tuple<const Parts&...>(parts...)};
}

namespace detail {

inline std::string described(std::string_view words) { return std::string(words); }
template <class Number>
requires(std::is_arithmetic_v<Number>) std::string described(Number x) { return std::to_string(x); }
template <class... Parts>
std::string described(const TextOf<Parts...>& t) {
  return std::apply([](const auto&... part) { return (std::string() + ... + described(part)); },
                    t.parts);
}

}  // namespace detail

/// Throws `ArgumentError{"gla::chunkwise: chunk_size must be at least 1, got 0"}` unless `holds`.
///
/// \param expected, got  words, a number, or a `text` of several.
template <class Expected, class Got>
void require(bool holds, std::string_view where, std::string_view what, const Expected& expected,
             const Got& got) {
  if (holds) return;
  throw ArgumentError(std::string(where) + ": " + std::string(what) + " must be " +
                      detail::described(expected) + ", got " + detail::described(got));
}

}  // namespace sluice
