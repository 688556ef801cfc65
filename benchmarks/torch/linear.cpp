// SPDX-License-Identifier: MIT
#include "peers.hpp"
#include "torch.hpp"

namespace sluice::bench::libtorch {

namespace {

at::Tensor matrix(Matrix<float>& x) { return at::from_blob(x.data(), {x.rows(), x.cols()}); }

}  // namespace

Peer linear(LinearProblem<float>& problem) {
  use_one_thread();
  const auto x = matrix(problem.x), weight = matrix(problem.weight);
  auto y = at::empty({problem.y.rows(), problem.y.cols()});  // kept, as ours is
  const Peer peer = [x, weight, y]() mutable { at::mm_out(y, x, weight.t()); };
  peer();
  problem.forward();
  require_same("linear layer", y, problem.y);
  return peer;
}

}  // namespace sluice::bench::libtorch
