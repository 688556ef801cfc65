// SPDX-License-Identifier: MIT
/// \file
/// The gradients of the selective scan, from the states that the forward pass has kept.
///
/// Blocks of `saved_every` tokens are walked from the last to the first. Everything of a block is
/// computed once more from the state before it; nothing of the size of T states is stored. Around
/// the recurrence (backward_tile.hpp), with s = sum_n Re(C h) and gate = silu(z):
///
///     dy = dout gate,   dz = dout (s + D x) silu'(z),   dD += dy x,   r = dy, or 2 dy
///     dx = dt by_input + dy D
///     ddt = (x by_input + by_decay) softplus'(dt + dt_bias), 0 outside the limits
///
/// where dt is left out where it does not scale x.
#pragma once

#include <sluice/core/workspace.hpp>
#include <sluice/kernels/ssm/backward_tile.hpp>
#include <sluice/simd/transpose.hpp>

#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>

namespace sluice::ssm {

namespace detail {

/// Vectors whose gradients by B and C are added up in one go; the sums of such parts are added in
/// their order, so that results do not depend on who computed them.
inline constexpr Index part_vectors = 16;

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
  prepare(in, block, vectors, rows, grads.dx);
  for_each_vector(block, vectors, [&](Index at, Index t, const Slice& s) {
    look_ahead<Scalar>(block.row, t, s, dout, grads.ddt, grads.dz);
    V unused;
    simd::store(rows.dt + at, time_step(in, raw_step<V>(in, block.row, t, s), unused));
    V dy = simd::load_part<V>(dout.row(block.row, t) + s.first, s.count);
    if (in.z) {
      constexpr Scalar lowest = simd::exp_lowest<Scalar>;
      const V z = simd::load_part<V>(in.z.row(block.row, t) + s.first, s.count);
      const V bounded = simd::clamp(z, lowest, -lowest);
      const simd::Logistic<V> gate(bounded);
      simd::store(rows.gated + at,
                  V(dy * (gate.value * simd::madd(bounded, gate.complement, V(Scalar{1})))));
      dy = dy * (simd::max(V(lowest), z) * gate.value);
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
  V dD(zero), ddt_bias(zero);
  const V D = in.D ? simd::load_part<V>(in.D.data() + slice.first, slice.count) : V(zero);
  for_each_vector(block, vectors, [&](Index at, Index t, const Slice& s) {
    const V x = simd::load_part<V>(in.x.row(block.row, t) + s.first, s.count);
    const V dt = simd::load<V>(rows.dt + at), dy = simd::load<V>(rows.dy + at);
    const V by_input = simd::load<V>(rows.by_input + at);
    V by_dt = simd::load<V>(rows.by_decay + at);
    if (in.dt_scales_x) by_dt = simd::madd(by_input, x, by_dt);
    put(grads.dx, block.row, t, s, simd::madd(dy, D, in.dt_scales_x ? V(by_input * dt) : by_input),
        grads.accumulate);
    if (in.z) {
      V sum = simd::load<V>(rows.sum + at);
      if (in.complex) sum = sum + sum;
      put(grads.dz, block.row, t, s, V(simd::load<V>(rows.gated + at) * simd::madd(D, x, sum)),
          grads.accumulate);
    }
    dD = simd::madd(dy, x, dD);
    const V raw = raw_step<V>(in, block.row, t, s);
    V bounded;
    time_step(in, raw, bounded);
    if (in.softplus) by_dt = by_dt * simd::sigmoid(raw);
    by_dt = simd::select(bounded < V(in.dt_min), V(zero), by_dt);
    by_dt = simd::select(bounded > V(in.dt_max), V(zero), by_dt);
    ddt_bias = ddt_bias + by_dt;
    put(grads.ddt, block.row, t, s, by_dt, grads.accumulate);
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
  Scalar *dB, *dC;         ///< [tokens, states] of a vector each; constant ones, of one token
  Scalar* turned;          ///< [lanes, states]
  Scalar *state, *G, *dA;  ///< copies of ragged vectors [states] of a vector each

  static Index size(Index states, Index lanes) { return (2 * saved_every + 4) * states * lanes; }
  BackwardScratch(Scalar* memory, Index states, Index lanes) {
    const auto take = [&](Index n) { return std::exchange(memory, memory + n * states * lanes); };
    dB = take(saved_every), dC = take(saved_every), turned = take(1);
    state = take(1), G = take(1), dA = take(1);
  }
};

/// One block of one vector of channels: G [states, pitch] goes from the gradient of the state
/// after the block to that before it.
template <class V, class Scalar>
void block_backward(const Inputs<Scalar>& in, const View<const Scalar, 3>& dout,
                    const Gradients<Scalar>& grads, const Block& block, const Vectors& vectors,
                    const View<const Scalar, 2>& saved, const View<Scalar, 2>& gradient,
                    const ParameterSums<Scalar>& sums, const BackwardScratch<Scalar>& scratch) {
  constexpr Index W = simd::lanes<V>;
  const Index rows_of_state = in.states(), channels = in.channels();
  const Slice s = vectors[block.vector];
  BackwardRows<V> rows;
  prepare_backward(in, dout, grads, block, vectors, rows);
  constexpr Index ahead = 256 / Index(sizeof(Scalar));
  for (Index i = 0; i < rows_of_state; ++i) {
    const auto copy = [&](const Scalar* from, Scalar* to) {
      simd::store(to + i * W, simd::load_part<V>(from + s.first, s.count));
    };
    simd::prefetch(saved.row(i) + s.first + ahead);
    copy(saved.row(i), scratch.state), copy(gradient.row(i), scratch.G);
    copy(sums.dA + i * channels, scratch.dA);
  }
  with_kinds(in, [&]<class Complex, class TokenB, class TokenC>(Complex, TokenB, TokenC) {
    constexpr bool complex = Complex::value, by_token = TokenB::value && TokenC::value;
    const Index states = rows_of_state / (complex ? 2 : 1);
    if (!TokenB::value) std::fill_n(scratch.dB, rows_of_state * W, Scalar{0});
    if (!TokenC::value) std::fill_n(scratch.dC, rows_of_state * W, Scalar{0});
    for_each_tile<backward_tile_states<V, by_token && !complex>>(states, [&](auto count, Index n) {
      constexpr int size = decltype(count)::value;
      ColumnRoom<V, size> A, B, C;
      const auto lanes = [&](Scalar* all, bool token) {
        return LaneSums<Scalar>{all + n * W, token ? rows_of_state * W : 0, states * W};
      };
      run_tile_backward<V, size, complex, TokenB::value, TokenC::value>(BackwardTile<Scalar>{
          {block.tokens, W, rows.time, rows.input, rows.sum,
           column<V, size, complex>(in.A.data(), in.A.stride(0), states, n, s, A),
           coupling_column<V, size, complex, TokenB::value>(in.B, block, states, n, s, B),
           coupling_column<V, size, complex, TokenC::value>(in.C, block, states, n, s, C),
           scratch.state + n * W, W, states * W, n == 0},
          rows.dt,
          rows.read,
          rows.by_input,
          rows.by_decay,
          lanes(scratch.dB, TokenB::value),
          lanes(scratch.dC, TokenC::value),
          scratch.G + n * W,
          scratch.dA + n * W});
    });
  });
  for (Index i = 0; i < rows_of_state; ++i) {
    const auto copy = [&](const Scalar* from, Scalar* to) {
      simd::store_part(to + s.first, simd::load<V>(from + i * W), s.count);
    };
    const auto add = [&](const Scalar* from, Scalar* to) {
      to += i * channels + s.first;
      simd::store_part(to, V(simd::load<V>(from + i * W) + simd::load_part<V>(to, s.count)),
                       s.count);
    };
    copy(scratch.G, gradient.row(i)), copy(scratch.dA, sums.dA + i * channels);
    if (in.B.kind() != CouplingKind::token) add(scratch.dB, sums.dB);
    if (in.C.kind() != CouplingKind::token) add(scratch.dC, sums.dC);
  }
  finish_backward(in, grads, block, vectors, rows, sums);
}

/// to [tokens, states] = the sums of the lanes of [tokens, states].
template <class Arch, class Scalar>
void sum_lanes(Index tokens, Index states, const Scalar* lanes, Scalar* turned,
               Scalar* to) noexcept {
  constexpr Index W = simd::width<Scalar, Arch>;
  for (Index t = 0; t < tokens; ++t, lanes += states * W, to += states) {
    simd::transpose<Arch>(states, W, lanes, W, turned, states);
    simd::for_each_lane<Arch, Scalar>(states, [&]<class L>(std::type_identity<L>, Index i) {
      L sum = simd::load<L>(turned + i);
      for (Index lane = 1; lane < W; ++lane) sum = sum + simd::load<L>(turned + lane * states + i);
      simd::store(to + i, sum);
    });
  }
}

/// Adds what the sequences have summed for a parameter [rows, width], in their order.
template <class Scalar, class F>
void add_parameter(Scalar* gradient, Index pitch, Index rows, Index width, Index sequences,
                   F&& of_sequence) noexcept {
  if (!gradient) return;
  for (Index n = 0; n < sequences; ++n) {
    const Scalar* from = of_sequence(n);
    for (Index i = 0; i < rows; ++i)
      for (Index d = 0; d < width; ++d) gradient[i * pitch + d] += from[i * width + d];
  }
}

}  // namespace detail

/// Gradients of the selective scan by all its inputs and its initial state.
///
/// Hand-derived (see the file comment). Free of subtractions, so exact for decays of any strength;
/// those below 2^-60 (double: 2^-500) are exactly 0. Independent of the number of threads, among
/// which sequences and ranges of channels are divided.
///
/// \param in      as in the forward pass.
/// \param saved   [saved_states(in), states, channels], written by `chunkwise` or `forward`.
/// \param dout    gradient by y, [batch, T, channels].
/// \param dstate  [sequences, states, channels]; gradient by the final state on entry, by the
///                initial state on return.
/// \param grads   where the other gradients go.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Gu and Dao (arXiv:2312.00752), section 3.3.2: recomputation instead of stored states.
template <class Arch = simd::DefaultArch, std::floating_point Scalar>
void backward(const std::type_identity_t<Inputs<Scalar>>& in,
              std::type_identity_t<View<const Scalar, 3>> saved,
              std::type_identity_t<View<const Scalar, 3>> dout, View<Scalar, 3> dstate,
              const std::type_identity_t<Gradients<Scalar>>& grads,
              const Workspace& workspace = {}) {
  require_shapes("ssm::backward", in, dstate, dout);
  require_gradients("ssm::backward", in, grads);
  const Index states = in.states(), channels = in.channels(), N = in.sequences();
  require_shape("ssm::backward", "saved", saved.shape(), {saved_states(in), states, channels},
                "to match the inputs");
  using V = simd::Batch<Scalar, Arch>;
  using Sums = detail::ParameterSums<Scalar>;
  constexpr Index W = simd::lanes<V>;
  const detail::Vectors vectors(in, W);
  if (N == 0 || channels == 0) return;
  const Index parts_a_group = (vectors.a_group + detail::part_vectors - 1) / detail::part_vectors;
  const Index parts = in.groups() * parts_a_group, batch = in.x.dim(0), T = in.x.dim(1);
  const Index threads = workspace.executor.concurrency();
  const Index ranges = std::min(parts, (threads + N - 1) / N), tasks = N * ranges;
  const Index workers = std::min(tasks, threads);

  Scratch scratch(workspace);
  const Index room = detail::BackwardScratch<Scalar>::size(states, W);
  Scalar* rooms = scratch.allocate<Scalar>(workers * room);
  const Index sums_size = Sums::size(states, channels);
  Scalar* sums = scratch.allocate<Scalar>(N * sums_size);
  std::fill_n(sums, N * sums_size, Scalar{0});
  // dB and dC of every part, [parts, batch T, states].
  const bool token_B = in.B.kind() == CouplingKind::token;
  const bool token_C = in.C.kind() == CouplingKind::token;
  const Index part_size = batch * T * states;
  Scalar* dB = scratch.allocate<Scalar>(token_B ? parts * part_size : 0);
  Scalar* dC = scratch.allocate<Scalar>(token_C ? parts * part_size : 0);
  const detail::Chunks whole(in, std::max<Index>(T, 1), scratch);

  share(workspace.executor, tasks, workers, [&](Index task, Index worker) {
    const detail::Chunk& c = whole.chunk[task / ranges];
    const Index range = task % ranges;
    const detail::BackwardScratch<Scalar> s(rooms + worker * room, states, W);
    const Sums sequence_sums(sums + c.sequence * sums_size, states, channels);
    const View<Scalar, 2> gradient(dstate.row(c.sequence, 0), {states, channels},
                                   {dstate.stride(1), 1});
    const Index blocks = (c.end - c.begin + saved_every - 1) / saved_every;
    for (Index block = blocks; block-- > 0;) {
      const Index t = c.begin + block * saved_every, tokens = std::min(saved_every, c.end - t);
      const View<const Scalar, 2> before(saved.row(c.saved + block, 0), {states, channels},
                                         {saved.stride(1), 1});
      for (Index part = parts * range / ranges; part < parts * (range + 1) / ranges; ++part) {
        const Index group = part / parts_a_group, from = part % parts_a_group;
        const Index first = group * vectors.a_group + from * detail::part_vectors;
        const Index last = std::min(first + detail::part_vectors, (group + 1) * vectors.a_group);
        if (token_B) std::fill_n(s.dB, tokens * states * W, Scalar{0});
        if (token_C) std::fill_n(s.dC, tokens * states * W, Scalar{0});
        for (Index v = first; v < last; ++v)
          detail::block_backward<V>(in, dout, grads, {c.row, t, tokens, v, 1}, vectors, before,
                                    gradient, sequence_sums, s);
        const Index at = part * part_size + (c.row * T + t) * states;
        if (token_B) detail::sum_lanes<Arch>(tokens, states, s.dB, s.turned, dB + at);
        if (token_C) detail::sum_lanes<Arch>(tokens, states, s.dC, s.turned, dC + at);
      }
    }
  });

  const auto combine = [&](const Coupling<Scalar>& to, const Scalar* of_parts) {
    if (to.kind() != CouplingKind::token) return;
    workspace.executor.for_each(batch, [&](Index b) {
      for (Index t = 0; t < T; ++t)
        for (Index g = 0; g < in.groups(); ++g) {
          Scalar* const row = to.view().row(b, t, g);
          if (!grads.accumulate) std::fill_n(row, states, Scalar{0});
          for (Index part = g * parts_a_group; part < (g + 1) * parts_a_group; ++part) {
            const Scalar* from = of_parts + part * part_size + (b * T + t) * states;
            for (Index i = 0; i < states; ++i) row[i] += from[i];
          }
        }
    });
  };
  combine(grads.dB, dB), combine(grads.dC, dC);
  const auto parameter = [&](Scalar* to, Index pitch, Index rows, Scalar* Sums::*member) {
    detail::add_parameter(to, pitch, rows, channels, N, [&](Index n) {
      return Sums(sums + n * sums_size, states, channels).*member;
    });
  };
  const auto constant = [&](const Coupling<Scalar>& to, Scalar* Sums::*member) {
    if (to.kind() == CouplingKind::channel)
      parameter(to.view().data(), to.view().stride(2), states, member);
  };
  parameter(grads.dA.data(), grads.dA.stride(0), states, &Sums::dA);
  constant(grads.dB, &Sums::dB), constant(grads.dC, &Sums::dC);
  parameter(grads.dD.data(), 0, 1, &Sums::dD);
  parameter(grads.ddt_bias.data(), 0, 1, &Sums::ddt_bias);
}

}  // namespace sluice::ssm
