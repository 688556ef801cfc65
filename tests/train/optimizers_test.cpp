// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/layers/mixers/mamba2.hpp>
#include <sluice/train/adamw.hpp>
#include <sluice/train/clip.hpp>
#include <sluice/train/ema.hpp>
#include <sluice/train/schedule.hpp>
#include <sluice/train/sgd.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace sluice;
using testing::uniform;

namespace {

/// A matrix and a bias, with more elements than a vector and a tail.
template <class Scalar>
struct Model {
  Tensor<Scalar, 2> weight;
  Tensor<Scalar, 1> bias;
  static constexpr auto fields() {
    return std::tuple{field("weight", &Model::weight), field("bias", &Model::bias)};
  }
};

template <class Scalar>
Model<Scalar> random_model(unsigned seed) {
  return {uniform<Scalar, 2>({5, 7}, -1, 1, seed), uniform<Scalar, 1>({19}, -1, 1, seed + 1)};
}

/// Gradient of sum(a_i p_i^2 / 2) with a_i = 1 + i / 10.
template <class Scalar>
Model<Scalar> quadratic(const Model<Scalar>& model) {
  Model<Scalar> g = model;
  for_each_tensor(
      [](std::string_view, auto& t) {
        for (Index i = 0; i < t.size(); ++i) t.data()[i] *= Scalar(1 + double(i) / 10);
      },
      g);
  return g;
}

// Rounding of a few operations a step; in float the moments are floats as well.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-14 : 3e-6;

/// Checks a trained model against `expected(start, a, decays)`, one number at a time in double.
template <class Scalar, class Expected>
void check(const Model<Scalar>& start, const Model<Scalar>& end, const Expected& expected) {
  for_each_tensor(
      [&](std::string_view name, const auto& p, const auto& q) {
        for (Index i = 0; i < p.size(); ++i) {
          CAPTURE(std::string(name), i);
          const double e =
              expected(double(p.data()[i]), double(Scalar(1 + double(i) / 10)), name == "weight");
          REQUIRE(std::abs(double(q.data()[i]) - e) <= tolerance<Scalar> * (1 + std::abs(e)));
        }
      },
      start, end);
}

}  // namespace

TEMPLATE_TEST_CASE("AdamW is its formula", "[train]", float, double) {
  const auto start = random_model<TestType>(1);
  auto model = start;
  AdamW optimizer(
      model,
      {.learning_rate = 0.1, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.3});
  const double factors[] = {1, 0.5, 2, 0};
  for (const double factor : factors) optimizer.step(model, quadratic(model), factor);
  CHECK(optimizer.steps() == 4);
  check(start, model, [&](double p, double a, bool decays) {
    double m = 0, v = 0, first = 1, second = 1;
    for (const double factor : factors) {
      const double g = a * p, rate = 0.1 * factor;
      m = 0.8 * m + 0.2 * g;
      v = 0.95 * v + 0.05 * g * g;
      first *= 0.8;
      second *= 0.95;
      if (decays) p -= rate * 0.3 * p;
      p -= rate * (m / (1 - first)) / (std::sqrt(v / (1 - second)) + 1e-3);
    }
    return p;
  });
}

TEST_CASE("the first step of AdamW has the size of the learning rate", "[train]") {
  auto model = random_model<double>(1);
  const auto start = model;
  AdamW optimizer(model, {.learning_rate = 0.01, .epsilon = 0, .weight_decay = 0});
  optimizer.set_learning_rate(0.02);
  CHECK(optimizer.learning_rate() == 0.02);
  optimizer.step(model, quadratic(model));
  check(start, model, [](double p, double, bool) { return p - std::copysign(0.02, p); });
}

TEST_CASE("decay rates never decay, whatever the rule", "[train]") {
  Rng rng(1);
  const auto changed = [](auto model, const auto& optimizer_of) {
    const auto before = model, gradient = zeros_like(model);
    auto optimizer = optimizer_of(model);
    optimizer.step(model, gradient);
    std::vector<std::string> names;
    for_each_tensor(
        [&](std::string_view name, const auto& now, const auto& then) {
          for (Index i = 0; i < now.size(); ++i)
            if (now.data()[i] != then.data()[i]) return names.emplace_back(name), void();
        },
        model, before);
    return names;
  };
  const auto everything = [](std::string_view, const auto&) { return true; };
  const Mamba<float> mamba({.width = 8, .state_size = 4}, rng);
  const std::vector<std::string> matrices = {"in_proj.weight", "conv1d.weight", "x_proj.weight",
                                             "dt_proj.weight", "out_proj.weight"};
  CHECK(changed(mamba, [](const auto& m) {
          return AdamW(m, {.learning_rate = 0.1, .weight_decay = 0.5});
        }) == matrices);
  CHECK(changed(mamba, [](const auto& m) {
          return SGD(m, {.learning_rate = 0.1, .weight_decay = 0.5});
        }) == matrices);
  const auto all = changed(mamba, [&](const auto& m) {
    return AdamW(m, {.learning_rate = 0.1, .weight_decay = 0.5}, everything);
  });
  CHECK(std::count(all.begin(), all.end(), "A_log") == 0);
  CHECK(std::count(all.begin(), all.end(), "D") == 1);
  const auto second =
      changed(Mamba2<float>({.width = 8, .head_dim = 8, .state_size = 4}, rng), [&](const auto& m) {
        return AdamW(m, {.learning_rate = 0.1, .weight_decay = 0.5}, everything);
      });
  CHECK(std::count(second.begin(), second.end(), "A_log") == 0);
}

TEST_CASE("which tensors decay is the caller's to say", "[train]") {
  auto model = random_model<double>(1);
  const auto start = model, nothing = zeros_like(model);
  const AdamWOptions options{.learning_rate = 0.1, .weight_decay = 0.5};
  AdamW usual(model, options);
  usual.step(model, nothing);
  check(start, model, [](double p, double, bool weight) { return weight ? 0.95 * p : p; });
  model = start;
  AdamW reversed(model, options, [](std::string_view name, const auto&) { return name == "bias"; });
  reversed.step(model, nothing);
  check(start, model, [](double p, double, bool weight) { return weight ? p : 0.95 * p; });
}

TEST_CASE("AdamW goes on from a checkpoint of its moments", "[train]") {
  auto model = random_model<double>(1);
  AdamW first(model);
  for (int n = 0; n < 3; ++n) first.step(model, quadratic(model));
  auto copy = model;
  AdamW second(copy);
  for_each_tensor([](std::string_view, auto& to, const auto& from) { to = from; }, second, first);
  second.set_steps(first.steps());
  for (int n = 0; n < 2; ++n) {
    first.step(model, quadratic(model));
    second.step(copy, quadratic(copy));
  }
  for_each_tensor(
      [](std::string_view, const auto& a, const auto& b) {
        for (Index i = 0; i < a.size(); ++i) CHECK(a.data()[i] == b.data()[i]);
      },
      model, copy);
}

TEMPLATE_TEST_CASE("gradient descent is its formula", "[train]", float, double) {
  const bool nesterov = GENERATE(false, true);
  const auto start = random_model<TestType>(1);
  auto model = start;
  SGD optimizer(
      model, {.learning_rate = 0.05, .momentum = 0.9, .nesterov = nesterov, .weight_decay = 0.1});
  const double factors[] = {1, 0.5, 2};
  for (const double factor : factors) optimizer.step(model, quadratic(model), factor);
  check(start, model, [&](double p, double a, bool decays) {
    double m = 0;
    for (const double factor : factors) {
      const double d = a * p + (decays ? 0.1 * p : 0);
      m = 0.9 * m + d;
      p -= 0.05 * factor * (nesterov ? d + 0.9 * m : m);
    }
    return p;
  });
}

TEST_CASE("plain gradient descent on a quadratic shrinks by 1 - rate a", "[train]") {
  const auto start = random_model<double>(1);
  auto model = start;
  SGD optimizer(model, {.learning_rate = 0.1});
  for (int n = 0; n < 10; ++n) optimizer.step(model, quadratic(model));
  check(start, model, [](double p, double a, bool) { return p * std::pow(1 - 0.1 * a, 10); });
}

TEST_CASE("clipping shortens to the limit and returns the length before", "[train]") {
  Model<double> g{zeros<double>(Shape<2>{3, 4}), zeros<double>(Shape<1>{9})};
  g.weight(1, 2) = 3;
  g.bias(8) = -4;
  CHECK(global_norm(g) == 5);
  CHECK(clip_by_global_norm(g, 5) == 5);
  CHECK(g.bias(8) == -4);
  CHECK(clip_by_global_norm(g, 2.5) == 5);
  CHECK(g.weight(1, 2) == 1.5);
  CHECK(g.bias(8) == -2);
  CHECK(g.weight(0, 0) == 0);
  CHECK(global_norm(g) == 2.5);
  CHECK_THROWS_AS(clip_by_global_norm(g, 0), ArgumentError);

  g.bias(0) = std::numeric_limits<double>::infinity();
  CHECK(clip_by_global_norm(g, 1) == std::numeric_limits<double>::infinity());
  CHECK(g.weight(1, 2) == 1.5);
  g.bias(0) = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(clip_by_global_norm(g, 1)));
  CHECK(g.weight(1, 2) == 1.5);
}

TEST_CASE("lengths are summed in double", "[train]") {
  Model<float> g{zeros<float>(Shape<2>{100, 1000}), zeros<float>(Shape<1>{1})};
  g.weight.setConstant(0.1f);
  g.bias.setConstant(1e25f);  // its square is no float
  CHECK(std::isfinite(global_norm(g)));
  g.bias.setZero();
  const double expected = double(0.1f) * std::sqrt(1e5);
  CHECK(std::abs(global_norm(g) - expected) < 1e-12 * expected);
}

TEST_CASE("lengths whose squares are no doubles", "[train]") {
  Model<double> g{zeros<double>(Shape<2>{5, 4}), zeros<double>(Shape<1>{3})};
  for (const double size : {1e150, 1e160, 1e300, 1e-141, 1e-170, 5e-324 * (1 << 20)}) {
    CAPTURE(size);
    g.weight(1, 2) = 3 * size, g.weight(4, 3) = -4 * size, g.bias(2) = 12 * size;
    CHECK(std::abs(global_norm(g) - 13 * size) <= 1e-14 * 13 * size);
    for (const double limit : {size / 2, size * 1e-20}) {
      auto clipped = g;
      clip_by_global_norm(clipped, std::max(limit, 1e-300));
      if (limit < 1e-300) continue;
      CHECK(std::abs(clipped.bias(2) - 12. / 13 * limit) <= 1e-14 * limit);
      CHECK(std::abs(clipped.weight(4, 3) + 4. / 13 * limit) <= 1e-14 * limit);
    }
  }
  CHECK(global_norm(zeros_like(g)) == 0);
  const double inf = std::numeric_limits<double>::infinity();
  g.bias(0) = inf;
  CHECK(global_norm(g) == inf);
  auto none = zeros_like(g);
  none.bias(1) = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(global_norm(none)));
  none.bias(0) = 1e200;
  CHECK(std::isnan(global_norm(none)));

  // A factor that no float holds exactly.
  Model<float> f{zeros<float>(Shape<2>{5, 4}), zeros<float>(Shape<1>{3})};
  f.weight(0, 1) = 3e38f, f.bias(1) = -3e38f;
  clip_by_global_norm(f, 1e-3);
  CHECK(std::abs(f.weight(0, 1) - 1e-3 * std::sqrt(0.5)) < 1e-10);
  CHECK(f.bias(1) == -f.weight(0, 1));
}

TEST_CASE("integers of a model are not learned", "[train]") {
  struct Counted {
    Tensor<double, 1> weight;
    Tensor<std::int64_t, 1> count;
    Tensor<double, 2> last;
    static constexpr auto fields() {
      return std::tuple{field("weight", &Counted::weight), field("count", &Counted::count),
                        field("last", &Counted::last)};
    }
  };
  Counted model{uniform<double, 1>({5}, -1, 1, 1), Tensor<std::int64_t, 1>(3),
                uniform<double, 2>({2, 3}, -1, 1, 2)};
  model.count.setValues({1, -2, 3});
  Counted g = model;
  g.count.setConstant(1'000'000);
  double squares = 0;
  for_each_tensor(
      [&](std::string_view name, const auto& t) {
        for (Index i = 0; i < t.size() && name != "count"; ++i)
          squares += double(t.data()[i]) * double(t.data()[i]);
      },
      g);
  CHECK(std::abs(global_norm(g) - std::sqrt(squares)) < 1e-14);
  clip_by_global_norm(g, 0.1);
  CHECK(std::abs(global_norm(g) - 0.1) < 1e-15);
  CHECK(g.count(1) == 1'000'000);

  const Counted start = model;
  AdamW adam(model, {.learning_rate = 0.1, .weight_decay = 0.5});
  adam.step(model, zeros_like(g));
  CHECK(std::abs(model.last(1, 1) - 0.95 * start.last(1, 1)) < 1e-15);  // decays, being third
  CHECK(model.weight(1) == start.weight(1));
  adam.step(model, g);
  SGD descent(model, {.learning_rate = 0.1});
  descent.step(model, g);
  CHECK(model.weight(1) != start.weight(1));
  CHECK(model.count(1) == -2);
  Ema ema(start, 0.5);
  model.count(2) = 40;
  ema.update(model);
  CHECK(ema.model().count(2) == 40);
  CHECK(std::abs(ema.model().weight(3) - (start.weight(3) + model.weight(3)) / 2) < 1e-15);
}

TEMPLATE_TEST_CASE("the average of a model approaches it geometrically", "[train]", float, double) {
  const auto start = random_model<TestType>(1), target = random_model<TestType>(5);
  Ema ema(start, 0.9);
  for (int n = 0; n < 13; ++n) ema.update(target);  // odd, for the sign of what is left
  const double left = std::pow(0.9, 13);
  for_each_tensor(
      [&](std::string_view, const auto& a, const auto& b, const auto& average) {
        for (Index i = 0; i < a.size(); ++i) {
          const double expected =
              double(b.data()[i]) + left * (double(a.data()[i]) - double(b.data()[i]));
          REQUIRE(std::abs(double(average.data()[i]) - expected) <= 10 * tolerance<TestType>);
        }
      },
      start, target, ema.model());
  CHECK_THROWS_AS(Ema(start, 1.5), ArgumentError);
  // A checkpoint of the average has the names of the model.
  for_each_tensor(
      [](std::string_view name, const auto&) { CHECK((name == "weight" || name == "bias")); }, ema);
}

TEST_CASE("schedules", "[train]") {
  CHECK(constant_rate()(1000) == 1);

  const auto cosine = cosine_decay(8, 0.1);
  CHECK(cosine(0) == 1);
  CHECK(std::abs(cosine(2) - (0.1 + 0.9 * (1 + std::sqrt(0.5)) / 2)) < 1e-15);
  CHECK(std::abs(cosine(4) - 0.55) < 1e-15);
  CHECK(std::abs(cosine(8) - 0.1) < 1e-15);
  CHECK(cosine(100) == cosine(8));

  const auto line = linear_decay(4);
  CHECK(line(0) == 1);
  CHECK(line(1) == 0.75);
  CHECK(line(4) == 0);
  CHECK(line(9) == 0);

  const auto warm = linear_warm_up(4, linear_decay(4, 0.5));
  const double expected[] = {0.25, 0.5, 0.75, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.5};
  for (Index n = 0; n < 10; ++n) CHECK(warm(n) == expected[n]);
  CHECK(linear_warm_up(0, constant_rate())(0) == 1);
  CHECK_THROWS_AS(cosine_decay(0), ArgumentError);
  CHECK_THROWS_AS(linear_decay(-1), ArgumentError);
}
