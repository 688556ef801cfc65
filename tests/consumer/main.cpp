// SPDX-License-Identifier: MIT
#include <sluice/sluice.hpp>

double sum_in_another_unit(const sluice::Tensor<double, 2>& x);

int main() {
  auto x = sluice::zeros<double>(sluice::Shape<2>{3, 5});
  x.setConstant(2);
  return sum_in_another_unit(x) == 30 ? 0 : 1;
}
