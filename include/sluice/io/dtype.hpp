// SPDX-License-Identifier: MIT
/// \file
/// The element types of checkpoints, and how they become numbers of sluice.
#pragma once

#include <sluice/io/half.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace sluice {

static_assert(std::endian::native == std::endian::little, "checkpoints are little-endian");

/// Element type of a tensor on disk.
enum class Dtype { f64, f32, f16, bf16, i64 };

/// Its name in a safetensors header.
constexpr std::string_view name_of(Dtype dtype) noexcept {
  constexpr std::string_view names[] = {"F64", "F32", "F16", "BF16", "I64"};
  return names[static_cast<std::size_t>(dtype)];
}

/// Bytes of one element.
constexpr std::size_t size_of(Dtype dtype) noexcept {
  constexpr std::size_t sizes[] = {8, 4, 2, 2, 8};
  return sizes[static_cast<std::size_t>(dtype)];
}

/// The dtype of that name, or nothing.
constexpr std::optional<Dtype> dtype_named(std::string_view name) noexcept {
  for (const Dtype d : {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16, Dtype::i64})
    if (name_of(d) == name) return d;
  return {};
}

/// A number of sluice that can be stored.
template <class T>
concept Storable =
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t>;

/// The dtype that stores T exactly.
template <Storable T>
inline constexpr Dtype dtype_of = std::same_as<T, double>  ? Dtype::f64
                                  : std::same_as<T, float> ? Dtype::f32
                                                           : Dtype::i64;

/// Whether elements of `dtype` may be read as T: floats as any float, integers as integers.
template <Storable T>
constexpr bool readable_as(Dtype dtype) noexcept {
  return (dtype == Dtype::i64) == std::same_as<T, std::int64_t>;
}

namespace detail {

/// Calls f(i, element i) with the elements as they are stored; `bytes` need not be aligned.
template <class Stored, class F>
void each_element(const std::byte* bytes, std::size_t n, F&& f) {
  for (std::size_t i = 0; i < n; ++i) {
    Stored x;
    std::memcpy(&x, bytes + i * sizeof x, sizeof x);
    f(i, x);
  }
}

/// Reads n elements of `dtype`, which must be `readable_as<T>`.
template <Storable T>
void decode(Dtype dtype, const std::byte* bytes, std::size_t n, T* to) {
  const auto plain = [to](std::size_t i, auto x) { to[i] = static_cast<T>(x); };
  switch (dtype) {
    case Dtype::f64:
      return each_element<double>(bytes, n, plain);
    case Dtype::f32:
      return each_element<float>(bytes, n, plain);
    case Dtype::f16:
      return each_element<std::uint16_t>(
          bytes, n, [to](std::size_t i, std::uint16_t x) { to[i] = static_cast<T>(from_f16(x)); });
    case Dtype::bf16:
      return each_element<std::uint16_t>(
          bytes, n, [to](std::size_t i, std::uint16_t x) { to[i] = static_cast<T>(from_bf16(x)); });
    case Dtype::i64:
      return each_element<std::int64_t>(bytes, n, plain);
  }
}

/// Writes n numbers as elements of `dtype`, rounding to nearest.
template <Storable T>
void encode(const T* from, std::size_t n, Dtype dtype, std::byte* bytes) {
  const auto store = [&](auto convert) {
    for (std::size_t i = 0; i < n; ++i) {
      const auto x = convert(from[i]);
      std::memcpy(bytes + i * sizeof x, &x, sizeof x);
    }
  };
  switch (dtype) {
    case Dtype::f64:
      return store([](T x) { return static_cast<double>(x); });
    case Dtype::f32:
      return store([](T x) { return static_cast<float>(x); });
    case Dtype::f16:
      return store([](T x) { return to_f16(static_cast<double>(x)); });
    case Dtype::bf16:
      return store([](T x) { return to_bf16(static_cast<double>(x)); });
    case Dtype::i64:
      return store([](T x) { return static_cast<std::int64_t>(x); });
  }
}

}  // namespace detail

}  // namespace sluice
