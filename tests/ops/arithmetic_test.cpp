// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

#include <sluice/ops/arithmetic.hpp>

using namespace sluice;
using testing::check_gradients;
using testing::uniform;

namespace {

template <class Scalar>
struct Row {
  Tensor<Scalar, 1> weight;
  static constexpr auto fields() { return std::tuple{field("weight", &Row::weight)}; }
};

/// Columns [1, 1 + n) of a variable: rows that are further apart than they are long.
template <class Scalar>
Variable<Scalar, 3> columns(const Variable<Scalar, 3>& x, Index n) {
  return {
      x.tape, slice(x.value, 2, 1, n),
      x.gradient ? slice(x.gradient, 2, 1, n) : View<Scalar, 3>(nullptr, {x.dim(0), x.dim(1), n})};
}

}  // namespace

TEMPLATE_TEST_CASE("sums and products hold to the bit", "[arithmetic]", float, double) {
  using S = TestType;
  const Index n = GENERATE(1, 5, 17, 33);
  const auto a = uniform<S, 3>({2, 3, n}, -2, 2, 1), b = uniform<S, 3>({2, 3, n}, -2, 2, 2);
  const auto wide = uniform<S, 3>({2, 3, n + 2}, -2, 2, 3);
  const auto row = uniform<S, 1>({n}, -2, 2, 4);
  Tape<S> tape;
  tape.start();
  const auto x = tape.input(View(a)), y = tape.input(View(b));
  const auto z = columns(tape.input(View(wide)), n);
  const auto sum = x + y, difference = x - y, product = x * y, strided = x * z, biased = z + row,
             weighted = z * row, scaled = scale(x, S(0.5)), shifted = add_scalar(x, S(2));
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j)
      for (Index k = 0; k < n; ++k) {
        const S p = a(i, j, k), q = b(i, j, k), r = wide(i, j, k + 1);
        CHECK(sum.value.row(i, j)[k] == p + q);
        CHECK(difference.value.row(i, j)[k] == p - q);
        CHECK(product.value.row(i, j)[k] == p * q);
        CHECK(strided.value.row(i, j)[k] == p * r);
        CHECK(biased.value.row(i, j)[k] == r + row(k));
        CHECK(weighted.value.row(i, j)[k] == r * row(k));
        CHECK(scaled.value.row(i, j)[k] == p / 2);
        CHECK(shifted.value.row(i, j)[k] == p + 2);
      }
  CHECK(strided.value.contiguous());
}

TEST_CASE("gradients of sums and products", "[arithmetic]") {
  const Index n = GENERATE(1, 5, 17);
  const auto a = uniform<double, 3>({2, 3, n}, -2, 2, 1),
             b = uniform<double, 3>({2, 3, n}, -2, 2, 2);
  const auto wide = uniform<double, 3>({2, 3, n + 2}, -2, 2, 3);
  check_gradients([](auto x, auto y) { return x + y; }, a, b);
  check_gradients([](auto x, auto y) { return x - y; }, a, b);
  check_gradients([](auto x, auto y) { return x * y; }, a, b);
  check_gradients([](auto x) { return x * x; }, a);
  check_gradients([](auto x) { return x - x * x; }, a);
  check_gradients([](auto x) { return affine(x, -3.0, 2.0); }, a);
  check_gradients([&](auto x, auto w) { return columns(w, n) * x - columns(w, n); }, a, wide);

  const Row<double> row{uniform<double, 1>({n}, -2, 2, 4)};
  check_gradients(
      row, [](const auto& r, auto x) { return x + r.weight; }, a);
  check_gradients(
      row, [](const auto& r, auto x) { return x * r.weight; }, a);
  check_gradients(
      row, [&](const auto& r, auto w) { return columns(w, n) * r.weight + r.weight; }, wide);
}

TEST_CASE("a variable of rank 0 takes part", "[arithmetic]") {
  const auto number = [](const Variable<double, 1>& x) -> Variable<double, 0> {
    return {x.tape, {x.value.data(), {}}, {x.gradient.data(), {}}};
  };
  const auto a = uniform<double, 1>({1}, -2, 2, 1), b = uniform<double, 1>({1}, -2, 2, 2);
  check_gradients([&](auto x, auto y) { return number(x) * number(y) + number(x); }, a, b);
}

TEST_CASE("shapes that differ are named", "[arithmetic][error]") {
  const auto a = uniform<float, 2>({2, 5}, -1, 1, 1), b = uniform<float, 2>({2, 4}, -1, 1, 2);
  const auto row = uniform<float, 1>({4}, -1, 1, 3);
  Tape<float> tape;
  tape.start();
  const auto x = tape.input(View(a)), y = tape.input(View(b));
  CHECK_THROWS_AS(x - y, ShapeError);
  CHECK_THROWS_AS(x * y, ShapeError);
  CHECK_THROWS_AS(x * row, ShapeError);
  CHECK_THROWS_WITH(
      x + y, "operator+: b must fit a of shape [2, 5], axis by axis from the last, got [2, 4]");
  CHECK_THROWS_WITH(x + row,
                    "operator+: b must fit a of shape [2, 5], axis by axis from the last, got [4]");
}
