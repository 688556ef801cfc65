// SPDX-License-Identifier: MIT
/// \file
/// The gradients of one block of tokens and one vector of channels.
///
/// Around the recurrence (backward_tile.hpp), with s = sum_n Re(C h) and gate = silu(z):
///
///     dy = dout gate,   dz = dout (s + D x) silu'(z),   dD += dy x,   r = dy, or 2 dy
///     dx = dt by_input + dy D
///     ddt = (x by_input + by_decay) softplus'(dt + dt_bias), 0 outside the limits
///
/// where dt is left out where it does not scale x.
#pragma once

#include <sluice/kernels/ssm/detail/backward_tile.hpp>

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace sluice::ssm::detail {

/// What a block of one vector of channels passes from hand to hand, [tokens] of a vector each.
template <class V>
struct BackwardRows : BlockRows<V> {
  using Scalar = simd::ScalarOf<V>;
  static constexpr auto size = std::size_t(saved_every * simd::lanes<V>);

  alignas(64) Scalar dt[size];
  alignas(64) Scalar dy[size];
  alignas(64) Scalar read[size];   ///< r
  alignas(64) Scalar gated[size];  ///< dout silu'(z)
  alignas(64) Scalar by_input[size];
  alignas(64) Scalar by_decay[size];
};

/// Where a sequence's gradients of parameters are summed, [rows, channels] or [channels].
template <class Scalar>
struct ParameterSums {
  Scalar *dA, *dB, *dC, *dD, *ddt_bias;

  static Index size(Index states, Index channels) { return (3 * states + 2) * channels; }
  ParameterSums(Scalar* memory, Index states, Index channels)
      : dA(memory),
        dB(dA + states * channels),
        dC(dB + states * channels),
        dD(dC + states * channels),
        ddt_bias(dD + channels) {}
};

/// Fills the rows that the recurrence reads.
template <class V, class Scalar>
void prepare_backward(const Inputs<Scalar>& in, const View<const Scalar, 3>& dout,
                      const Gradients<Scalar>& grads, const Block& block, const Vectors& vectors,
                      BackwardRows<V>& rows) noexcept {
  prepare(in, block, vectors, rows, grads.dx, rows.dt);
  for_each_vector(block, vectors, [&](Index at, Index t, const Slice& s) {
    look_ahead_of<Scalar>(block.tokens.row, t, s, dout, grads.ddt, grads.dz);
    V dy = simd::load_part<V>(dout.row(block.tokens.row, t) + s.first, s.count);
    if (in.z) {
      const auto gate =
          kernels::Silu{}.jet(simd::load_part<V>(in.z.row(block.tokens.row, t) + s.first, s.count));
      simd::store(rows.gated + at, V(dy * gate.slope));
      dy = dy * gate.value;
    }
    simd::store(rows.dy + at, dy);
    simd::store(rows.read + at, in.complex ? V(dy + dy) : dy);
  });
}

/// Writes or adds `value` to a slice of a row.
template <class V, class Scalar>
SLUICE_INLINE void put(const View<Scalar, 3>& to, Index row, Index t, const Slice& s, V value,
                       bool add) noexcept {
  if (!to) return;
  Scalar* const p = to.row(row, t) + s.first;
  if (add) value = value + simd::load_part<V>(p, s.count);
  simd::store_part(p, value, s.count);
}

/// The gradients around the recurrence.
template <class V, class Scalar>
void finish_backward(const Inputs<Scalar>& in, const Gradients<Scalar>& grads, const Block& block,
                     const Vectors& vectors, const BackwardRows<V>& rows,
                     const ParameterSums<Scalar>& sums) noexcept {
  const Scalar zero{0};
  const Slice slice = vectors[block.vector];
  const bool limited = std::isfinite(in.dt_min) || std::isfinite(in.dt_max);
  V dD(zero), ddt_bias(zero);
  const V D = in.D ? simd::load_part<V>(in.D.data() + slice.first, slice.count) : V(zero);
  for_each_vector(block, vectors, [&](Index at, Index t, const Slice& s) {
    const V x = simd::load_part<V>(in.x.row(block.tokens.row, t) + s.first, s.count);
    const V dt = simd::load<V>(rows.dt + at), dy = simd::load<V>(rows.dy + at);
    const V by_input = simd::load<V>(rows.by_input + at);
    V by_dt = simd::load<V>(rows.by_decay + at);
    if (in.dt_scales_x) by_dt = simd::madd(by_input, x, by_dt);
    put(grads.dx, block.tokens.row, t, s,
        simd::madd(dy, D, in.dt_scales_x ? V(by_input * dt) : by_input), grads.accumulate);
    if (in.z) {
      V sum = simd::load<V>(rows.sum + at);
      if (in.complex) sum = sum + sum;
      put(grads.dz, block.tokens.row, t, s,
          V(simd::load<V>(rows.gated + at) * simd::madd(D, x, sum)), grads.accumulate);
    }
    dD = simd::madd(dy, x, dD);
    const V raw = raw_step<V>(in, block.tokens.row, t, s);
    if (limited) {
      const V free = in.softplus ? simd::softplus(raw) : raw;
      by_dt = simd::select(free < V(in.dt_min), V(zero), by_dt);
      by_dt = simd::select(free > V(in.dt_max), V(zero), by_dt);
    }
    if (in.softplus) by_dt = by_dt * simd::sigmoid(raw);
    ddt_bias = ddt_bias + by_dt;
    put(grads.ddt, block.tokens.row, t, s, by_dt, grads.accumulate);
  });
  const auto add = [&](Scalar* to, const V& value) {
    to += slice.first;
    simd::store_part(to, V(value + simd::load_part<V>(to, slice.count)), slice.count);
  };
  add(sums.dD, dD), add(sums.ddt_bias, ddt_bias);
}

/// What a worker needs besides the rows of a block.
template <class Scalar>
struct BackwardScratch {
  Scalar *dB, *dC;  ///< [tokens, states] of a vector each; constant ones, of one token
  Scalar* turned;   ///< [lanes, states]

  static Index size(Index states, Index lanes) { return (2 * saved_every + 1) * states * lanes; }
  BackwardScratch(Scalar* memory, Index states, Index lanes)
      : dB(memory),
        dC(dB + saved_every * states * lanes),
        turned(dC + saved_every * states * lanes) {}
};

/// One block of one vector of channels: `gradient` [states, channels] goes from that of the state
/// after the block to that before it.
template <class V, class Scalar>
void block_backward(const Inputs<Scalar>& in, const View<const Scalar, 3>& dout,
                    const Gradients<Scalar>& grads, const Block& block, const Vectors& vectors,
                    const View<const Scalar, 2>& saved, const View<Scalar, 2>& gradient,
                    const ParameterSums<Scalar>& sums, const BackwardScratch<Scalar>& scratch) {
  constexpr Index W = simd::lanes<V>;
  const Index all = in.states(), channels = in.channels();
  const Slice s = vectors[block.vector];
  BackwardRows<V> rows;
  prepare_backward(in, dout, grads, block, vectors, rows);
  for (Index i = 0; i < all; ++i) look_ahead(saved.row(i) + s.first + ahead<Scalar>, 1);
  with_kinds(in, [&]<class Complex, class TokenB, class TokenC>(Complex, TokenB, TokenC) {
    constexpr bool complex = Complex::value, by_token = TokenB::value && TokenC::value;
    const Index states = all / (complex ? 2 : 1);
    if (states == 0)
      for (Scalar* sum : {rows.sum, rows.by_input, rows.by_decay})
        std::fill_n(sum, length(block.tokens) * W, Scalar{0});
    if (!TokenB::value) std::fill_n(scratch.dB, all * W, Scalar{0});
    if (!TokenC::value) std::fill_n(scratch.dC, all * W, Scalar{0});
    for_each_tile<backward_tile_states<V, by_token && !complex>>(states, [&](auto count, Index n) {
      constexpr int size = decltype(count)::value;
      ColumnRoom<V, size> A, B, C;
      const auto lanes = [&](Scalar* sum, bool token) {
        return LaneSums<Scalar>{sum + n * W, token ? all * W : 0, states * W};
      };
      const auto own = [&](auto* data, Index pitch) {
        return StateRows<std::remove_pointer_t<decltype(data)>>{data + n * pitch + s.first, pitch,
                                                                states * pitch};
      };
      with_rows<V, size, complex>(own(saved.data(), saved.stride(0)), s, [&](const auto& h) {
        with_rows<V, size,
                  complex>(own(gradient.data(), gradient.stride(0)), s, [&](const auto& G) {
          with_rows<V, size, complex>(own(sums.dA, channels), s, [&](const auto& dA) {
            run_tile_backward<V, size, complex, TokenB::value, TokenC::value>(BackwardTile<Scalar>{
                length(block.tokens), rows.time, rows.input, rows.dt, rows.read, rows.sum,
                rows.by_input, rows.by_decay, n == 0,
                column<V, size, complex>(in.A.data(), in.A.stride(0), states, n, s, A),
                coupling_column<V, size, complex, TokenB::value>(in.B, block, states, n, s, B),
                coupling_column<V, size, complex, TokenC::value>(in.C, block, states, n, s, C),
                lanes(scratch.dB, TokenB::value), lanes(scratch.dC, TokenC::value), h, G, dA});
          });
        });
      });
    });
  });
  const auto add_constant = [&](const Coupling<const Scalar>& c, const Scalar* from, Scalar* to) {
    if (c.kind() == CouplingKind::token) return;
    for (Index i = 0; i < all; ++i) {
      Scalar* const sum = to + i * channels + s.first;
      simd::store_part(sum, V(simd::load<V>(from + i * W) + simd::load_part<V>(sum, s.count)),
                       s.count);
    }
  };
  add_constant(in.B, scratch.dB, sums.dB), add_constant(in.C, scratch.dC, sums.dC);
  finish_backward(in, grads, block, vectors, rows, sums);
}

}  // namespace sluice::ssm::detail
