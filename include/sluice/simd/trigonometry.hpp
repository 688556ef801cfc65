// SPDX-License-Identifier: MIT
/// \file
/// Sine and cosine, those of xsimd: for rotations, which are no inner loop of ours.
#pragma once

#include <sluice/simd/batch.hpp>

namespace sluice::simd {

/// sin(x). Error: 2 ulp of 1 for |x| up to 1000.
template <class B>
SLUICE_INLINE B sin(const B& x) noexcept {
  if constexpr (is_batch<B>)
    return xsimd::sin(x);
  else
    return std::sin(x);
}

/// cos(x). Error as `sin`.
template <class B>
SLUICE_INLINE B cos(const B& x) noexcept {
  if constexpr (is_batch<B>)
    return xsimd::cos(x);
  else
    return std::cos(x);
}

}  // namespace sluice::simd
