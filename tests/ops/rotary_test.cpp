// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

#include <sluice/ops/rotary.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

// Of unit vectors: one rounding of cosine, sine, and of each product.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-15 : 2e-7;

template <class Scalar>
Tensor<Scalar, 4> turned(const Tensor<Scalar, 4>& x, Index position, double base = 10000) {
  Tape<Scalar> tape;
  tape.start();
  const auto y = rotary(tape.input(View<const Scalar, 4>(x)), position, base);
  Tensor<Scalar, 4> out(y.shape());
  std::copy_n(y.value.data(), out.size(), out.data());
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("rotary embedding turns pairs half a head apart", "[rotary]", float, double) {
  for (const Index K : {2, 6, 34, 64})
    for (const Index position : {0, 5, 1000000}) {
      CAPTURE(K, position);
      const auto x = uniform<TestType, 4>({2, 17, 3, K}, -1, 1, 1);
      Tensor<double, 4> expected(x.dimensions());
      for (Index b = 0; b < 2; ++b)
        for (Index t = 0; t < 17; ++t)
          for (Index h = 0; h < 3; ++h)
            for (Index i = 0; i < K / 2; ++i) {
              const double angle =
                  double(position + t) * std::pow(500., -2 * double(i) / double(K));
              const double c = std::cos(angle), s = std::sin(angle);
              const double p = double(x(b, t, h, i)), q = double(x(b, t, h, i + K / 2));
              expected(b, t, h, i) = c * p - s * q;
              expected(b, t, h, i + K / 2) = c * q + s * p;
            }
      // The power is rounded in another way; its error grows with the position.
      const double slack = double(position) * 1e-15;
      require_close("y", expected, turned(x, position, 500), tolerance<TestType> + slack);
    }
}

TEST_CASE("products of turned heads depend on their distance alone", "[rotary]") {
  const auto q = uniform<double, 4>({1, 1, 1, 32}, -1, 1, 1);
  const auto k = uniform<double, 4>({1, 1, 1, 32}, -1, 1, 2);
  const auto product = [&](Index at_q, Index at_k) {
    const auto a = turned(q, at_q), b = turned(k, at_k);
    double sum = 0;
    for (Index i = 0; i < a.size(); ++i) sum += a.data()[i] * b.data()[i];
    return sum;
  };
  CHECK(std::abs(product(9, 2) - product(1009, 1002)) < 1e-12);
  CHECK(std::abs(product(9, 2) - product(9, 3)) > 1e-3);
}

TEST_CASE("tokens one by one are turned as all at once, to the bit", "[rotary][law]") {
  const auto x = uniform<float, 4>({2, 17, 3, 10}, -1, 1, 1);
  const auto whole = turned(x, 40);
  for (Index t = 0; t < 17; ++t)
    require_close("token", testing::slice_tokens(whole, t, t + 1),
                  turned(testing::slice_tokens(x, t, t + 1), 40 + t), 0);
}

TEST_CASE("every sequence is turned from its own position", "[rotary]") {
  const auto x = uniform<double, 4>({3, 4, 2, 6}, -1, 1, 1);
  const auto flat = uniform<double, 4>({1, 12, 2, 6}, -1, 1, 1);  // the same numbers in one row
  struct Turns {
    std::vector<std::int64_t> positions;
    std::vector<Index> cu_seqlens;
    std::array<Index, 12> at;  // of the tokens, in order
  };
  const std::vector<Turns> cases = {
      {{5}, {}, {5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8}},
      {{5, 0, 9}, {}, {5, 6, 7, 8, 0, 1, 2, 3, 9, 10, 11, 12}},
      {{5, 5, 5}, {}, {5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8}},
      {{5}, {0, 3, 3, 12}, {5, 6, 7, 5, 6, 7, 8, 9, 10, 11, 12, 13}},
      {{5, 1, 9}, {0, 3, 4, 12}, {5, 6, 7, 1, 9, 10, 11, 12, 13, 14, 15, 16}}};
  for (const Turns& c : cases) {
    const auto& source = c.cu_seqlens.empty() ? x : flat;
    const auto turn = [&](const auto& in) {
      in.tape->pack(c.cu_seqlens);
      return rotary(in, rotary_angles(*in.tape, in.dim(0), in.dim(1), 6, c.positions, 50));
    };
    Tape<double> tape;
    tape.start();
    const auto y = turn(tape.input(source));
    for (Index n = 0; n < 12; ++n) {
      Tensor<double, 4> token(1, 1, 2, 6);
      std::copy_n(source.data() + 12 * n, 12, token.data());
      const auto expected = turned(token, c.at[std::size_t(n)], 50);
      for (Index i = 0; i < 12; ++i) CHECK(y.value.data()[12 * n + i] == expected.data()[i]);
    }
    testing::check_gradients(turn, source);
  }
}

TEST_CASE("the gradient of rotary embedding", "[rotary][gradient]") {
  for (const Index T : {0, 1, 5})
    testing::check_gradients([](const auto& x) { return rotary(x, 7); },
                             uniform<double, 4>({2, T, 3, 10}, -1, 1, 1));
}

TEST_CASE("rotary embedding names what it cannot turn", "[rotary][error]") {
  const Tensor<float, 4> odd(1, 2, 1, 5), even(1, 2, 1, 6);
  Tape<float> tape;
  tape.start();
  CHECK_THROWS_WITH(rotary(tape.input(View<const float, 4>(odd)), 0),
                    "rotary_angles: the width of a head must be even, got 5");
  for (const double base : {0., -1.})
    CHECK_THROWS_AS(rotary(tape.input(View<const float, 4>(even)), 0, base), ArgumentError);
  CHECK_NOTHROW(rotary(tape.input(View<const float, 4>(even)), 0, 0.5));
  CHECK_THROWS_WITH(rotary_angles(tape, 3, 2, 6, std::array<std::int64_t, 2>{0, 1}),
                    "rotary_angles: positions must be 1 or 3, one a sequence, got 2");
  CHECK_THROWS_WITH(rotary(tape.input(View<const float, 4>(even)),
                           rotary_angles(tape, 2, 2, 6, std::array<std::int64_t, 2>{0, 1})),
                    "rotary: angles must be for 1 or 1 sequences, got 2");
  CHECK_THROWS_WITH(rotary(tape.input(View<const float, 4>(even)),
                           rotary_angles(tape, 1, 3, 6, std::array<std::int64_t, 1>{0})),
                    "rotary: cosine must be [2, 3] to match x, got [3, 3]");
}
