// SPDX-License-Identifier: MIT
/// \file
/// A few tokens of a few vectors of channels: what every form computes at once, and what stands
/// around its recurrence, in scratch rows of whole vectors.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/kernels/activation/functions.hpp>
#include <sluice/kernels/common/look_ahead.hpp>
#include <sluice/kernels/common/tokens.hpp>
#include <sluice/kernels/ssm/detail/number.hpp>
#include <sluice/kernels/ssm/types.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/math.hpp>

#include <algorithm>

namespace sluice::ssm::detail {

/// A vector's share of the channels: `count` of them from `first` on, all of one group.
struct Slice {
  Index first, count, group;
};

/// The channels of a call as vectors; groups begin with a vector of their own.
struct Vectors {
  Index width, per_group, a_group;  ///< lanes; channels and vectors of a group

  template <class Scalar>
  Vectors(const Inputs<Scalar>& in, Index lanes) noexcept
      : width(lanes),
        per_group(in.groups() == 0 ? 0 : in.channels() / in.groups()),
        a_group((per_group + lanes - 1) / lanes) {}

  Slice operator[](Index v) const noexcept {
    const Index group = v / a_group, from = v % a_group * width;
    return {group * per_group + from, std::min(width, per_group - from), group};
  }
};

using common::ahead, common::length, common::look_ahead;

/// Some tokens, and of them vectors [vector, vector + vectors).
struct Block {
  Span tokens;
  Index vector, vectors;
};

/// Vectors of a block: enough tokens to load and store a state seldom, few enough that their
/// columns, a row of the input apart, are fetched ahead by the machine.
inline constexpr Index block_size = 16;

/// What a block's recurrence reads and writes, [tokens, vectors] of a vector each.
template <class V>
struct BlockRows {
  using Scalar = simd::ScalarOf<V>;
  static constexpr Index W = simd::lanes<V>;

  alignas(64) Scalar time[std::size_t(block_size * W)];   ///< dt, times `time_unit`
  alignas(64) Scalar input[std::size_t(block_size * W)];  ///< dt x, or x
  alignas(64) Scalar sum[std::size_t(block_size * W)];    ///< Re sum_n C_n h_n
};

/// Calls f(at, t, slice) for every vector of a block; `at` is its place in the scratch rows.
template <class F>
SLUICE_INLINE void for_each_vector(const Block& block, const Vectors& vectors, F&& f) noexcept {
  for (Index v = 0; v < block.vectors; ++v) {
    const Slice slice = vectors[block.vector + v];
    for (Index t = 0; t < length(block.tokens); ++t)
      f((t * block.vectors + v) * vectors.width, block.tokens.begin + t, slice);
  }
}

/// dt without bias, softplus and limits, but with the bias.
template <class V, class Scalar>
SLUICE_INLINE V raw_step(const Inputs<Scalar>& in, Index row, Index t, const Slice& s) noexcept {
  const V dt = simd::load_part<V>(in.dt.row(row, t) + s.first, s.count);
  if (!in.dt_bias) return dt;
  return dt + simd::load_part<V>(in.dt_bias.data() + s.first, s.count);
}

/// dt of types.hpp; `bounded` is what softplus has made of it before the limits.
template <class V, class Scalar>
SLUICE_INLINE V time_step(const Inputs<Scalar>& in, const V& raw, V& bounded) noexcept {
  bounded = in.softplus ? simd::softplus(raw) : raw;
  return simd::clamp(bounded, in.dt_min, in.dt_max);
}

/// Asks for what the next vectors of the same tokens will read and write.
template <class Scalar, class... Streams>
SLUICE_INLINE void look_ahead_of(Index row, Index t, const Slice& s,
                                 const Streams&... streams) noexcept {
  const auto request = [&](const auto& x) SLUICE_INLINE_LAMBDA {
    if (x) look_ahead(x.row(row, t) + s.first + ahead<Scalar>, 1);
  };
  (request(streams), ...);
}

/// Fills `time` and `input`, and `step` with dt where that is wanted.
template <class V, class Scalar>
void prepare(const Inputs<Scalar>& in, const Block& block, const Vectors& vectors,
             BlockRows<V>& rows, const View<Scalar, 3>& y, Scalar* step = nullptr) noexcept {
  const V unit(in.complex ? Numbers<V, true>::time_unit : Numbers<V, false>::time_unit);
  for_each_vector(block, vectors, [&](Index at, Index t, const Slice& s) {
    look_ahead_of<Scalar>(block.tokens.row, t, s, in.x, in.dt, in.z, y);
    V unused;
    const V dt = time_step(in, raw_step<V>(in, block.tokens.row, t, s), unused);
    const V x = simd::load_part<V>(in.x.row(block.tokens.row, t) + s.first, s.count);
    if (step) simd::store(step + at, dt);
    simd::store(rows.time + at, V(dt * unit));
    simd::store(rows.input + at, in.dt_scales_x ? V(dt * x) : x);
  });
}

/// y = (sum + D x) silu(z).
template <class V, class Scalar>
void finish(const Inputs<Scalar>& in, const Block& block, const Vectors& vectors,
            const BlockRows<V>& rows, const View<Scalar, 3>& y) noexcept {
  for_each_vector(block, vectors, [&](Index at, Index t, const Slice& s) {
    V sum = simd::load<V>(rows.sum + at);
    if (in.complex) sum = sum + sum;
    if (in.D)
      sum = simd::madd(simd::load_part<V>(in.D.data() + s.first, s.count),
                       simd::load_part<V>(in.x.row(block.tokens.row, t) + s.first, s.count), sum);
    if (in.z)
      sum = sum * kernels::Silu{}.value(
                      simd::load_part<V>(in.z.row(block.tokens.row, t) + s.first, s.count));
    simd::store_part(y.row(block.tokens.row, t) + s.first, sum, s.count);
  });
}

}  // namespace sluice::ssm::detail
