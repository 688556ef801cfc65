// SPDX-License-Identifier: MIT
/// \file
/// Dense products, small and of linear layers, beside Eigen's.
#pragma once

#include <sluice/core/random.hpp>
#include <sluice/kernels/linear/backward.hpp>
#include <sluice/simd/gemm.hpp>

#include <Eigen/Dense>

namespace sluice::bench {

template <class Scalar>
using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Scalar>
Matrix<Scalar> random_matrix(Index rows, Index columns, std::uint64_t seed) {
  Matrix<Scalar> x(rows, columns);
  Rng rng(seed);
  fill_uniform(x, rng, Scalar(-1), Scalar(1));
  return x;
}

template <class Scalar>
View<Scalar, 2> view(Matrix<Scalar>& x) {
  return {x.data(), {x.rows(), x.cols()}};
}

/// y = x weight^T and its gradients.
template <class Scalar>
struct LinearProblem {
  Matrix<Scalar> x, weight, y, dx, dweight;
  Arena arena;
  Workspace workspace;

  LinearProblem(Index rows, Index in, Index out, Executor executor = {})
      : x(random_matrix<Scalar>(rows, in, 1)),
        weight(random_matrix<Scalar>(out, in, 2)),
        y(random_matrix<Scalar>(rows, out, 3)),
        dx(Matrix<Scalar>::Zero(rows, in)),
        dweight(Matrix<Scalar>::Zero(out, in)),
        workspace(executor, &arena) {}

  double flop() const { return 2.0 * double(x.rows()) * double(x.cols()) * double(y.cols()); }

  void forward() {
    kernels::linear<simd::DefaultArch, Scalar>(view(x), view(weight), {}, view(y), workspace);
  }
  void forward_eigen() { y.noalias() = x * weight.transpose(); }
  void backward_x() { backward(view(dx), {}); }
  void backward_weight() { backward({}, view(dweight)); }

 private:
  /// y serves as its own gradient: the time does not depend on the values.
  void backward(View<Scalar, 2> to_x, View<Scalar, 2> to_weight) {
    kernels::linear_backward<simd::DefaultArch, Scalar>(view(x), view(weight), view(y), to_x,
                                                        to_weight, {}, workspace);
  }
};

/// c = a b.
template <class Scalar>
struct ProductProblem {
  Matrix<Scalar> a, b, c;

  ProductProblem(Index M, Index N, Index K)
      : a(random_matrix<Scalar>(M, K, 1)), b(random_matrix<Scalar>(K, N, 2)), c(M, N) {}

  double flop() const { return 2.0 * double(a.rows()) * double(b.cols()) * double(a.cols()); }

  void ours() {
    simd::product<simd::DefaultArch, Scalar>(a.rows(), b.cols(), a.cols(), {a.data(), a.cols(), 1},
                                             b.data(), b.cols(), c.data(), c.cols());
  }
  void eigen() { c.noalias() = a * b; }
};

}  // namespace sluice::bench
