// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/activation/activation.hpp>
#include <sluice/kernels/elementwise/rows.hpp>

#include <limits>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

// Relative RMS: the vector functions err by a few ulp, gelu by tanh by more in its tail.
template <class S>
constexpr double tolerance = sizeof(S) == 4 ? 1e-6 : 2e-15;
// Slopes in double by central differences of the formulas in long double, whose own error is 1e-12.
constexpr double slope_tolerance = 1e-10;

long double logistic(long double x) { return 1 / (1 + std::exp(-x)); }

/// One function with the formula it stands for.
struct Case {
  const char* name;
  long double (*formula)(long double);
};

/// Calls use(function, case) for every function.
template <class S, class Use>
void for_each_function(const Use& use) {
  using L = long double;
  use(kernels::Identity{}, Case{"identity", [](L x) { return x; }});
  use(kernels::Square{}, Case{"square", [](L x) { return x * x; }});
  use(kernels::Relu{}, Case{"relu", [](L x) { return x > 0 ? x : 0; }});
  use(kernels::SquaredRelu{}, Case{"squared relu", [](L x) { return x > 0 ? x * x : 0; }});
  use(kernels::EluPlusOne{}, Case{"elu + 1", [](L x) { return x > 0 ? x + 1 : std::exp(x); }});
  use(kernels::Exp{}, Case{"exp", [](L x) { return std::exp(x); }});
  use(kernels::Sigmoid{}, Case{"sigmoid", [](L x) { return logistic(x); }});
  use(kernels::Tanh{}, Case{"tanh", [](L x) { return std::tanh(x); }});
  use(kernels::Silu{}, Case{"silu", [](L x) { return x * logistic(x); }});
  use(kernels::Gelu{}, Case{"gelu", [](L x) { return x * std::erfc(-x * std::sqrt(0.5L)) / 2; }});
  use(kernels::GeluTanh{}, Case{"gelu by tanh", [](L x) {
                                  const L u =
                                      std::sqrt(2 / std::acos(-1.0L)) * (x + 0.044715L * x * x * x);
                                  return x * (1 + std::tanh(u)) / 2;
                                }});
  use(kernels::Softplus{}, Case{"softplus", [](L x) { return std::log1p(std::exp(x)); }});
  use(kernels::LogSigmoid<S>{S(0.0625)},
      Case{"log sigmoid / 16", [](L x) { return -std::log1p(std::exp(-x)) / 16; }});
}

/// Rows that are further apart than they are long, as a slice of a wider tensor has them.
template <class S>
View<S, 2> strided(Tensor<S, 2>& wide, Index n) {
  return slice(View<S, 2>(wide), 1, 1, n);
}

template <class S>
Tensor<S, 2> constant(Index rows, Index columns, S value) {
  Tensor<S, 2> x(rows, columns);
  x.setConstant(value);
  return x;
}

template <class S>
constexpr S not_a_number = std::numeric_limits<S>::quiet_NaN();

}  // namespace

TEMPLATE_TEST_CASE("activations are their formulas", "[activation]", float, double) {
  using S = TestType;
  const Index n = GENERATE(1, 5, 17, 33, 341);
  const auto x = uniform<S, 2>({3, n}, -6, 6, 1);
  for_each_function<S>([&](const auto& f, const Case& c) {
    Tensor<double, 2> expected(3, n);
    for (Index i = 0; i < x.size(); ++i) expected.data()[i] = double(c.formula(x.data()[i]));
    auto y = constant<S>(3, n, not_a_number<S>);
    kernels::activation(f, View(x), y);
    require_close(c.name, expected, y, tolerance<S>);

    auto in_place = x;
    kernels::activation(f, View(std::as_const(in_place)), in_place);
    CHECK(testing::relative_error(y, in_place) == 0);
  });
}

TEST_CASE("slopes are those of the formulas, and are added", "[activation]") {
  const Index n = GENERATE(1, 5, 17, 33, 341);
  const auto x = uniform<double, 2>({3, n}, -6, 6, 1), dy = uniform<double, 2>({3, n}, -2, 2, 2);
  for_each_function<double>([&](const auto& f, const Case& c) {
    Tensor<double, 2> expected(3, n), dx = constant<double>(3, n, 0.5);
    const long double h = 1e-6L;
    for (Index i = 0; i < x.size(); ++i) {
      const long double at = x.data()[i];
      expected.data()[i] =
          0.5 + double(dy.data()[i] * (c.formula(at + h) - c.formula(at - h)) / (2 * h));
    }
    kernels::activation_backward(f, View(x), dy, dx);
    require_close(c.name, expected, dx, slope_tolerance);
    kernels::activation_backward(f, View(x), dy, View<double, 2>(nullptr, {3, n}));
  });
}

TEMPLATE_TEST_CASE("a jet's value is the value", "[activation]", float, double) {
  using S = TestType;
  const auto x = uniform<S, 1>({999}, -30, 30, 1);
  for_each_function<S>([&](const auto& f, const Case& c) {
    INFO(c.name);
    for (Index i = 0; i < x.size(); ++i) REQUIRE(f.value(x(i)) == f.jet(x(i)).value);
  });
}

TEST_CASE("relu is flat at zero", "[activation]") {
  CHECK(kernels::Relu{}.jet(0.0).slope == 0);
  CHECK(kernels::SquaredRelu{}.jet(0.0).slope == 0);
  CHECK(kernels::EluPlusOne{}.jet(0.0).slope == 1);
}

TEMPLATE_TEST_CASE("rows in place of one span change no bit", "[activation]", float, double) {
  using S = TestType;
  const Index n = GENERATE(1, 5, 17, 33, 341);
  auto wide = uniform<S, 2>({3, n + 2}, -6, 6, 1), wide_b = uniform<S, 2>({3, n + 2}, -6, 6, 2);
  const auto dy = uniform<S, 2>({3, n}, -2, 2, 3);
  const View<const S, 2> a = strided(wide, n), b = strided(wide_b, n);
  Tensor<S, 2> packed_a(3, n), packed_b(3, n);
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < n; ++j) packed_a(i, j) = a.row(i)[j], packed_b(i, j) = b.row(i)[j];

  for_each_function<S>([&](const auto& f, const Case& c) {
    INFO(c.name);
    auto y = constant<S>(3, n, not_a_number<S>), z = y, wide_y = constant<S>(3, n + 2, S(7));
    kernels::gated(f, View(std::as_const(packed_a)), packed_b, y);
    kernels::gated(f, a, b, strided(wide_y, n));
    kernels::gated(f, a, b, z);
    auto da = constant<S>(3, n, S(1)), db = da, wide_da = constant<S>(3, n + 2, S(1)),
         wide_db = wide_da;
    kernels::gated_backward(f, View(std::as_const(packed_a)), packed_b, dy, da, db);
    kernels::gated_backward(f, a, b, dy, strided(wide_da, n), strided(wide_db, n));
    for (Index i = 0; i < 3; ++i) {
      for (Index j = 0; j < n; ++j) {
        REQUIRE(y(i, j) == z(i, j));
        REQUIRE(y(i, j) == wide_y(i, j + 1));
        REQUIRE(da(i, j) == wide_da(i, j + 1));
        REQUIRE(db(i, j) == wide_db(i, j + 1));
      }
      // Nothing beside the rows has been touched.
      for (const Index j : {Index{0}, n + 1}) {
        REQUIRE(wide_y(i, j) == 7);
        REQUIRE(wide_da(i, j) == 1);
        REQUIRE(wide_db(i, j) == 1);
      }
    }
  });
}

TEST_CASE("a gate is the product of its parts, and so is its adjoint", "[activation]") {
  const Index n = GENERATE(1, 5, 17, 33, 341);
  const auto a = uniform<double, 2>({3, n}, -6, 6, 1), b = uniform<double, 2>({3, n}, -6, 6, 2),
             dy = uniform<double, 2>({3, n}, -2, 2, 3);
  for_each_function<double>([&](const auto& f, const Case& c) {
    Tensor<double, 2> fa(3, n), dyb(3, n), expected(3, n),
        y = constant<double>(3, n, not_a_number<double>);
    kernels::activation(f, View(a), fa);
    kernels::multiply(View(std::as_const(fa)), b, expected);
    kernels::gated(f, View(a), b, y);
    require_close(c.name, expected, y, tolerance<double>);

    auto da = constant<double>(3, n, 1), db = da, expected_a = da, expected_b = da;
    kernels::multiply(View(dy), b, dyb);
    kernels::activation_backward(f, View(a), dyb, expected_a);
    kernels::add_product(View(dy), fa, expected_b);
    kernels::gated_backward(f, View(a), b, dy, da, db);
    require_close(c.name, expected_a, da, tolerance<double>);
    require_close(c.name, expected_b, db, tolerance<double>);

    const View<double, 2> none(nullptr, {3, n});
    auto only_a = constant<double>(3, n, 1), only_b = only_a;
    kernels::gated_backward(f, View(a), b, dy, only_a, none);
    kernels::gated_backward(f, View(a), b, dy, none, only_b);
    CHECK(testing::relative_error(da, only_a) == 0);
    CHECK(testing::relative_error(db, only_b) == 0);
  });
}

TEST_CASE("empty tensors are no work", "[activation]") {
  const Tensor<float, 2> x(0, 5);
  Tensor<float, 2> y(0, 5);
  kernels::activation(kernels::Silu{}, View(x), y);
  kernels::gated(kernels::Silu{}, View(x), x, y);
  CHECK(y.size() == 0);
}

TEST_CASE("wrong shapes are named, and nothing is written", "[activation][error]") {
  const auto x = uniform<float, 2>({3, 5}, -1, 1, 1), other = uniform<float, 2>({3, 4}, -1, 1, 2);
  auto y = constant<float>(3, 5, 7), small = constant<float>(3, 4, 7);
  const auto untouched = y;
  CHECK_THROWS_WITH(kernels::activation(kernels::Silu{}, View(x), small),
                    "activation: y must be [3, 5] to match x, got [3, 4]");
  CHECK_THROWS_WITH(kernels::gated(kernels::Silu{}, View(x), other, y),
                    "gated: b must be [3, 5] to match a, got [3, 4]");
  CHECK_THROWS_AS(kernels::activation_backward(kernels::Silu{}, View(x), other, y), ShapeError);
  CHECK_THROWS_AS(kernels::gated_backward(kernels::Silu{}, View(x), x, x, y, small), ShapeError);
  CHECK(testing::relative_error(untouched, y) == 0);
}

TEMPLATE_TEST_CASE("a function named at run time is that function", "[activation]", float, double) {
  using S = TestType;
  const auto x = uniform<S, 2>({3, 21}, -6, 6, 1), z = uniform<S, 2>({3, 21}, -2, 2, 2);
  const auto same = [&](Activation kind, const auto& f) {
    CAPTURE(int(kind));
    Tensor<S, 2> y(3, 21), expected(3, 21), dx = z, dz = x, expected_dx = z, expected_dz = x;
    kernels::activation(f, x, expected);
    kernels::activation(kind, x, y);
    CHECK(testing::relative_error(expected, y) == 0);
    kernels::activation_backward(f, x, z, expected_dx);
    kernels::activation_backward(kind, x, z, dx);
    CHECK(testing::relative_error(expected_dx, dx) == 0);
    kernels::gated(f, x, z, expected);
    kernels::gated(kind, x, z, y);
    CHECK(testing::relative_error(expected, y) == 0);
    kernels::gated_backward(f, x, z, z, expected_dx, expected_dz);
    kernels::gated_backward(kind, x, z, z, dx, dz);
    CHECK(testing::relative_error(expected_dx, dx) == 0);
    CHECK(testing::relative_error(expected_dz, dz) == 0);
  };
  same(Activation::identity, kernels::Identity{});
  same(Activation::relu, kernels::Relu{});
  same(Activation::squared_relu, kernels::SquaredRelu{});
  same(Activation::sigmoid, kernels::Sigmoid{});
  same(Activation::log_sigmoid, kernels::LogSigmoid<S>{});
  same(Activation::tanh, kernels::Tanh{});
  same(Activation::silu, kernels::Silu{});
  same(Activation::gelu, kernels::Gelu{});
  same(Activation::gelu_tanh, kernels::GeluTanh{});
  same(Activation::elu_plus_one, kernels::EluPlusOne{});
  same(Activation::softplus, kernels::Softplus{});
}
