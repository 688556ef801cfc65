// SPDX-License-Identifier: MIT
#include <sluice/sluice.hpp>

double sum_in_another_unit(const sluice::Tensor<double, 2>& x) {
  const auto matrix = sluice::rows(sluice::View<const double, 2>(x));
  double sum = 0;
  for (sluice::Index i = 0; i < matrix.dim(0); ++i)
    for (sluice::Index j = 0; j < matrix.dim(1); ++j) sum += matrix.row(i)[j];
  return sum;
}
