// SPDX-License-Identifier: MIT
/// \file
/// The exceptions sluice throws, and the checks that throw them.
#pragma once

#include <sluice/simd/inline.hpp>

#include <array>
#include <concepts>
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

namespace detail {

// What is rarely needed is neither inlined nor compiled for every rank and every text.

/// "[2, 8, 4, 16]".
SLUICE_OUTLINE inline std::string shape_text(const std::ptrdiff_t* sizes, std::size_t rank) {
  std::string out = "[";
  for (std::size_t i = 0; i < rank; ++i) out += (i ? ", " : "") + std::to_string(sizes[i]);
  return out + "]";
}

/// Words or a number.
class Part {
 public:
  constexpr Part() = default;
  constexpr Part(std::string_view words) noexcept : words_(words) {}
  template <std::convertible_to<std::string_view> Words>
  constexpr Part(const Words& words) noexcept : words_(words) {}
  template <std::signed_integral Number>
  constexpr Part(Number x) noexcept : kind_(Kind::integer), integer_(x) {}
  template <std::unsigned_integral Number>
  constexpr Part(Number x) noexcept : kind_(Kind::natural), natural_(x) {}
  template <std::floating_point Number>
  constexpr Part(Number x) noexcept : kind_(Kind::real), real_(double(x)) {}

  SLUICE_OUTLINE void append_to(std::string& out) const {
    switch (kind_) {
      case Kind::words:
        return void(out += words_);
      case Kind::integer:
        return void(out += std::to_string(integer_));
      case Kind::natural:
        return void(out += std::to_string(natural_));
      case Kind::real:
        return void(out += std::to_string(real_));
    }
  }

 private:
  enum class Kind { words, integer, natural, real };

  Kind kind_ = Kind::words;
  union {
    std::string_view words_{};
    long long integer_;
    unsigned long long natural_;
    double real_;
  };
};

/// A text in parts.
struct Text {
  std::array<Part, 8> parts;

  std::string string() const {
    std::string out;
    for (const Part& part : parts) part.append_to(out);
    return out;
  }
};

[[noreturn]] SLUICE_OUTLINE inline void throw_shape(std::string_view where, std::string_view what,
                                                    const std::ptrdiff_t* got,
                                                    const std::ptrdiff_t* expected,
                                                    std::size_t rank, std::string_view why) {
  throw ShapeError(std::string(where) + ": " + std::string(what) + " must be " +
                   shape_text(expected, rank) + " " + std::string(why) + ", got " +
                   shape_text(got, rank));
}

[[noreturn]] SLUICE_OUTLINE inline void throw_argument(std::string_view where, const Text& what,
                                                       const Text& expected, const Text& got) {
  throw ArgumentError(std::string(where) + ": " + what.string() + " must be " + expected.string() +
                      ", got " + got.string());
}

}  // namespace detail

/// "[2, 8, 4, 16]".
template <std::size_t Rank>
std::string to_string(const std::array<std::ptrdiff_t, Rank>& shape) {
  return detail::shape_text(shape.data(), Rank);
}

/// Throws `ShapeError{"gla::recurrent: k must be [2, 8, 4, 16] to match q, got [2, 7, 4, 16]"}`.
template <std::size_t Rank>
void require_shape(std::string_view where, std::string_view what,
                   const std::array<std::ptrdiff_t, Rank>& got,
                   const std::array<std::ptrdiff_t, Rank>& expected, std::string_view why) {
  if (got != expected) detail::throw_shape(where, what, got.data(), expected.data(), Rank, why);
}

/// `text("a divisor of ", n)`: at most 8 words and numbers that become one text if `require` needs
/// it; a warm step makes none. Good for the length of the call alone.
template <class... Parts>
constexpr detail::Text text(const Parts&... parts) noexcept {
  return {{detail::Part(parts)...}};
}
constexpr const detail::Text& text(const detail::Text& whole) noexcept { return whole; }

/// Throws `ArgumentError{"gla::chunkwise: chunk_size must be at least 1, got 0"}` unless `holds`.
///
/// \param what, expected, got  words, a number, or a `text` of several.
template <class What, class Expected, class Got>
void require(bool holds, std::string_view where, const What& what, const Expected& expected,
             const Got& got) {
  if (!holds) detail::throw_argument(where, text(what), text(expected), text(got));
}

}  // namespace sluice
