// SPDX-License-Identifier: MIT
/// \file
/// Every form of the diagonal-decay kernel under its name, for whatever golden case runs on it.
#pragma once

#include <sluice/kernels/gla/blocked.hpp>
#include <sluice/kernels/gla/chunkwise.hpp>
#include <sluice/kernels/gla/forward.hpp>
#include <sluice/kernels/gla/naive.hpp>
#include <sluice/kernels/gla/recurrent.hpp>

#include <string>

namespace sluice::testing::golden_gla {

/// Token t of every sequence.
template <class Scalar>
gla::Inputs<Scalar> token(gla::Inputs<Scalar> in, Index t) {
  in.q = slice(in.q, 1, t, 1), in.k = slice(in.k, 1, t, 1), in.v = slice(in.v, 1, t, 1);
  const auto& g = in.g.view();
  if (in.g.kind() == gla::GateKind::vector) in.g = slice(g, 1, t, 1);
  if (in.g.kind() == gla::GateKind::scalar)
    in.g = View<const Scalar, 3>(g.row(0, t, 0), {g.dim(0), 1, g.dim(2)},
                                 {g.stride(0), g.stride(1), 1});
  return in;
}

/// Calls use(name, whether it works in chunks, kernel) with kernel(inputs, scale, state, o).
/// `steps` tells whether the sequences may be read token by token.
template <class Use>
void for_each_form(bool steps, const Use& use) {
  use("naive", false, [](const auto&... a) { gla::naive(a...); });
  use("recurrent", false, [](const auto&... a) { gla::recurrent(a...); });
  if (steps)
    use("step", false, [](const auto& in, auto scale, auto state, auto o) {
      for (Index t = 0; t < o.dim(1); ++t) gla::step(token(in, t), scale, state, slice(o, 1, t, 1));
    });
  use("forward", true, [](const auto&... a) { gla::forward(a...); });
  use("blocked", true, [](const auto&... a) { gla::blocked(a...); });
  for (const Index chunk : {1, 7, 16, 64, 256})
    use("chunkwise(" + std::to_string(chunk) + ")", true,
        [chunk](const auto& in, auto scale, auto state, auto o) {
          gla::chunkwise(in, scale, chunk, state, o);
        });
}

}  // namespace sluice::testing::golden_gla
