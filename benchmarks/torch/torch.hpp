// SPDX-License-Identifier: MIT
/// \file
/// Between our tensors and LibTorch's. Only the peers include this.
#pragma once

#include "../support/agreement.hpp"

#include <sluice/core/tensor.hpp>

// Before all else of LibTorch: in C++20, Clang wants IValue complete where it is first mentioned.
#include <ATen/core/ivalue.h>

#include <ATen/ATen.h>
#include <string>
#include <vector>

namespace sluice::bench::libtorch {

/// The same memory, seen by LibTorch.
template <class Dense>
at::Tensor shared(Dense& x) {
  const auto& n = x.dimensions();
  return at::from_blob(x.data(), std::vector<std::int64_t>(n.begin(), n.end()));
}

/// As `shared`, and a leaf of autograd.
template <class Dense>
at::Tensor leaf(Dense& x) {
  return shared(x).requires_grad_(true);
}

/// \throws std::runtime_error  if they do not hold the same numbers.
template <class Dense>
void require_same(const std::string& what, const at::Tensor& theirs, const Dense& ours) {
  require_agreement("LibTorch's " + what, theirs.contiguous().data_ptr<float>(), ours.data(),
                    ours.size());
}

/// Keeps LibTorch, and the BLAS below it, to the calling thread.
void use_one_thread();

/// The chunks worth a try that divide T.
inline std::vector<Index> chunks(Index T) {
  std::vector<Index> fitting;
  for (const Index chunk : {16, 32, 48, 64, 96, 112, 128})
    if (T % chunk == 0) fitting.push_back(chunk);
  return fitting;
}

/// q, k and log decays g [B, T, H, K], v [B, T, H, V], from a state of zero. Products of matrices
/// in all chunks at once; only the states go from one to the next.
at::Tensor chunkwise(at::Tensor q, at::Tensor k, at::Tensor v, at::Tensor g, double scale,
                     Index chunk);

}  // namespace sluice::bench::libtorch
