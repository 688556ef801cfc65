// SPDX-License-Identifier: MIT
/// \file
/// A block of scores: some queries of a head against some keys.
#pragma once

#include <sluice/kernels/attention/types.hpp>
#include <sluice/simd/exp2.hpp>
#include <sluice/simd/gemm.hpp>
#include <sluice/simd/transpose.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <type_traits>

namespace sluice::attention::detail {

/// Queries and keys of a block: its scores stay in the first-level cache.
inline constexpr Index block = 64;

/// Scores are powers of 2: log2(e), by which q and the bias are multiplied.
template <class Scalar>
inline constexpr Scalar log2_e = Scalar(1.44269504088896340736);
template <class Scalar>
inline constexpr Scalar ln_2 = Scalar(0.69314718055994530942);

/// What is smaller, as a power of 2, counts for nothing.
template <class Scalar>
inline constexpr Scalar least_power = sizeof(Scalar) == 4 ? Scalar(-126) : Scalar(-1022);

template <class Scalar>
inline constexpr Scalar minus_infinity = -std::numeric_limits<Scalar>::infinity();

/// Queries [first, first + count) of one head in one sequence.
struct Queries {
  Span sequence;
  Index head, first, count;
};

/// The keys that any of some queries may see.
template <class Scalar>
Keys seen_by(const Inputs<Scalar>& in, const Queries& some) noexcept {
  const Keys newest = attention::seen_by(in, some.sequence, some.first + some.count - 1);
  const Keys oldest = attention::seen_by(in, some.sequence, some.first);
  return {std::min(oldest.begin, newest.end), newest.end};
}

/// Turns `count` rows of a block to columns, [N, block], with zeros behind the last.
template <class Arch, class Scalar>
void turn(Index count, Index N, const Scalar* rows, Index stride, Scalar* columns) noexcept {
  simd::transpose<Arch>(count, N, rows, stride, columns, block);
  for (Index i = 0; count < block && i < N; ++i)
    std::fill(columns + i * block + count, columns + (i + 1) * block, Scalar{0});
}

/// Copies q times scale log2(e) behind one another.
template <class Arch, class Scalar>
void scale_queries(const Inputs<Scalar>& in, const Queries& some, Scalar scale, Scalar* to) {
  const Index K = in.q.dim(3);
  for (Index r = 0; r < some.count; ++r) {
    const Scalar* const q = in.q.row(some.sequence.row, some.first + r, some.head);
    const Scalar factor = scale * log2_e<Scalar>;
    Scalar* const row = to + r * K;
    simd::for_each_lane<Arch, Scalar>(K, [=]<class B>(std::type_identity<B>, Index i) {
      simd::store(row + i, B(simd::load<B>(q + i) * B(factor)));
    });
  }
}

/// s [count, block]: the scores of some queries with keys [j, j + count) of at most a block, minus
/// infinity where nothing is seen. `q` is scaled, `keys` turned to columns.
template <class Arch, class Scalar>
void scores(const Inputs<Scalar>& in, const Queries& some, Keys keys, const Scalar* q,
            const Scalar* columns, Scalar* s) noexcept {
  const Index K = in.q.dim(3), m = keys.end - keys.begin;
  simd::product<Arch, Scalar>(some.count, simd::padded<Scalar, Arch>(m), K, {q, K, 1}, columns,
                              block, s, block);
  for (Index r = 0; r < some.count; ++r) {
    Scalar* const row = s + r * block;
    const Index t = some.first + r;
    for (Index c = 0; in.bias && c < m; ++c)
      row[c] += log2_e<Scalar> * in.bias(some.sequence.row, some.head, t, keys.begin + c);
    const Keys seen = attention::seen_by(in, some.sequence, t);
    const Index from = std::clamp<Index>(seen.begin - keys.begin, 0, m);
    const Index to = std::clamp<Index>(seen.end - keys.begin, from, m);
    std::fill(row, row + from, minus_infinity<Scalar>);
    std::fill(row + to, row + block, minus_infinity<Scalar>);
  }
}

}  // namespace sluice::attention::detail
