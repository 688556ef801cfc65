// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/gla/normaliser.hpp>

#include <type_traits>

using namespace sluice;
using testing::differences;
using testing::require_close;
using testing::uniform;

namespace {

// float: sums of K products, and of keys over T tokens.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-14 : 1e-6;
// The normaliser is linear in every element, so a large step is exact but for rounding; a quotient
// is not, and has the usual one.
constexpr double step = 0.125, step_tolerance = 1e-12, slope_tolerance = 1e-8;

struct Size {
  Index B, T, H, K;
};
const Size sizes[] = {{1, 1, 1, 1}, {2, 17, 3, 5}, {1, 33, 2, 33}, {2, 0, 1, 4}, {3, 5, 1, 16}};

template <class Scalar>
struct Problem {
  Tensor<Scalar, 4> q, k, key_sum;
  Tensor<Scalar, 3> dweight;
  Tensor<Scalar, 4> dkey_sum;

  explicit Problem(Size n)
      : q(uniform<Scalar, 4>({n.B, n.T, n.H, n.K}, 0, 1, 1)),
        k(uniform<Scalar, 4>({n.B, n.T, n.H, n.K}, 0, 1, 2)),
        key_sum(uniform<Scalar, 4>({n.B, 1, n.H, n.K}, 0, 1, 3)),
        dweight(uniform<Scalar, 3>({n.B, n.T, n.H}, -1, 1, 4)),
        dkey_sum(uniform<Scalar, 4>({n.B, 1, n.H, n.K}, -1, 1, 5)) {}

  /// <q_t, z_t> and the final z, straight from the definition.
  void define(Tensor<double, 3>& weight, Tensor<double, 4>& z) const {
    weight.resize(dweight.dimensions());
    weight.setZero();
    z = key_sum.template cast<double>();
    for (Index b = 0; b < q.dimension(0); ++b)
      for (Index t = 0; t < q.dimension(1); ++t)
        for (Index h = 0; h < q.dimension(2); ++h)
          for (Index i = 0; i < q.dimension(3); ++i) {
            z(b, 0, h, i) += double(k(b, t, h, i));
            weight(b, t, h) += double(q(b, t, h, i)) * z(b, 0, h, i);
          }
  }
};

template <class Scalar>
struct Gradients {
  Tensor<Scalar, 4> dq, dk, dz;

  explicit Gradients(const Problem<Scalar>& p)
      : dq(p.q.dimensions()), dk(p.k.dimensions()), dz(p.dkey_sum) {
    dq.setZero(), dk.setZero();
    auto z = p.key_sum;
    gla::normaliser_backward(View<const Scalar, 4>(p.q), p.k, z, p.dweight, dz, dq, dk);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("the normaliser is what it is defined to be", "[gla][normaliser]", float,
                   double) {
  for (const Size n : sizes) {
    CAPTURE(n.B, n.T, n.H, n.K);
    const Problem<TestType> p(n);
    Tensor<double, 3> expected;
    Tensor<double, 4> expected_sum;
    p.define(expected, expected_sum);
    Tensor<TestType, 3> weight(n.B, n.T, n.H);
    auto z = p.key_sum;
    gla::normaliser(View<const TestType, 4>(p.q), p.k, z, weight);
    require_close("weight", expected, weight, tolerance<TestType>);
    require_close("key_sum", expected_sum, z, tolerance<TestType>);
  }
}

TEST_CASE("gradients of the normaliser are its differences", "[gla][normaliser][gradient]") {
  for (const Size n : sizes) {
    CAPTURE(n.B, n.T, n.H, n.K);
    Problem<double> p(n);
    const auto loss = [&] {
      Tensor<double, 3> weight;
      Tensor<double, 4> z;
      p.define(weight, z);
      double sum = 0;
      for (Index i = 0; i < weight.size(); ++i) sum += weight.data()[i] * p.dweight.data()[i];
      for (Index i = 0; i < z.size(); ++i) sum += z.data()[i] * p.dkey_sum.data()[i];
      return sum;
    };
    const Gradients<double> g(p);
    require_close("dq", differences(p.q, loss, step), g.dq, step_tolerance);
    require_close("dk", differences(p.k, loss, step), g.dk, step_tolerance);
    require_close("dkey_sum", differences(p.key_sum, loss, step), g.dz, step_tolerance);
  }
}

TEST_CASE("gradients of the normaliser are added, and those not wanted are left out",
          "[gla][normaliser][gradient]") {
  const Problem<double> p({2, 7, 3, 9});
  const Gradients<double> expected(p);
  const View<const double, 4> q(p.q);
  Tensor<double, 4> more(p.q.dimensions());
  for (const bool by_q : {true, false}) {
    more.setConstant(1);
    auto z = p.key_sum, dz = p.dkey_sum;
    if (by_q)
      gla::normaliser_backward(q, p.k, z, p.dweight, dz, more, {});
    else
      gla::normaliser_backward(q, p.k, z, p.dweight, dz, {}, more);
    for (Index i = 0; i < more.size(); ++i) more.data()[i] -= 1;
    require_close("alone", by_q ? expected.dq : expected.dk, more, 1e-14);
    require_close("dkey_sum", expected.dz, dz, 0);
  }
}

TEST_CASE("a long past leaves no rounding in the gradient of the first token",
          "[gla][normaliser][gradient]") {
  Problem<float> p({1, 4000, 1, 8});
  p.key_sum.setZero();
  const Gradients<float> g(p);
  for (Index i = 0; i < 8; ++i) REQUIRE(g.dq(0, 0, 0, i) == p.dweight(0, 0, 0) * p.k(0, 0, 0, i));
}

TEMPLATE_TEST_CASE("heads are divided by their own denominators", "[gla][normaliser]", float,
                   double) {
  const Index B = 2, T = 5, H = 2, group = 3, V = 17;
  const auto x = uniform<TestType, 4>({B, T, H * group, V}, -1, 1, 6);
  const auto d = uniform<TestType, 3>({B, T, H}, TestType(0.5), 2, 7);
  Tensor<TestType, 4> o(x.dimensions());
  gla::divide_heads(View<const TestType, 4>(x), d, o);
  Tensor<double, 4> expected(x.dimensions());
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index h = 0; h < H * group; ++h)
        for (Index j = 0; j < V; ++j)
          expected(b, t, h, j) = double(x(b, t, h, j)) / double(d(b, t, h / group));
  require_close("o", expected, o, tolerance<TestType>);
}

TEST_CASE("gradients of divided heads are their differences", "[gla][normaliser][gradient]") {
  auto x = uniform<double, 4>({2, 5, 6, 17}, -1, 1, 6);
  auto d = uniform<double, 3>({2, 5, 2}, 0.5, 2, 7);
  const auto dout = uniform<double, 4>({2, 5, 6, 17}, -1, 1, 8);
  Tensor<double, 4> o(x.dimensions()), dx(x.dimensions());
  Tensor<double, 3> dd(d.dimensions());
  const auto loss = [&] {
    gla::divide_heads(View<const double, 4>(x), d, o);
    double sum = 0;
    for (Index i = 0; i < o.size(); ++i) sum += o.data()[i] * dout.data()[i];
    return sum;
  };
  loss();
  dx.setZero(), dd.setZero();
  gla::divide_heads_backward(View<const double, 4>(o), d, dout, dx, dd);
  require_close("dnumerator", differences(x, loss), dx, slope_tolerance);
  require_close("ddenominator", differences(d, loss), dd, slope_tolerance);
}

TEST_CASE("a normaliser of another shape is named", "[gla][normaliser][error]") {
  const Problem<float> p({2, 3, 2, 4});
  Tensor<float, 3> weight(2, 3, 1);
  auto z = p.key_sum;
  CHECK_THROWS_WITH(gla::normaliser(View<const float, 4>(p.q), p.k, z, weight),
                    "gla::normaliser: weight must be [2, 3, 2] to match q, got [2, 3, 1]");
  Tensor<float, 4> turned(2, 2, 1, 4);
  CHECK_THROWS_WITH(gla::normaliser(View<const float, 4>(p.q), p.k, turned, weight),
                    "gla::normaliser: key_sum must be [2, 1, 2, 4] to match q, got [2, 2, 1, 4]");
  require_close("untouched", p.key_sum, z, 0);
}
