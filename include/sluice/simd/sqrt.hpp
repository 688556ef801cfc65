// SPDX-License-Identifier: MIT
/// \file
/// The square root, correctly rounded, for a vector and for the scalar of its tail.
#pragma once

#include <sluice/simd/batch.hpp>

#include <cmath>

namespace sluice::simd {

template <class B>
SLUICE_INLINE B sqrt(const B& x) noexcept {
#if defined(__aarch64__)
  if constexpr (detail::approximated<B>) return vsqrtq_f32(x);
#endif
  if constexpr (is_batch<B>)
    return xsimd::sqrt(x);
  else
    return std::sqrt(x);
}

}  // namespace sluice::simd
