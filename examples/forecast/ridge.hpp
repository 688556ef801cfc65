// SPDX-License-Identifier: MIT
/// \file
/// Least squares with a penalty, from sums that are built block by block: the regressors of a
/// long series never lie in memory at once.
#pragma once

#include "series.hpp"

#include <Eigen/Cholesky>

namespace forecast {

/// The normal equations of `Model` on consecutive windows, ready for any ridge strength.
///
///     W = (F^T F + strength N P)^{-1} F^T Y,  P = diag(1, ..., 1, 0)
///
/// The last regressor is the constant 1, and is not penalised. N is the number of samples.
class Ridge {
 public:
  /// Windows with first targets first, ..., first + windows - 1.
  template <class Model>
  Ridge(const Model& model, const Matrix& rows, Index first, Index windows)
      : samples_(double(model.samples(windows, rows.cols()))) {
    constexpr Index block = 256;  // a block and its share of the sums stay in the cache
    const Index width = model.regressors(rows.cols());
    gram_ = Eigen::MatrixXd::Zero(width, width);
    for (Index w = 0; w < windows; w += block) {
      const Index n = std::min(block, windows - w);
      const Eigen::MatrixXd f = model.inputs(rows, first + w, n).transpose();
      const Eigen::MatrixXd y = model.targets(rows, first + w, n);
      if (w == 0) cross_ = Eigen::MatrixXd::Zero(width, y.cols());
      gram_.selfadjointView<Eigen::Lower>().rankUpdate(f);
      cross_.noalias() += f * y;
    }
  }

  Matrix solve(double strength) const {
    Eigen::MatrixXd penalised = gram_;
    penalised.diagonal().head(gram_.rows() - 1).array() += strength * samples_;
    return penalised.selfadjointView<Eigen::Lower>().ldlt().solve(cross_);
  }

 private:
  Eigen::MatrixXd gram_, cross_;
  double samples_;
};

}  // namespace forecast
