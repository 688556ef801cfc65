// SPDX-License-Identifier: MIT
/// \file
/// One head's rows of some tokens, copied into contiguous scratch rows that are padded with zeros
/// to whole vectors, and back.
///
/// In place those rows lie kilobytes apart and would evict each other from the first-level cache.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/kernels/common/tokens.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/stream.hpp>

#include <algorithm>

namespace sluice::common {

/// Copies a head's rows times `factor` to `to` [count, stride], zeros beyond the width of x.
template <class Arch, class Scalar>
void load_rows(const View<const Scalar, 4>& x, const Span& tokens, Index head, Scalar factor,
               Scalar* to, Index stride) noexcept {
  const Index width = x.dim(3), count = length(tokens);
  for (Index t = 0; t < count; ++t) {
    const Scalar* from = x.row(tokens.row, tokens.begin + t, head);
    Scalar* out = to + t * stride;
    simd::for_each_lane<Arch, Scalar>(width, [&]<class B>(std::type_identity<B>, Index i) {
      simd::store(out + i, simd::load<B>(from + i) * B(factor));
    });
    std::fill(out + width, out + stride, Scalar{0});
  }
}

/// Whether the result `x` is so large that it has left the caches before anybody reads it.
template <class Scalar>
bool outgrows_cache(const View<Scalar, 4>& x) noexcept {
  constexpr Index hoped_for = Index{1} << 20;  // bytes: a second-level cache
  return x.size() * Index{sizeof(Scalar)} > hoped_for;
}

/// Adds or writes scratch rows [count, stride] to a head's rows of `x`. May stream: whoever hands
/// `x` to other threads calls `simd::finish_streaming` before.
template <class Arch, class Scalar>
void store_rows(const Scalar* from, Index stride, bool add, const Span& tokens, Index head,
                const View<Scalar, 4>& x) noexcept {
  using V = simd::Batch<Scalar, Arch>;
  Scalar* const first = x.row(tokens.row, tokens.begin, head);
  const Index count = length(tokens);
  const bool streams =
      !add && outgrows_cache(x) && simd::streamable<V>(first, x.stride(1), x.dim(3));
  for (Index t = 0; t < count; ++t) {
    const Scalar* in = from + t * stride;
    Scalar* out = first + t * x.stride(1);
    if (streams)
      for (Index i = 0; i < x.dim(3); i += simd::lanes<V>)
        simd::stream(out + i, simd::load<V>(in + i));
    else
      simd::for_each_lane<Arch, Scalar>(x.dim(3), [&]<class B>(std::type_identity<B>, Index i) {
        const B value = simd::load<B>(in + i);
        simd::store(out + i, add ? B(simd::load<B>(out + i) + value) : value);
      });
  }
}

}  // namespace sluice::common
