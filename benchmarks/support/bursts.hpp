// SPDX-License-Identifier: MIT
/// \file
/// Loops that do one thing only, as fast as the machine can: they measure its limits.
#pragma once

#include <sluice/simd/exp.hpp>
#include <sluice/simd/gemm.hpp>

#include <cstddef>

namespace sluice::bench {

/// Keeps a result alive without more than a store.
template <class Scalar>
void keep(Scalar x) {
  [[maybe_unused]] volatile Scalar kept = x;
}

/// Reads through volatile, so that the compiler knows nothing of the value.
template <class Scalar>
Scalar unknown(Scalar x) {
  volatile Scalar hidden = x;
  return hidden;
}

/// Fused multiply-adds on registers alone. Twelve sums are enough to hide the latency of two units
/// (4 or 5 cycles each), and with both factors they fit 16 registers.
template <class Scalar>
struct FmaBurst {
  using B = simd::Batch<Scalar, simd::DefaultArch>;
  static constexpr int sums = 12;
  static constexpr int steps = 4000;
  static constexpr double flop = 2.0 * sums * steps * double(simd::lanes<B>);

  void operator()() const {
    const B factor(unknown(Scalar(0.999))), term(unknown(Scalar(1e-3)));
    B sum[sums];
    simd::unroll<sums>([&](auto i) SLUICE_INLINE_LAMBDA { sum[i] = B(unknown(Scalar(1))); });
    for (int step = 0; step < steps; ++step)
      simd::unroll<sums>([&](auto i)
                             SLUICE_INLINE_LAMBDA { sum[i] = simd::madd(sum[i], factor, term); });
    B all = sum[0];
    for (int i = 1; i < sums; ++i) all = all + sum[i];
    keep(simd::sum(all));
  }
};

/// y = f(x) over n scalars, four vectors in flight; n is a multiple of that.
template <class F, class Scalar>
void map_span(F f, const Scalar* x, Scalar* y, Index n) {
  using B = simd::Batch<Scalar, simd::DefaultArch>;
  constexpr int flight = 4;
  for (Index i = 0; i < n; i += flight * simd::lanes<B>)
    simd::unroll<flight>([&](auto j) SLUICE_INLINE_LAMBDA {
      const Index at = i + j * simd::lanes<B>;
      simd::store(y + at, B(f(simd::load<B>(x + at))));
    });
}

/// Reads n scalars, n a multiple of eight vectors. With `Far` it asks for what comes some pages on:
/// the processor by itself stops looking ahead at the end of a page.
template <bool Far, class Scalar>
Scalar read_span(const Scalar* x, Index n) {
  using B = simd::Batch<Scalar, simd::DefaultArch>;
  constexpr int flight = 8;
  constexpr Index ahead = 12288 / sizeof(Scalar);
  B sum[flight];
  for (B& s : sum) s = B(Scalar{0});
  for (Index i = 0; i < n; i += flight * simd::lanes<B>)
    simd::unroll<flight>([&](auto j) SLUICE_INLINE_LAMBDA {
      const Scalar* const p = x + i + j * simd::lanes<B>;
      sum[j] = sum[j] + simd::load<B>(p);
      if constexpr (Far) simd::prefetch(p + ahead);
    });
  for (int j = 1; j < flight; ++j) sum[0] = sum[0] + sum[j];
  return simd::sum(sum[0]);
}

/// The faster of both for the size.
template <class Scalar>
Scalar read_span(const Scalar* x, Index n) {
  constexpr Index near_bytes = Index{1} << 20;
  return n * Index(sizeof(Scalar)) <= near_bytes ? read_span<false>(x, n) : read_span<true>(x, n);
}

/// Reads and writes n scalars in place, n a multiple of four vectors.
template <class Scalar>
void update_span(Scalar* x, Index n) {
  using B = simd::Batch<Scalar, simd::DefaultArch>;
  const B factor(unknown(Scalar(1)));
  map_span([&](const B& b) SLUICE_INLINE_LAMBDA { return B(b * factor); }, x, x, n);
}

}  // namespace sluice::bench
