// SPDX-License-Identifier: MIT
#include "../support/race.hpp"
#include "peers.hpp"
#include "torch.hpp"

#include <array>

namespace sluice::bench::libtorch {

at::Tensor chunkwise(at::Tensor q, at::Tensor k, at::Tensor v, at::Tensor g, double scale,
                     Index chunk) {
  const auto B = q.size(0), T = q.size(1), H = q.size(2);
  // [chunks, B, H, tokens of a chunk, channels]: what a product of matrices works on is contiguous.
  const auto split = [&](const at::Tensor& x) {
    return x.reshape({B, T / chunk, chunk, H, x.size(3)}).permute({1, 0, 3, 2, 4}).contiguous();
  };
  q = split(q), k = split(k), v = split(v);
  const auto decay = split(g).cumsum(3);
  const auto whole = decay.narrow(3, chunk - 1, 1);
  const auto from_start = q * decay.exp() * scale;
  const auto scores = at::matmul(from_start, (k * decay.neg().exp()).transpose(3, 4)).tril();
  const auto written = at::matmul((k * (whole - decay).exp()).transpose(3, 4), v);

  // unbind, not select: the gradient of select is a tensor as large as all chunks together.
  const auto kept = whole.exp().transpose(3, 4).unbind(0), added = written.unbind(0);
  std::vector<at::Tensor> states{at::zeros_like(added[0])};
  for (std::size_t n = 0; n + 1 < added.size(); ++n)
    states.push_back(kept[n] * states[n] + added[n]);
  const auto o = at::matmul(from_start, at::stack(states)) + at::matmul(scores, v);
  return o.permute({1, 0, 3, 2, 4}).reshape({B, T, H, v.size(4)});
}

Peer gla_forward(GlaProblem<float>& problem) {
  use_one_thread();
  auto& p = problem;
  p.state.setZero();
  p.blocked();
  const auto q = shared(p.q), k = shared(p.k), v = shared(p.v), g = shared(p.g);
  std::vector<Peer> candidates;
  for (const Index chunk : chunks(p.shape.T)) {
    const auto forward = [q, k, v, g, scale = p.scale, chunk] {
      const at::NoGradGuard no_gradient;
      return chunkwise(q, k, v, g, scale, chunk);
    };
    require_same("chunkwise form", forward(), p.o);
    candidates.push_back(forward);
  }
  return fastest(candidates);
}

Peer gla_forward_backward(GlaProblem<float>& problem) {
  use_one_thread();
  auto& p = problem;
  p.state.setZero();
  p.saving();
  p.backward();
  std::array leaves{leaf(p.q), leaf(p.k), leaf(p.v), leaf(p.g)};
  const std::array ours{&p.dq, &p.dk, &p.dv, &p.dg};
  std::vector<Peer> candidates;
  for (const Index chunk : chunks(p.shape.T)) {
    const Peer both = [leaves, dout = shared(p.dout), scale = p.scale, chunk]() mutable {
      for (auto& x : leaves) x.mutable_grad().reset();  // ours, too, are written and not added to
      chunkwise(leaves[0], leaves[1], leaves[2], leaves[3], scale, chunk).backward(dout);
    };
    both();
    for (std::size_t i = 0; i < ours.size(); ++i)
      require_same("gradient by autograd", leaves[i].grad(), *ours[i]);
    candidates.push_back(both);
  }
  return fastest(candidates);
}

}  // namespace sluice::bench::libtorch
