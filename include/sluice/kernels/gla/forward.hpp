// SPDX-License-Identifier: MIT
/// \file
/// Gated linear attention in whichever form suits the shapes.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/kernels/gla/blocked.hpp>
#include <sluice/kernels/gla/chunkwise.hpp>
#include <sluice/kernels/gla/recurrent.hpp>

namespace sluice::gla {

/// `forward` below for a scalar that is named: forward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void forward(const std::type_identity_t<Inputs<Scalar>>& in, std::type_identity_t<Scalar> scale,
             std::type_identity_t<View<Scalar, 4>> state, std::type_identity_t<View<Scalar, 4>> o,
             const Workspace& workspace = {}, std::type_identity_t<View<Scalar, 4>> saved = {}) {
  constexpr Index few_tokens = 8;      // below this, blocks save less than their preparation costs
  constexpr Index many_tokens = 1024;  // enough chunks to share among threads
  constexpr Index chunk_size = 32;
  constexpr Index few_vectors = 4;
  const Index T = in.q.dim(1);
  const Index vectors = in.sequences() * in.v.dim(2) * simd::padded<Scalar, Arch>(in.v.dim(3)) /
                        simd::width<Scalar, Arch>;
  if (saved)
    blocked<Arch>(in, scale, state, o, workspace, saved);
  else if (T < few_tokens)
    recurrent<Arch>(in, scale, state, o, workspace);
  else if (T >= many_tokens && vectors < few_vectors)
    chunkwise<Arch>(in, scale, chunk_size, state, o, workspace);
  else
    blocked<Arch>(in, scale, state, o, workspace);
}

SLUICE_COMPILED_KERNEL(forward);

/// Gated linear attention. Arguments and errors as `recurrent` and `blocked`.
///
/// A few tokens run as `recurrent`, long sequences as `blocked`, and where hardly a vector of
/// independent columns exists, as `chunkwise`, which finds its parallel work along time. The
/// choice depends on the shapes alone, so that results do not depend on the number of threads.
template <class Arch = simd::DefaultArch, Operand Output>
void forward(const Inputs<ElementOf<Output>>& in, double scale, ViewOf<Output> state, Output&& o,
             const Workspace& workspace = {}, ViewOf<Output> saved = {}) {
  forward<Arch, ElementOf<Output>>(in, ElementOf<Output>(scale), state, o, workspace, saved);
}

}  // namespace sluice::gla
