// SPDX-License-Identifier: MIT
/// \file
/// The short causal convolution as its formula is written. The reference for the fast form.
#pragma once

#include <sluice/core/workspace.hpp>
#include <sluice/kernels/conv/types.hpp>

#include <cmath>
#include <concepts>
#include <type_traits>
#include <vector>

namespace sluice::conv {

/// The formula of types.hpp, one sum at a time. Arguments and errors as `forward`.
template <Operand Output>
void naive(const Inputs<ElementOf<Output>>& in, ViewOf<Output> state, Output&& output,
           const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 3> y(output);
  require_shapes("conv::naive", in, state, y);
  const Index T = in.x.dim(1), D = in.x.dim(2), W = in.width();
  std::vector<Scalar> last(static_cast<std::size_t>(W));
  for (Index row = 0; row < in.x.dim(0); ++row)
    for_each_part(in, row, 0, T, [&](const Part& p) {
      const Index begin = p.sequence.begin, end = p.sequence.end;
      for (Index d = 0; d < D; ++d) {
        const auto x = [&](Index t) {
          return t < begin ? state.row(p.number, W - 1 + t - begin)[d] : in.x.row(row, t)[d];
        };
        for (Index t = begin; t < end; ++t) {
          Scalar sum = in.bias ? in.bias.data()[d] : Scalar{0};
          for (Index i = 0; i < W; ++i) sum += in.weight.row(d)[i] * x(t - W + 1 + i);
          y.row(row, t)[d] = in.silu() ? sum / (1 + std::exp(-sum)) : sum;
        }
        for (Index i = 0; i < W - 1; ++i) last[std::size_t(i)] = x(end - W + 1 + i);
        for (Index i = 0; i < W - 1; ++i) state.row(p.number, i)[d] = last[std::size_t(i)];
      }
    });
}

}  // namespace sluice::conv
