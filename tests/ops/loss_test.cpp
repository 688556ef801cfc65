// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/tensor.hpp"

#include <sluice/ops/loss.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace sluice;
using testing::differences;
using testing::require_close;
using testing::uniform;

namespace {

// Central differences with a step of 1e-6: rounding of the loss against the curvature.
constexpr double difference_tolerance = 2e-8;
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

struct Nothing {
  static constexpr auto fields() { return std::tuple{}; }
};

template <class Scalar, int Rank>
View<const Scalar, Rank> constant(const Tensor<Scalar, Rank>& x) {
  return View<const Scalar, Rank>(x);
}

/// Value and gradient of `loss(prediction)` at x.
template <class Scalar, int Rank, class Loss>
std::pair<double, Tensor<Scalar, Rank>> run(const Tensor<Scalar, Rank>& x, const Loss& loss) {
  Nothing nothing;
  Tape<Scalar> tape;
  Tensor<Scalar, Rank> dx = zeros<Scalar>(shape_of(x));
  tape.record(nothing, nothing);
  const auto y = loss(tape.input(constant(x), View<Scalar, Rank>(dx)));
  tape.backward(y);
  return {double(*y.value.data()), dx};
}

/// The value of a loss of one prediction and one target, and its slope.
template <class Loss>
std::pair<double, double> at(double prediction, double target, const Loss& loss) {
  Tensor<double, 1> p(1), t(1);
  p(0) = prediction;
  t(0) = target;
  const auto result = run(p, [&](const auto& x) { return loss(x, constant(t)); });
  return {result.first, result.second(0)};
}

}  // namespace

TEST_CASE("losses of one number", "[loss]") {
  using Pair = std::pair<double, double>;
  const auto squared = [](const auto& x, const auto& t) { return mean_squared_error(x, t); };
  const auto absolute = [](const auto& x, const auto& t) { return mean_absolute_error(x, t); };
  const auto robust = [](const auto& x, const auto& t) { return huber(x, t, 2); };
  const auto quantile = [](const auto& x, const auto& t) { return pinball(x, t, 0.75); };
  CHECK(at(3, 1, squared) == Pair{4, 4});
  CHECK(at(1, 4, squared) == Pair{9, -6});
  CHECK(at(3, 1, absolute) == Pair{2, 1});
  CHECK(at(1, 4, absolute) == Pair{3, -1});
  CHECK(at(1, 1, absolute) == Pair{0, 0});
  CHECK(at(2, 1, robust) == Pair{0.5, 1});
  CHECK(at(5, 1, robust) == Pair{6, 2});
  CHECK(at(-4, 1, robust) == Pair{8, -2});
  CHECK(at(3, 1, quantile) == Pair{0.5, 0.25});
  CHECK(at(1, 3, quantile) == Pair{1.5, -0.75});
  CHECK(at(1, 1, quantile) == Pair{0, 0});
}

TEST_CASE("losses are means over the weights, and weight 0 is not looked at", "[loss]") {
  Tensor<float, 2> p(2, 3), t(2, 3), w(2, 3);
  p.setValues({{1, 2, 3}, {4, 5, 6}});
  t.setValues({{0, not_a_number, 5}, {4, 8, not_a_number}});
  w.setValues({{1, 0, 0.5}, {2, 1.5, 0}});
  const auto [value, dp] =
      run(p, [&](const auto& x) { return mean_squared_error(x, constant(t), constant(w)); });
  CHECK(value == double(float((1 * 1 + 0.5 * 4 + 2 * 0 + 1.5 * 9) / 5)));
  const float expected[] = {2 * 1 / 5.f, 0, 2 * 0.5f * -2 / 5, 0, 2 * 1.5f * -3 / 5, 0};
  for (Index i = 0; i < 6; ++i) CHECK(std::abs(dp.data()[i] - expected[i]) < 1e-7f);

  w.setZero();
  const auto [none, nothing] =
      run(p, [&](const auto& x) { return mean_squared_error(x, constant(t), constant(w)); });
  CHECK(none == 0);
  for (Index i = 0; i < 6; ++i) CHECK(nothing.data()[i] == 0);
}

TEST_CASE("gradients of losses are central differences", "[loss]") {
  auto x = uniform<double, 3>({2, 3, 5}, -2, 2, 1);
  const auto t = uniform<double, 3>({2, 3, 5}, -1, 1, 2),
             w = uniform<double, 3>({2, 3, 5}, 0, 1, 3);
  const auto check = [&](const auto& loss) {
    const auto dx = run(x, loss).second;
    require_close("x", differences(x, [&] { return run(x, loss).first; }), dx,
                  difference_tolerance);
  };
  check([&](const auto& p) { return mean_squared_error(p, constant(t)); });
  check([&](const auto& p) { return mean_absolute_error(p, constant(t), constant(w)); });
  check([&](const auto& p) { return huber(p, constant(t), 0.5, constant(w)); });
  check([&](const auto& p) { return pinball(p, constant(t), 0.9, constant(w)); });
}

TEST_CASE("cross entropy is -log softmax at the id", "[loss]") {
  const Index V = GENERATE(1, 2, 33, 2500);
  auto x = uniform<double, 3>({2, 3, V}, -3, 3, 1);
  auto w = uniform<double, 2>({2, 3}, 0, 1, 2);
  w(1, 1) = 0;
  std::vector<std::int64_t> ids;
  for (Index n = 0; n < 6; ++n) ids.push_back(n * 7 % V);
  ids[4] = -100;  // of weight 0
  const auto loss = [&](const auto& logits) {
    return cross_entropy(logits, {ids.data(), {2, 3}}, constant(w));
  };
  double expected = 0, total = 0;
  for (Index n = 0; n < 6; ++n) {
    if (n == 4) continue;
    double sum = 0;
    for (Index i = 0; i < V; ++i) sum += std::exp(x.data()[n * V + i]);
    expected += w.data()[n] * (std::log(sum) - x.data()[n * V + ids[std::size_t(n)]]);
    total += w.data()[n];
  }
  const auto [value, dx] = run(x, loss);
  CHECK(std::abs(value - expected / total) < 1e-13);
  if (V == 1) return;
  if (V < 100)
    require_close("logits", differences(x, [&] { return run(x, loss).first; }), dx,
                  difference_tolerance);
  for (Index n = 0; n < 6; ++n) {  // probabilities add up to one
    double sum = 0;
    for (Index i = 0; i < V; ++i) sum += dx.data()[n * V + i];
    CHECK(std::abs(sum) < 1e-14);
  }

  Tensor<float, 3> single(2, 3, V);
  for (Index i = 0; i < x.size(); ++i) single.data()[i] = float(x.data()[i]);
  const Tensor<float, 2> weights = w.cast<float>();
  const auto in_float = run(single, [&](const auto& logits) {
    return cross_entropy(logits, {ids.data(), {2, 3}}, constant(weights));
  });
  CHECK(std::abs(in_float.first - value) < 1e-6 * value);
  require_close("logits in float", dx, in_float.second, 2e-6);
}

TEST_CASE("cross entropy of large logits neither overflows nor loses the small ones", "[loss]") {
  Tensor<float, 2> x(1, 3);
  x.setValues({{1000, 999, -1000}});
  const std::int64_t id = 1;
  const auto [value, dx] = run(x, [&](const auto& logits) {
    return cross_entropy(logits, {&id, {1}});
  });
  CHECK(std::abs(value - (1 + std::log1p(std::exp(-1.0)))) < 1e-4);
  CHECK(std::abs(dx(0, 0) - 1 / (1 + std::exp(-1.0))) < 1e-4);
  CHECK(std::abs(dx(0, 2)) < 1e-30f);
}

TEST_CASE("targets of cross entropy may be a part of a longer row", "[loss]") {
  const auto x = uniform<double, 3>({2, 2, 5}, -1, 1, 1);
  const std::int64_t tokens[] = {9, 1, 2, 9, 3, 4}, packed[] = {1, 2, 3, 4};
  const View<const std::int64_t, 2> shifted(tokens + 1, {2, 2}, {3, 1});
  const auto a = run(x, [&](const auto& l) { return cross_entropy(l, shifted); });
  const auto b = run(x, [&](const auto& l) { return cross_entropy(l, {packed, {2, 2}}); });
  CHECK(a.first == b.first);
  require_close("logits", b.second, a.second, 0);
}

TEST_CASE("losses name what does not fit", "[loss]") {
  const auto x = uniform<float, 3>({2, 2, 5}, -1, 1, 1);
  const auto t = uniform<float, 3>({2, 2, 4}, -1, 1, 1);
  const std::int64_t ids[] = {1, 2, 3, 5};
  const auto message = [&](const auto& loss) -> std::string {
    try {
      run(x, loss);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  };
  CHECK(message([&](const auto& p) { return mean_squared_error(p, constant(t)); }) ==
        "pointwise_loss: target must be [2, 2, 5] to match the prediction, got [2, 2, 4]");
  CHECK(message([&](const auto& p) {
          return cross_entropy(p, {ids, {2, 2}});
        }) == "cross_entropy: ids[1, 1] must be in [0, 5), got 5");
  CHECK(message([&](const auto& p) {
          return cross_entropy(p, {ids, {2, 1}});
        }) == "cross_entropy: ids must be [2, 2] to match the logits, got [2, 1]");
  CHECK_THROWS_AS(run(x, [&](const auto& p) { return huber(p, constant(x), 0); }), ArgumentError);
  for (const double level : {-0.5, 0., 1., 1.5})
    CHECK_THROWS_AS(run(x, [&](const auto& p) { return pinball(p, constant(x), level); }),
                    ArgumentError);
}
