// SPDX-License-Identifier: MIT
/// \file
/// The gradients of the short causal convolution, one product at a time. The second thing, beside
/// differences, that the fast form is checked against.
///
/// Every token t and tap i joins x_s, s = t - W + 1 + i, and weight_i: with e_t = dy_t act'(sum_t),
///
///     dx_s += weight_i e_t,   dweight_i += e_t x_s,   dbias += e_t
///
/// and what s is before the sequence lies in the initial state. The final state is the last W - 1
/// of the initial state and the inputs, one behind the other.
#pragma once

#include <sluice/core/workspace.hpp>
#include <sluice/kernels/conv/types.hpp>

#include <cmath>
#include <vector>

namespace sluice::conv {

/// Gradients of the short convolution. Arguments and errors as `backward`.
template <Operand Output>
void naive_backward(const Inputs<ElementOf<Output>>& in, ConstViewOf<Output> state,
                    const Output& doutput, ViewOf<Output> dstate,
                    const std::type_identity_t<Gradients<ElementOf<Output>>>& grads,
                    const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<const Scalar, 3> dy(doutput);
  const auto where = "conv::naive_backward";
  require_shapes(where, in, state, dy, {.y = "dy"});
  require_gradients(where, in, state, dstate, grads);
  const Index T = in.x.dim(1), D = in.x.dim(2), W = in.width(), past = W - 1;
  for (Index row = 0; row < in.x.dim(0); ++row)
    for_each_part(in, row, 0, T, [&](const Part& p) {
      const Index begin = p.sequence.begin, end = p.sequence.end;
      std::vector<Scalar> dx(std::size_t(past + end - begin));  // of the state, then of the inputs
      for (Index d = 0; d < D; ++d) {
        const auto x = [&](Index s) {
          return s < begin ? state.row(p.number, past + s - begin)[d] : in.x.row(row, s)[d];
        };
        const auto by = [&](Index s) -> Scalar& { return dx[std::size_t(past + s - begin)]; };
        for (Index s = begin - past; s < end; ++s) {
          const Index kept = s - (end - past);  // of the final state
          by(s) = dstate && kept >= 0 ? dstate.row(p.number, kept)[d] : Scalar{0};
        }
        for (Index t = begin; t < end; ++t) {
          Scalar sum = in.bias ? in.bias.data()[d] : Scalar{0};
          for (Index i = 0; i < W; ++i) sum += in.weight.row(d)[i] * x(t - past + i);
          const Scalar gate = 1 / (1 + std::exp(-sum));
          const Scalar slope = in.silu() ? gate * (1 + sum * (1 - gate)) : Scalar{1};
          const Scalar e = dy.row(row, t)[d] * slope;
          for (Index i = 0; i < W; ++i) {
            by(t - past + i) += in.weight.row(d)[i] * e;
            if (grads.dweight) grads.dweight.row(d)[i] += e * x(t - past + i);
          }
          if (grads.dbias) grads.dbias.data()[d] += e;
        }
        for (Index t = begin; grads.dx && t < end; ++t) {
          Scalar& to = grads.dx.row(row, t)[d];
          to = (grads.accumulate ? to : Scalar{0}) + by(t);
        }
        for (Index i = 0; dstate && i < past; ++i)
          dstate.row(p.number, i)[d] = by(begin - past + i);
      }
    });
}

}  // namespace sluice::conv
