// SPDX-License-Identifier: MIT
/// \file
/// The gradients of the short causal convolution.
///
/// With u_t the sum before the activation, which is made once more, and e_t = dy_t (.) act'(u_t),
///
///   1. dx_s      = sum_i weight_i (.) e_{s + W - 1 - i},   e = 0 outside the sequence
///   2. dweight_i += sum_t e_t (.) x_{t - W + 1 + i},       dbias += sum_t e_t
///   3. The state lies W - 1 tokens before the sequence: 1 gives its gradient as well. A token
///      among the last W - 1, or of the state if the sequence is that short, is also part of the
///      final state and takes over its gradient.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/conv/forward.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::conv {

namespace detail {

/// e of tokens [from, to) for one tile, in rows of `tile`.
template <class Arch, class Scalar>
void activation_gradients(const Rows<Scalar>& x, Index count, Index to,
                          const View<const Scalar, 3>& dy, Scalar* e) noexcept {
  const Index from = x.part.tokens.begin;
  const bool silu = x.in.silu();
  if (silu) convolve<Arch>(x, count, from, to, false, {e, from, tile});
  for (Index t = from; t < to; ++t, e += tile) {
    if (t + rows_ahead < to) look_ahead(dy.row(x.part.tokens.row, t + rows_ahead) + x.first, count);
    const Scalar* const grad = dy.row(x.part.tokens.row, t) + x.first;
    simd::for_each_lane<Arch, Scalar>(
        count, [=]<class B>(std::type_identity<B>, Index c) SLUICE_INLINE_LAMBDA {
          const B d = simd::load<B>(grad + c);
          simd::store(e + c, silu ? B(d * kernels::Silu{}.jet(simd::load<B>(e + c)).slope) : d);
        });
  }
}

/// Step 1 for tokens [from, to), to the rows `out(s)`: e is that of token `from`.
template <class Arch, class Scalar>
void input_gradients(const Rows<Scalar>& x, Index count, Index from, Index to, const Scalar* e,
                     bool add, const Target<Scalar>& out) noexcept {
  for_each_taps(x.in, x.first, count, true, [&](Index i, Index n, const Scalar* taps) {
    for (Index s = from; s < to; ++s) {
      if (s + rows_ahead < to) look_ahead(out(s + rows_ahead), count);
      Scalar* const y = out(s);
      const auto row = [&](Index j) { return e + (s - from + i + j) * tile; };
      sum_some_taps<Arch>(n, count, taps, row, i > 0 || add ? y : nullptr, y);
    }
  });
}

/// Step 3: what the final state hands to token s, a row of the sequence or of its initial state.
template <class Scalar>
void add_final_gradient(const Part& p, Index first, Index count, Index s,
                        const View<Scalar, 3>& dstate, Scalar* to) noexcept {
  const Index i = s - p.sequence.end + dstate.dim(1);
  if (i < 0) return;
  const Scalar* const from = dstate.row(p.number, i) + first;
  for (Index c = 0; c < count; ++c) to[c] += from[c];
}

/// sums[i] += sum_t e_t (.) x_(t - W + 1 + tap + i) for N taps, added up in registers. With N = 0
/// the sum of e alone, for the bias.
template <class Arch, int N, class Scalar>
void add_tap_gradients(const Rows<Scalar>& x, Index count, Index tap, const Scalar* e, Scalar* sums,
                       Index stride) noexcept {
  const Index from = x.part.tokens.begin, to = x.part.tokens.end, oldest = tap - x.in.width() + 1;
  simd::for_each_lane<Arch, Scalar>(
      count, [&]<class B>(std::type_identity<B>, Index c) SLUICE_INLINE_LAMBDA {
        B sum[std::size_t(N > 0 ? N : 1)];
        for (int i = 0; i < std::max(N, 1); ++i) sum[i] = simd::load<B>(sums + i * stride + c);
        const Scalar* row[std::size_t(N + 1)];  // of the taps; the last one comes next
        for (int i = 0; i + 1 < N; ++i) row[i + 1] = x(from + oldest + i) + c;
        for (Index t = from; t < to; ++t) {
          const B d = simd::load<B>(e + (t - from) * tile + c);
          if constexpr (N == 0) {
            sum[0] = sum[0] + d;
          } else {
            row[N] = x(t + oldest + N - 1) + c;
            simd::unroll<N>([&](auto i) SLUICE_INLINE_LAMBDA {
              row[i] = row[i + 1];
              sum[i] = simd::madd(d, simd::load<B>(row[i]), sum[i]);
            });
          }
        }
        for (int i = 0; i < std::max(N, 1); ++i) simd::store(sums + i * stride + c, sum[i]);
      });
}

/// Step 2 for the tokens of a part: `sums` is W rows of weights and one of the bias, of `stride`.
template <class Arch, class Scalar>
void add_weight_gradients(const Rows<Scalar>& x, Index count, const Scalar* e, Scalar* sums,
                          Index stride) noexcept {
  const Index W = x.in.width();
  for (Index tap = 0; tap < W;) {
    Scalar* const to = sums + tap * stride;
    if (W - tap >= some_taps) {
      add_tap_gradients<Arch, some_taps>(x, count, tap, e, to, stride);
      tap += some_taps;
    } else {
      add_tap_gradients<Arch, 1>(x, count, tap, e, to, stride);
      ++tap;
    }
  }
  add_tap_gradients<Arch, 0>(x, count, 0, e, sums + W * stride, stride);
}

}  // namespace detail

/// `backward` below for a scalar that is named: backward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void backward(const std::type_identity_t<Inputs<Scalar>>& in,
              std::type_identity_t<View<const Scalar, 3>> state,
              std::type_identity_t<View<const Scalar, 3>> dy,
              std::type_identity_t<View<Scalar, 3>> dstate,
              const std::type_identity_t<Gradients<Scalar>>& grads,
              const Workspace& workspace = {}) {
  const auto where = "conv::backward";
  require_shapes(where, in, state, dy, {.y = "dy"});
  const Index B = in.x.dim(0), T = in.x.dim(1), D = in.x.dim(2), W = in.width(), past = W - 1;
  require_gradients(where, in, state, dstate, grads);

  using detail::piece, detail::tile;
  const Index pieces = (T + piece - 1) / piece, size = (W + 1) * D;
  Scratch scratch(workspace);
  // The sums of every piece by itself, to be added in their order.
  const bool parameters = grads.dweight || grads.dbias;
  Scalar* const sums = parameters ? scratch.allocate<Scalar>(B * pieces * size) : nullptr;
  if (sums) std::fill_n(sums, B * pieces * size, Scalar{0});
  const View<Scalar, 3> dinitial(dstate ? scratch.allocate<Scalar>(dstate.size()) : nullptr,
                                 state.shape());
  const Index room = (piece + 2 * past) * tile;
  Scalar* const rooms = scratch.allocate<Scalar>(workspace.executor.concurrency() * room);

  const auto one_tile = [&](Index row, Index number, Index first, Index count, Index worker) {
    const Index from = number * piece, to = std::min(T, from + piece);
    for_each_part(in, row, from, to, [&](const Part& p) {
      const detail::Rows<Scalar> x{in, state, p, first};
      // e, with W - 1 rows of 0 before the sequence and the W - 1 tokens behind this part.
      Scalar* const before = rooms + worker * room;
      Scalar* const e = before + past * tile;
      const Index end = std::min(p.sequence.end, p.tokens.end + past);
      std::fill_n(before, past * tile, Scalar{0});
      detail::activation_gradients<Arch>(x, count, end, dy, e);
      std::fill(e + (end - p.tokens.begin) * tile,
                e + (p.tokens.end + past - p.tokens.begin) * tile, Scalar{0});
      if (sums)
        detail::add_weight_gradients<Arch>(x, count, e,
                                           sums + (row * pieces + number) * size + first, D);
      if (grads.dx) {
        const detail::Target<Scalar> dx{grads.dx.row(row, 0) + first, 0, grads.dx.stride(1)};
        detail::input_gradients<Arch>(x, count, p.tokens.begin, p.tokens.end, e, grads.accumulate,
                                      dx);
        for (Index s = std::max(p.tokens.begin, p.sequence.end - past); dstate && s < p.tokens.end;
             ++s)
          detail::add_final_gradient(p, first, count, s, dstate, dx(s));
      }
      if (dstate && p.tokens.begin == p.sequence.begin) {
        const detail::Target<Scalar> to_state{dinitial.row(p.number, 0) + first,
                                              p.sequence.begin - past, D};
        detail::input_gradients<Arch>(x, count, p.sequence.begin - past, p.sequence.begin, before,
                                      false, to_state);
        for (Index s = p.sequence.begin - past; s < p.sequence.begin; ++s)
          detail::add_final_gradient(p, first, count, s, dstate, to_state(s));
      }
    });
  };
  detail::for_each_tile(in, workspace.executor, one_tile);

  for (Index n = 0; sums && n < B * pieces; ++n)
    for (Index d = 0; d < D; ++d) {
      const Scalar* const sum = sums + n * size + d;
      for (Index i = 0; grads.dweight && i < W; ++i) grads.dweight.row(d)[i] += sum[i * D];
      if (grads.dbias) grads.dbias.data()[d] += sum[W * D];
    }
  for (Index row = 0; dstate && row < B; ++row)
    for_each_part(in, row, 0, T, [&](const Part& p) {
      for (Index i = 0; i < past; ++i)
        std::copy_n(dinitial.row(p.number, i), D, dstate.row(p.number, i));
    });
}

SLUICE_COMPILED_KERNEL(backward);

/// Gradients of the short convolution by its operands and its initial state.
///
/// Exact (see the file comment); independent of the number of threads.
///
/// \param in      as in the forward pass.
/// \param state   [sequences, W - 1, D], the initial state of the forward pass.
/// \param dy      [B, T, D], gradient by y.
/// \param dstate  [sequences, W - 1, D], or absent; gradient by the final state on entry, by the
///                initial state on return.
/// \param grads   where the gradients by x, weight and bias go.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Output>
void backward(const Inputs<ElementOf<Output>>& in, ConstViewOf<Output> state, const Output& dy,
              ViewOf<Output> dstate,
              const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
              const Workspace& workspace = {}) {
  backward<Arch, ElementOf<Output>>(in, state, dy, dstate, grads, workspace);
}

}  // namespace sluice::conv
