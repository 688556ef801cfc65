// SPDX-License-Identifier: MIT
/// \file
/// The selective scan, one token at a time: the streaming form. Allocates nothing.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/ssm/detail/tile.hpp>
#include <sluice/kernels/ssm/types.hpp>

#include <algorithm>
#include <concepts>
#include <type_traits>

namespace sluice::ssm {

/// `recurrent` below for a scalar that is named: recurrent<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void recurrent(const std::type_identity_t<Inputs<Scalar>>& in,
               std::type_identity_t<View<Scalar, 3>> state, std::type_identity_t<View<Scalar, 3>> y,
               const Workspace& = {}) {
  require_shapes("ssm::recurrent", in, state, y);
  using V = simd::Batch<Scalar, Arch>;
  const detail::Vectors vectors(in, simd::lanes<V>);
  const Index all = in.groups() * vectors.a_group;
  for (Index n = 0; n < in.sequences(); ++n) {
    const Span tokens = sequence(in, n);
    for (Index t = tokens.begin; t < tokens.end; ++t)
      for (Index v = 0; v < all; v += detail::block_size) {
        const detail::Block block{{tokens.row, t, t + 1}, v, std::min(detail::block_size, all - v)};
        detail::run_block<V>(in, block, vectors, state.row(n, 0), state.stride(1), y);
      }
  }
}

SLUICE_COMPILED_KERNEL(recurrent);

/// The selective scan in its recurrent form, read as in types.hpp.
///
///     h_tn = exp(dt_t A_n) h_(t-1)n + dt_t B_tn x_t,   y_t = (sum_n C_tn h_tn + D x_t) silu(z_t)
///
/// The form for a few tokens: with T = 1 it is the step of a stream. One pass over A and the state
/// a token, both where they are; O(states channels). Equals `chunkwise` with one chunk to the bit.
///
/// \param in     x, dt [batch, T, channels] and the rest as in `Inputs`.
/// \param state  [batch or packed sequences, states, channels], rows any distance apart; initial
///               state on entry, final state on return.
/// \param y      [batch, T, channels]; overwritten. May be x, dt or z; must not overlap another
///               input.
/// \throws ShapeError, ArgumentError  if the arguments do not agree; nothing has been written then.
///
/// Source: Gu and Dao, Mamba, 2023, algorithm 2 (arXiv:2312.00752); complex poles and constant B
/// and C: Gu et al., S4D, NeurIPS 2022 (arXiv:2206.11893).
template <class Arch = simd::DefaultArch, Operand Output>
void recurrent(const Inputs<ElementOf<Output>>& in, ViewOf<Output> state, Output&& output,
               const Workspace& = {}) {
  recurrent<Arch, ElementOf<Output>>(in, state, output);
}

/// One token of a stream: `recurrent` for T = 1. Arguments and errors as there.
template <class Arch = simd::DefaultArch, Operand Output>
void step(const Inputs<ElementOf<Output>>& in, ViewOf<Output> state, Output&& y,
          const Workspace& workspace = {}) {
  require(in.x.dim(1) == 1, "ssm::step", "T", "1", in.x.dim(1));
  recurrent<Arch>(in, state, y, workspace);
}

}  // namespace sluice::ssm
