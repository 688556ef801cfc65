// SPDX-License-Identifier: MIT
/// \file
/// The two 16-bit floating-point formats of checkpoints, as bits: IEEE half (F16) and the upper
/// half of a float (BF16). For storage only; sluice computes in float and double.
#pragma once

#include <bit>
#include <cstdint>

namespace sluice {

namespace detail {

/// Rounds to a format of 1 sign, `E` exponent and `M` mantissa bits: to nearest, ties to even, in
/// one rounding. Overflow gives infinity, NaN stays NaN.
template <int E, int M>
constexpr std::uint16_t narrow(double x) noexcept {
  constexpr int bias = (1 << (E - 1)) - 1;
  constexpr std::uint64_t infinity = ((std::uint64_t{1} << E) - 1) << M;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t sign = bits >> 63 << (E + M);
  const std::uint64_t mantissa = bits & ((std::uint64_t{1} << 52) - 1);
  const int biased = static_cast<int>(bits >> 52 & 0x7ff);
  const auto answer = [&](std::uint64_t magnitude) {
    return static_cast<std::uint16_t>(sign | magnitude);
  };
  if (biased == 0x7ff) {
    if (mantissa == 0) return answer(infinity);
    return answer(infinity | std::uint64_t{1} << (M - 1) | mantissa >> (52 - M));  // a quiet NaN
  }
  const int exponent = biased - 1023;
  if (exponent > bias) return answer(infinity);
  const bool subnormal = exponent < 1 - bias;
  const int shift = 52 - M + (subnormal ? 1 - bias - exponent : 0);
  if (shift > 54) return answer(0);  // below half of the smallest number
  const std::uint64_t whole = mantissa | std::uint64_t{1} << 52;
  const std::uint64_t rest = whole & ((std::uint64_t{1} << shift) - 1);
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  std::uint64_t kept = whole >> shift;
  if (rest > half || (rest == half && (kept & 1) != 0)) ++kept;
  // The leading one of `kept` counts as one step of the exponent, as does a carry out of it.
  if (!subnormal) kept += static_cast<std::uint64_t>(exponent + bias - 1) << M;
  return answer(kept < infinity ? kept : infinity);
}

}  // namespace detail

/// The nearest IEEE half, ties to even.
constexpr std::uint16_t to_f16(double x) noexcept { return detail::narrow<5, 10>(x); }

/// The nearest bfloat16, ties to even.
constexpr std::uint16_t to_bf16(double x) noexcept { return detail::narrow<8, 7>(x); }

/// The value of an IEEE half; exact.
constexpr float from_f16(std::uint16_t bits) noexcept {
  const std::uint32_t sign = std::uint32_t{bits} >> 15 << 31;
  const std::uint32_t exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

/// The value of a bfloat16; exact.
constexpr float from_bf16(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

}  // namespace sluice
