// SPDX-License-Identifier: MIT
/// \file
/// The short causal convolution, vectorised over channels. Allocates nothing.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/activation/functions.hpp>
#include <sluice/kernels/conv/detail/window.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::conv {

namespace detail {

/// One tile of channels of tokens [from, to), to the rows `out(t)`.
template <class Arch, class Scalar>
void convolve(const Rows<Scalar>& x, Index count, Index from, Index to, bool silu,
              const Target<Scalar>& out) noexcept {
  const Inputs<Scalar>& in = x.in;
  const Index W = in.width();
  const Scalar* const bias = in.bias ? in.bias.data() + x.first : nullptr;
  for_each_taps(in, x.first, count, false, [&](Index i, Index n, const Scalar* taps) {
    for (Index t = from; t < to; ++t) {
      if (t + rows_ahead < to) {
        look_ahead(x(t + rows_ahead), count);
        look_ahead(out(t + rows_ahead), count);
      }
      Scalar* const y = out(t);
      const auto row = [&](Index j) { return x(t - W + 1 + i + j); };
      sum_some_taps<Arch>(n, count, taps, row, i == 0 ? bias : y, y);
      if (silu && i + n == W)
        simd::for_each_lane<Arch, Scalar>(
            count, [=]<class B>(std::type_identity<B>, Index c) SLUICE_INLINE_LAMBDA {
              simd::store(y + c, kernels::Silu{}.value(simd::load<B>(y + c)));
            });
    }
  });
}

/// Moves a state on to the end of its sequence.
template <class Scalar>
void advance(const Inputs<Scalar>& in, const Part& p, const View<Scalar, 3>& state) noexcept {
  const Index W = in.width(), D = in.x.dim(2), T = common::length(p.sequence);
  for (Index i = 0; i < W - 1; ++i) {
    const Index t =
        p.sequence.end - (W - 1) + i;  // from old to new, so nothing is read after its change
    const Scalar* from =
        t < p.sequence.begin ? state.row(p.number, i + T) : in.x.row(p.sequence.row, t);
    std::copy_n(from, D, state.row(p.number, i));
  }
}

}  // namespace detail

/// `forward` below for a scalar that is named: forward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void forward(const std::type_identity_t<Inputs<Scalar>>& in,
             std::type_identity_t<View<Scalar, 3>> state, std::type_identity_t<View<Scalar, 3>> y,
             const Workspace& workspace = {}) {
  require_shapes("conv::forward", in, state, y);
  const Index T = in.x.dim(1);
  detail::for_each_tile(
      in, workspace.executor, [&](Index row, Index number, Index first, Index count, Index) {
        const Index from = number * detail::piece, to = std::min(T, from + detail::piece);
        for_each_part(in, row, from, to, [&](const Part& p) {
          detail::convolve<Arch>(detail::Rows<Scalar>{in, state, p, first}, count, p.tokens.begin,
                                 p.tokens.end, in.silu(), {y.row(row, 0) + first, 0, y.stride(1)});
        });
      });
  for (Index row = 0; row < in.x.dim(0); ++row)
    for_each_part(in, row, 0, T, [&](const Part& p) { detail::advance(in, p, state); });
}

SLUICE_COMPILED_KERNEL(forward);

/// A causal convolution of every channel by itself over its last W tokens, as in types.hpp.
///
/// T tokens at once equal T calls with one, to the bit, and whatever the number of threads.
///
/// \param in     x [B, T, D], weight [D, W], bias [D] or absent, of any outer strides.
/// \param state  [B or packed sequences, W - 1, D]; the inputs before the first token on entry,
///               the last W - 1 inputs on return.
/// \param y      [B, T, D]; overwritten. Must not overlap an input.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Gu and Dao, Mamba, 2023, section 3.4 (arXiv:2312.00752); Fu et al., Hungry Hungry
/// Hippos, ICLR 2023, section 3 (arXiv:2212.14052).
template <class Arch = simd::DefaultArch, Operand Output>
void forward(const Inputs<ElementOf<Output>>& in, ViewOf<Output> state, Output&& y,
             const Workspace& workspace = {}) {
  forward<Arch, ElementOf<Output>>(in, state, y, workspace);
}

/// One token of a stream: `forward` for T = 1. Arguments and errors as there.
template <class Arch = simd::DefaultArch, Operand Output>
void step(const Inputs<ElementOf<Output>>& in, ViewOf<Output> state, Output&& y,
          const Workspace& workspace = {}) {
  require_shape("conv::step", "x", in.x.shape(), {in.x.dim(0), 1, in.x.dim(2)}, "one token");
  forward<Arch>(in, state, y, workspace);
}

}  // namespace sluice::conv
