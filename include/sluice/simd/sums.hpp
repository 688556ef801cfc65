// SPDX-License-Identifier: MIT
/// \file
/// Several sums over one row in one pass.
#pragma once

#include <sluice/simd/batch.hpp>

#include <array>
#include <cstddef>
#include <type_traits>

namespace sluice::simd {

/// N sums over [0, n) in one pass. `body(std::type_identity<B>{}, i, acc)` adds the terms of the
/// lanes from i to acc[0] ... acc[N - 1], of type B. Every lane keeps partial sums of its own, so
/// that the rounding error grows with n / (4 lanes) and not with n.
template <class Arch, class Scalar, std::size_t N, class Body>
SLUICE_INLINE std::array<Scalar, N> sums(Index n, Body&& body) noexcept {
  using B = Batch<Scalar, Arch>;
  constexpr Index w = lanes<B>;
  constexpr std::type_identity<B> batch;
  B a[N], b[N], c[N], d[N];  // four chains hide the latency of the multiply-add
  for (std::size_t s = 0; s < N; ++s) a[s] = b[s] = c[s] = d[s] = B(Scalar{0});
  Index i = 0;
  for (; i + 4 * w <= n; i += 4 * w) {
    body(batch, i, a);
    body(batch, i + w, b);
    body(batch, i + 2 * w, c);
    body(batch, i + 3 * w, d);
  }
  for (; i + w <= n; i += w) body(batch, i, a);
  Scalar tail[N] = {};
  for (; i < n; ++i) body(std::type_identity<Scalar>{}, i, tail);
  std::array<Scalar, N> total;
  for (std::size_t s = 0; s < N; ++s) total[s] = sum((a[s] + b[s]) + (c[s] + d[s])) + tail[s];
  return total;
}

}  // namespace sluice::simd
