// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/linear/linear.hpp>
#include <sluice/parallel/thread_team.hpp>

#include <array>
#include <cstring>

using namespace sluice;
using namespace sluice::testing;

namespace {

// A sum of up to 300 products in another order, each below 1.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-12 : 1e-4;

template <class Scalar>
struct Problem {
  Tensor<Scalar, 2> x, weight, dy, y, dx, dweight;
  Tensor<Scalar, 1> bias, dbias;

  Problem(Index rows, Index in, Index out)
      : x(uniform<Scalar, 2>({rows, in}, -1, 1, 1)),
        weight(uniform<Scalar, 2>({out, in}, -1, 1, 2)),
        dy(uniform<Scalar, 2>({rows, out}, -1, 1, 3)),
        y(rows, out),
        dx(x),
        dweight(weight),
        bias(uniform<Scalar, 1>({out}, -1, 1, 4)),
        dbias(bias) {}

  void run(const Workspace& workspace = {}) {
    kernels::linear<simd::DefaultArch, Scalar>(x, weight, bias, y, workspace);
    kernels::linear_backward<simd::DefaultArch, Scalar>(x, weight, dy, dx, dweight, dbias,
                                                        workspace);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("the linear layer and its gradients equal their definitions", "[linear]", float,
                   double) {
  for (const Index rows : {0, 1, 3, 7, 8, 17, 97, 200})  // 97: one more than a block
    for (const Index in : {1, 5, 64, 129})
      for (const Index out : {1, 4, 17, 66, 512}) {
        CAPTURE(rows, in, out);
        Problem<TestType> p(rows, in, out);
        p.run();
        const auto near = [&](double expected, TestType actual) {
          return std::abs(expected - double(actual)) <= tolerance<TestType>;
        };
        const Index some = rows == 200 ? 7 : rows == 97 ? 4 : 1;  // the last row among them
        for (Index i = rows == 200 ? 3 : 0; i < rows; i += some)
          for (Index j = 0; j < out; ++j) {
            double sum = p.bias(j);
            for (Index k = 0; k < in; ++k) sum += double(p.x(i, k)) * p.weight(j, k);
            REQUIRE(near(sum, p.y(i, j)));
          }
        for (Index i = rows == 200 ? 3 : 0; i < rows; i += some)
          for (Index k = 0; k < in; ++k) {
            double sum = p.x(i, k);  // gradients are added to what is there
            for (Index j = 0; j < out; ++j) sum += double(p.dy(i, j)) * p.weight(j, k);
            REQUIRE(near(sum, p.dx(i, k)));
          }
        for (Index j = 0; j < out; j += 5) {
          double bias = p.bias(j);
          for (Index i = 0; i < rows; ++i) bias += p.dy(i, j);
          REQUIRE(near(bias, p.dbias(j)));
          for (Index k = 0; k < in; ++k) {
            double sum = p.weight(j, k);
            for (Index i = 0; i < rows; ++i) sum += double(p.dy(i, j)) * p.x(i, k);
            REQUIRE(near(sum, p.dweight(j, k)));
          }
        }
      }
}

TEST_CASE("a token that meets many weights", "[linear]") {
  const Index in = 517, out = 391;
  Problem<double> p(2, in, out);
  p.run();
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < out; ++j) {
      double sum = p.bias(j);
      for (Index k = 0; k < in; ++k) sum += p.x(i, k) * p.weight(j, k);
      REQUIRE(std::abs(sum - p.y(i, j)) <= 1e-12);
    }
}

TEST_CASE("threads change no bit of a linear layer", "[linear]") {
  // Many tokens, and a few that meet more weights than a near cache holds.
  const auto [rows, in, out] =
      GENERATE(std::array<Index, 3>{500, 130, 70}, std::array<Index, 3>{1, 517, 391},
               std::array<Index, 3>{3, 70'000, 6});
  CAPTURE(rows, in, out);
  Problem<float> alone(rows, in, out), shared(rows, in, out);
  ThreadTeam team(3);
  Arena arena;
  alone.run();
  shared.run({team, &arena});
  const auto same = [](const auto& a, const auto& b) {
    return std::memcmp(a.data(), b.data(), sizeof(float) * std::size_t(a.size())) == 0;
  };
  CHECK(same(alone.y, shared.y));
  CHECK(same(alone.dx, shared.dx));
  CHECK(same(alone.dweight, shared.dweight));
}

TEST_CASE("a linear layer names what does not fit", "[linear][error]") {
  Problem<float> p(3, 4, 5);
  Tensor<float, 2> narrow(5, 3);
  CHECK_THROWS_WITH((kernels::linear<simd::DefaultArch, float>(p.x, narrow, {}, p.y)),
                    "linear: weight must be [5, 4] to match x, got [5, 3]");
  CHECK_THROWS_WITH(
      (kernels::linear_backward<simd::DefaultArch, float>(p.x, p.weight, p.dy, narrow, {}, {})),
      "linear_backward: dx must be [3, 4] to match x, got [5, 3]");
}
