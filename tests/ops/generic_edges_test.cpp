// SPDX-License-Identifier: MIT
// What single generic operations promise beyond what the table of generic_test.cpp checks of all.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/broadcast.hpp>
#include <sluice/ops/concat.hpp>
#include <sluice/ops/matmul.hpp>
#include <sluice/ops/pad.hpp>
#include <sluice/ops/permute.hpp>
#include <sluice/ops/reduce.hpp>
#include <sluice/ops/reshape.hpp>
#include <sluice/ops/slice.hpp>
#include <sluice/ops/softmax.hpp>
#include <sluice/ops/stop_gradient.hpp>
#include <sluice/ops/weighted_sum.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

using namespace sluice;
using testing::uniform;

namespace {

/// x as a recorded input with a gradient of its own.
template <class S, int R>
struct Recorded {
  Tensor<S, R> x, dx;
  Recorded(Tensor<S, R> value) : x(std::move(value)), dx(zeros<S>(shape_of(x))) {}
  Variable<S, R> on(Tape<S>& tape) { return tape.input(View<const S, R>(x), View<S, R>(dx)); }
};

template <class E, class F>
std::string message(const F& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("what is a view and what a copy", "[generic]") {
  Recorded<float, 3> in(uniform<float, 3>({2, 3, 8}, -1, 1, 1));
  Tape<float> tape;
  tape.record();
  const auto x = in.on(tape);
  const auto same = [&](const auto& y, Index offset) {
    return y.value.data() == x.value.data() + offset &&
           y.gradient.data() == x.gradient.data() + offset;
  };
  const auto columns = slice(x, 2, 4, 4);
  CHECK(same(columns, 4));
  CHECK(same(reshape(x, {4, 12}), 0));
  CHECK(same(reshape(columns, {6, 4}), 4));
  CHECK(reshape(columns, {6, 4}).value.stride(0) == 8);
  CHECK_FALSE(same(reshape(columns, {2, 12}), 4));
  CHECK(same(permute(x, {0, 1, 2}), 0));
  CHECK(same(permute(slice(x, 0, 1, 1), {1, 0, 2}), 24));
  CHECK_FALSE(same(permute(x, {1, 0, 2}), 0));
  CHECK(same(roll(x, 1, 6), 0));
  // A gradient of other strides than the value: both are looked at.
  Recorded<float, 3> wide(uniform<float, 3>({2, 3, 8}, -1, 1, 2));
  const Variable<float, 3> mixed{&tape, slice(columns.value, 2, 0, 4), wide.on(tape).gradient};
  const Variable<float, 3> narrow{&tape, View<const float, 3>(in.x.data(), {2, 3, 4}),
                                  slice(mixed.gradient, 2, 0, 4)};
  CHECK(reshape(narrow, {2, 12}).value.data() != in.x.data());
}

TEST_CASE("stop_gradient ends the way back", "[generic]") {
  Recorded<double, 1> in(uniform<double, 1>({5}, -1, 1, 1));
  Tape<double> tape;
  tape.record();
  const auto x = in.on(tape);
  CHECK(!stop_gradient(x * x).gradient);
  CHECK(stop_gradient(x).value.data() == in.x.data());
  tape.backward(sum(x * stop_gradient(x)));
  for (Index i = 0; i < 5; ++i) CHECK(in.dx(i) == in.x(i));
}

TEST_CASE("equal numbers: the gradient goes to the first", "[generic]") {
  Recorded<double, 1> a(uniform<double, 1>({19}, -1, 1, 1)), b(a.x);
  b.x(3) += 1, b.x(18) += 1;
  Tape<double> tape;
  tape.record();
  tape.backward(sum(maximum(a.on(tape), b.on(tape))));
  for (Index i = 0; i < 19; ++i) {
    CHECK(a.dx(i) == (i == 3 || i == 18 ? 0 : 1));
    CHECK(b.dx(i) == (i == 3 || i == 18 ? 1 : 0));
  }
}

TEMPLATE_TEST_CASE("NaN in, NaN out", "[generic]", float, double) {
  const TestType nan = std::numeric_limits<TestType>::quiet_NaN();
  Tape<TestType> tape;
  tape.start();
  for (const Index n : {1, 19})
    for (Index place = 0; place < n; place += 9) {
      auto a = uniform<TestType, 1>({n}, -1, 1, 1), b = a;
      a(place) = nan;
      const auto p = tape.input(View<const TestType, 1>(a)),
                 q = tape.input(View<const TestType, 1>(b));
      CHECK(std::isnan(maximum(p, q).value(place)));
      CHECK(std::isnan(maximum(q, p).value(place)));
      CHECK(std::isnan(sum(p).value()));
      CHECK(std::isnan(softmax(p).value(n - 1)));
      CHECK(std::isnan(log_softmax(p).value(0)));
      CHECK(weighted_sum({0, 1}, {p, q}).value(place) == b(place));
    }
}

TEMPLATE_TEST_CASE("softmax of minus infinity and of large numbers", "[generic]", float, double) {
  using S = TestType;
  const S inf = std::numeric_limits<S>::infinity();
  const Index n = GENERATE(3, 33, 40);
  Recorded<S, 2> in(uniform<S, 2>({3, n}, S(1e4), S(1.0001e4), 1));
  for (Index i = 0; i < n; ++i) in.x(1, i) = -inf;
  in.x(0, 1) = -inf;
  Tape<S> tape;
  tape.record();
  const auto x = in.on(tape);
  const auto p = softmax(x), log_p = log_softmax(x);
  S total[3] = {};
  for (Index r = 0; r < 3; ++r)
    for (Index i = 0; i < n; ++i) {
      total[r] += p.value(r, i);
      const bool masked = in.x(r, i) == -inf;
      CHECK((p.value(r, i) == 0) == masked);
      CHECK((log_p.value(r, i) == -inf) == masked);
    }
  // A sum of n numbers of about 1 / n, each with a few roundings.
  const double tolerance = 10 * double(std::numeric_limits<S>::epsilon());
  CHECK(std::abs(total[0] - 1) < tolerance);
  CHECK(total[1] == 0);
  CHECK(std::abs(total[2] - 1) < tolerance);
  for (Index i = 0; i < 3 * n; ++i) p.gradient.data()[i] = S(i % 7);
  tape.backward();
  for (Index i = 0; i < n; ++i) {
    CHECK(in.dx(1, i) == 0);
    CHECK(std::isfinite(in.dx(0, i)));
  }
  CHECK(in.dx(0, 1) == 0);
}

TEST_CASE("long sums keep their accuracy", "[generic]") {
  const Index n = 1 << 20;
  Tensor<float, 2> x(n, 1);
  x.setConstant(0.1f);
  Tape<float> tape;
  tape.start();
  const auto column = tape.input(View<const float, 2>(x));
  // Added one to another, numbers of float would be wrong by a hundredth.
  const double exact = double(0.1f) * double(n);
  const auto far = [&](float total) { return std::abs(double(total) - exact) / exact; };
  CHECK(far(sum(column).value()) < 1e-6);
  CHECK(far(sum(reshape(column, {1, n}), 1).value(0)) < 1e-6);
}

TEST_CASE("a run-time number of variables", "[generic]") {
  const auto a = uniform<float, 2>({3, 5}, -1, 1, 1);
  Tape<float> tape;
  tape.start();
  const std::vector<Variable<float, 2>> all(3, tape.input(View<const float, 2>(a)));
  const auto rows = concat(0, all);
  CHECK(rows.shape() == Shape<2>{9, 5});
  CHECK(rows.value(8, 4) == a(2, 4));
  CHECK(concat(1, std::array{all[0], all[1]}).shape() == Shape<2>{3, 10});
  const std::vector<double> weights{1, 2, -4};
  const auto y = weighted_sum(weights, all);
  CHECK(y.value(1, 1) == -a(1, 1));
}

TEST_CASE("one variable, and as many as there may be", "[generic]") {
  const auto a = uniform<double, 2>({3, 5}, -1, 1, 1);
  Tape<double> tape;
  tape.start();
  const auto x = tape.input(a);
  for (const std::size_t n : {1u, 16u}) {
    const std::vector<Variable<double, 2>> all(n, x);
    const auto sums = weighted_sum(std::vector<double>(n, 0.5), all);
    const auto rows = concat(0, all);
    CHECK(rows.shape() == Shape<2>{3 * Index(n), 5});
    for (Index i = 0; i < 15; ++i) {
      // At most 16 roundings of at most 8.
      CHECK(std::abs(sums.value.data()[i] - 0.5 * double(n) * a.data()[i]) < 2e-14);
      CHECK(rows.value.data()[rows.value.size() - 15 + i] == a.data()[i]);
    }
  }
  CHECK(stack(0, x).shape() == Shape<3>{1, 3, 5});
  CHECK(stack(2, x).value(2, 4, 0) == a(2, 4));
}

TEST_CASE("numbers and vectors repeated to a vector", "[generic]") {
  const double number = 0.3;
  const auto one = uniform<double, 1>({1}, -1, 1, 2), many = uniform<double, 1>({7}, -1, 1, 3);
  Tape<double> tape;
  tape.start();
  for (Index i = 0; i < 7; ++i) {
    CHECK(broadcast(tape.input(View<const double, 0>(&number, {})), Shape<1>{7}).value(i) ==
          number);
    CHECK(broadcast(tape.input(one), Shape<1>{7}).value(i) == one(0));
    CHECK(broadcast(tape.input(many), Shape<1>{7}).value(i) == many(i));
  }
  CHECK(broadcast(tape.input(View<const double, 0>(&number, {})), Shape<0>{}).value() == number);
  const auto weigh = [&](const auto& x) { return broadcast(x, Shape<1>{7}); };
  testing::check_gradients(weigh, one);
  testing::check_gradients(weigh, many);
}

TEST_CASE("the operand of fewer axes may stand on either side", "[generic]") {
  const auto wide = uniform<double, 3>({2, 3, 5}, 1, 2, 1);
  const auto row = uniform<double, 1>({5}, 1, 2, 2);
  const auto column = uniform<double, 2>({3, 1}, 1, 2, 3);
  Tape<double> tape;
  tape.start();
  const auto x = tape.input(wide);
  const auto a = tape.input(row) - x, b = tape.input(column) / x, c = maximum(tape.input(row), x);
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 3; ++j)
      for (Index k = 0; k < 5; ++k) {
        CHECK(a.value(i, j, k) == row(k) - wide(i, j, k));
        CHECK(b.value(i, j, k) == column(j, 0) / wide(i, j, k));
        CHECK(c.value(i, j, k) == std::max(row(k), wide(i, j, k)));
      }
  testing::check_gradients([](const auto& p, const auto& q) { return p - q; }, row, wide);
  testing::check_gradients([](const auto& p, const auto& q) { return p / q; }, column, wide);
  CHECK(message<ShapeError>([&] { tape.input(row) + slice(x, 2, 0, 4); }) ==
        "operator+: b must fit a of shape [5], axis by axis from the last, got [2, 3, 4]");
}

TEST_CASE("sums over every axis of a tensor of four", "[generic]") {
  const auto x = uniform<double, 4>({2, 3, 4, 5}, -1, 1, 1);
  for (int axis = 0; axis < 4; ++axis) {
    CAPTURE(axis);
    Tape<double> tape;
    tape.start();
    const auto y = sum(tape.input(x), axis);
    const Tensor<double, 3> expected = x.sum(Eigen::array<Index, 1>{axis});
    REQUIRE(y.shape() == shape_of(expected));
    for (Index i = 0; i < expected.size(); ++i)
      CHECK(std::abs(y.value.data()[i] - expected.data()[i]) < 1e-14);
    testing::check_gradients([axis](const auto& v) { return sum(v, axis); }, x);
    testing::check_gradients([axis](const auto& v) { return mean(v, axis); }, x);
  }
}

TEST_CASE("the last two of several axes are exchanged", "[generic]") {
  const auto x = uniform<double, 3>({2, 3, 5}, -1, 1, 1);
  const auto z = uniform<double, 4>({2, 3, 4, 5}, -1, 1, 2);
  Tape<double> tape;
  tape.start();
  const auto y = transpose(tape.input(x));
  REQUIRE(y.shape() == Shape<3>{2, 5, 3});
  for (Index b = 0; b < 2; ++b)
    for (Index i = 0; i < 3; ++i)
      for (Index j = 0; j < 5; ++j) CHECK(y.value(b, j, i) == x(b, i, j));
  const auto w = transpose(tape.input(z));
  REQUIRE(w.shape() == Shape<4>{2, 3, 5, 4});
  CHECK(w.value(1, 2, 4, 3) == z(1, 2, 3, 4));
}

TEST_CASE("what is padded is 0 unless said otherwise", "[generic]") {
  const auto x = uniform<double, 2>({2, 3}, 1, 2, 1);
  Tape<double> tape;
  tape.start();
  const auto y = pad(tape.input(x), 1, 2, 1), z = pad(tape.input(x), 1, 2, 1, 7);
  for (Index b = 0; b < 2; ++b)
    for (const Index i : {0, 1, 5}) CHECK((y.value(b, i) == 0 && z.value(b, i) == 7));
}

TEST_CASE("a warm pass of operations allocates nothing", "[generic]") {
  Recorded<float, 3> in(uniform<float, 3>({2, 20, 30}, -1, 1, 1));
  Tape<float> tape;
  const auto pass = [&] {
    tape.record();
    const auto x = in.on(tape);
    const auto scores = softmax(matmul(x, x, {.transpose_b = true}) / 5);
    const auto moved = roll(permute(permute(x, {1, 0, 2}), {1, 0, 2}), 1, 3);
    const auto y = concat(2, matmul(scores, x), moved) * sum(pad(x, 1, 1, 0));
    tape.backward(mean(weighted_sum({0.5, 2}, {y, maximum(y, 1 / (y * y + 1))})));
  };
  pass();
  const long before = testing::allocations();
  pass();
  CHECK(testing::allocations() == before);
}

TEST_CASE("errors of operations name the argument", "[generic][error]") {
  const auto a = uniform<float, 3>({2, 3, 5}, -1, 1, 1);
  Tape<float> tape;
  tape.start();
  const auto x = tape.input(View<const float, 3>(a));
  const auto row = reshape(slice(slice(x, 0, 0, 1), 1, 0, 1), {5});
  const auto shape = [](const auto& f) { return message<ShapeError>(f); };
  const auto argument = [](const auto& f) { return message<ArgumentError>(f); };
  CHECK(shape([&] {
          reshape(x, {5, 7});
        }) == "reshape: the shape must have 30 elements as x of shape [2, 3, 5], got [5, 7]");
  CHECK(shape([&] {
          broadcast(row, Shape<2>{5, 4});
        }) == "broadcast: x must fit [5, 4], axis by axis from the last, got [5]");
  CHECK(shape([&] { x / slice(row, 0, 0, 4); }) ==
        "operator/: b must fit a of shape [2, 3, 5], axis by axis from the last, got [4]");
  CHECK(shape([&] { maximum(x, slice(x, 1, 0, 2)); }) ==
        "maximum: b must fit a of shape [2, 3, 5], axis by axis from the last, got [2, 2, 5]");
  CHECK(argument([&] {
          permute(x, {0, 2, 2});
        }) == "permute: axes must be every number from 0 to 2 once, got 2 at 2");
  CHECK(argument([&] {
          permute(x, {0, 3, 1});
        }) == "permute: axes must be every number from 0 to 2 once, got 3 at 1");
  CHECK(argument([&] { concat(3, x, x); }) == "concat: axis must be from 0 to 2, got 3");
  CHECK(argument([&] { concat(0, std::vector<Variable<float, 1>>{}); }) ==
        "concat: the number of variables must be at least 1, got 0");
  CHECK(shape([&] { concat(1, x, slice(x, 2, 0, 4)); }) ==
        "concat: every variable must be [2, 3, 5] to match the first but for the axis, "
        "got [2, 3, 4]");
  CHECK(argument([&] { stack(4, x, x); }) == "stack: axis must be from 0 to 3, got 4");
  CHECK(argument([&] { pad(x, -1, 0, 0); }) == "pad: axis must be from 0 to 2, got -1");
  for (const int axis : {-1, 3}) {
    const std::string text = " must be from 0 to 2, got " + std::to_string(axis);
    CHECK(argument([&] { concat(axis, x, x); }) == "concat: axis" + text);
    CHECK(argument([&] { pad(x, axis, 0, 0); }) == "pad: axis" + text);
    CHECK(argument([&] { roll(x, axis, 1); }) == "roll: axis" + text);
    CHECK(argument([&] { sum(x, axis); }) == "sum: axis" + text);
    CHECK(argument([&] { mean(x, axis); }) == "mean: axis" + text);
    CHECK(argument([&] { slice(x, axis, 0, 0); }) == "slice: axis" + text);
  }
  CHECK(argument([&] { stack(-1, x, x); }) == "stack: axis must be from 0 to 3, got -1");
  CHECK(argument([&] { pad(x, 0, -1, 2); }) == "pad: before must be at least 0, got -1");
  CHECK(argument([&] {
          weighted_sum(std::span<const double>{}, std::vector<Variable<float, 3>>{});
        }) == "weighted_sum: the number of variables must be from 1 to 16, got 0");
  CHECK(argument([&] { pad(x, 0, 0, -1); }) == "pad: after must be at least 0, got -1");
  CHECK(argument([&] { roll(x, 3, 1); }) == "roll: axis must be from 0 to 2, got 3");
  CHECK(argument([&] { sum(x, 3); }) == "sum: axis must be from 0 to 2, got 3");
  CHECK(argument([&] { mean(x, -1); }) == "mean: axis must be from 0 to 2, got -1");
  CHECK(shape([&] { matmul(x, x); }) == "matmul: b must be [2, 5, 5] to match a, got [2, 3, 5]");
  CHECK(shape([&] { matmul(x, slice(x, 0, 0, 1), {.transpose_b = true}); }) ==
        "matmul: b must be [2, 3, 5] to match a, got [1, 3, 5]");
  CHECK(shape([&] {
          matmul(reshape(row, {1, 5}), x);
        }) == "matmul: b must be [2, 5, 5] to match a, got [2, 3, 5]");
  CHECK(shape([&] {
          weighted_sum({1, 2}, {x, slice(x, 2, 0, 4)});
        }) == "weighted_sum: every variable must be [2, 3, 5] to match the first, got [2, 3, 4]");
  const double one[] = {1};
  const std::vector<Variable<float, 3>> many(17, x);
  CHECK(argument([&] { weighted_sum(one, many); }) ==
        "weighted_sum: the number of variables must be from 1 to 16, got 17");
  CHECK(argument([&] { weighted_sum(one, std::span(many).first(2)); }) ==
        "weighted_sum: the number of weights must be 2, got 1");
}
