// SPDX-License-Identifier: MIT
/// \file
/// The selective scan in whichever form suits the shapes.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/kernels/ssm/chunkwise.hpp>
#include <sluice/kernels/ssm/recurrent.hpp>

namespace sluice::ssm {

/// `forward` below for a scalar that is named: forward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void forward(const std::type_identity_t<Inputs<Scalar>>& in,
             std::type_identity_t<View<Scalar, 3>> state, std::type_identity_t<View<Scalar, 3>> y,
             const Workspace& workspace = {}, std::type_identity_t<View<Scalar, 3>> saved = {}) {
  constexpr Index few_tokens = 4;      // fewer do not pay for fetching poles and states
  constexpr Index many_tokens = 1024;  // enough chunks to share among threads
  constexpr Index chunk_size = 256;
  constexpr Index few_vectors = 4;
  require_shapes("ssm::forward", in, state, y);
  const Index T = in.x.dim(1);
  const Index vectors =
      in.sequences() * in.groups() * detail::Vectors(in, simd::width<Scalar, Arch>).a_group;
  if (T < few_tokens && !saved)
    recurrent<Arch>(in, state, y, workspace);
  else
    chunkwise<Arch>(in,
                    T >= many_tokens && vectors < few_vectors ? chunk_size : std::max<Index>(T, 1),
                    state, y, workspace, saved);
}

SLUICE_COMPILED_KERNEL(forward);

/// The selective scan. Arguments and errors as `recurrent` and `chunkwise`.
///
/// A few tokens run as `recurrent`, longer sequences as `chunkwise`, and where hardly a vector of
/// channels exists, in chunks that run at once. The choice depends on the shapes alone, so that
/// results do not depend on the number of threads.
template <class Arch = simd::DefaultArch, Operand Output>
void forward(const Inputs<ElementOf<Output>>& in, ViewOf<Output> state, Output&& y,
             const Workspace& workspace = {}, ViewOf<Output> saved = {}) {
  forward<Arch, ElementOf<Output>>(in, state, y, workspace, saved);
}

}  // namespace sluice::ssm
