// SPDX-License-Identifier: MIT
/// \file
/// Stores past the caches, for large results that nobody reads soon: an ordinary store first reads
/// the line that it is about to overwrite, and drives out one that is still needed.
#pragma once

#include <sluice/simd/batch.hpp>

#include <cstdint>

namespace sluice::simd {

/// Whether rows of `width` scalars, `stride` apart, can be streamed in vectors of type B.
template <class B>
bool streamable(const ScalarOf<B>* rows, Index stride, Index width) noexcept {
  return reinterpret_cast<std::uintptr_t>(rows) % sizeof(B) == 0 && stride % lanes<B> == 0 &&
         width % lanes<B> == 0;
}

/// stream(p, b): p must be aligned to the vector. A store like any other where the instruction set
/// has no such thing.
template <class B>
SLUICE_INLINE void stream(ScalarOf<B>* p, const B& b) noexcept {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<B, Batch<float, DefaultArch>>)
    return _mm512_stream_ps(p, b);
  else if constexpr (std::is_same_v<B, Batch<double, DefaultArch>>)
    return _mm512_stream_pd(p, b);
  else
#elif defined(__AVX__)
  if constexpr (std::is_same_v<B, Batch<float, DefaultArch>>)
    return _mm256_stream_ps(p, b);
  else if constexpr (std::is_same_v<B, Batch<double, DefaultArch>>)
    return _mm256_stream_pd(p, b);
  else
#endif
    store(p, b);
}

/// Makes streamed stores visible to threads that are told of them afterwards.
SLUICE_INLINE void finish_streaming() noexcept {
#if defined(__AVX__)
  _mm_sfence();
#endif
}

}  // namespace sluice::simd
