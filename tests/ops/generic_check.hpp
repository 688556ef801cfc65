// SPDX-License-Identifier: MIT
/// \file
/// What holds for every operation: its value, its gradient, and that neither depends on how the
/// operands lie in memory, on which of them have a gradient, or on the number of threads.
#pragma once

#include "ops/generic_table.hpp"
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace sluice::testing {

/// All that is known of one layout: the result, and the gradients of sum(c y), c fixed.
template <class S>
struct Outcome {
  std::vector<S> y;
  std::array<std::vector<S>, most> gradients;
};

struct Problem {
  const Row& row;
  const Example& example;
  Sources operands;
  std::vector<double> expected;

  Problem(const Row& r, const Example& e) : row(r), example(e) {
    Rng rng(7);
    for (const Sizes& shape : e.operands) {
      Source x{shape, std::vector<double>(std::size_t(product(shape)))};
      // Numbers of float, so that float and double begin with the same.
      for (double& number : x.data)
        number = double(float(r.low + (2 - r.low) * rng.uniform<double>()));
      operands.push_back(x);
    }
    Sizes at(e.result.size());
    for (Index n = 0; n < product(e.result); ++n) {
      for (Index rest = n, i = Index(at.size()); i-- > 0; rest /= e.result[std::size_t(i)])
        at[std::size_t(i)] = rest % e.result[std::size_t(i)];
      expected.push_back(r.element(operands, at));
    }
  }

  /// Buffers around the operands, everything else NaN: nobody may read it.
  template <class S>
  std::array<Tensor<S, 1>, most> buffers(Layout layout) const {
    std::array<Tensor<S, 1>, most> all;
    for (std::size_t i = 0; i < most; ++i) {
      all[i].resize(i < operands.size() ? Place(operands[i].shape, layout).size : 0);
      all[i].setConstant(std::numeric_limits<S>::quiet_NaN());
      if (i < operands.size())
        for_each(operands[i].shape, layout, [&](std::size_t n, Index at) {
          all[i].data()[at] = static_cast<S>(operands[i].data[n]);
        });
    }
    return all;
  }

  /// Calls f(number, place in the buffer) for every element.
  template <class F>
  static void for_each(const Sizes& shape, Layout layout, const F& f) {
    const Place place(shape, layout);
    for (Index n = 0; n < product(shape); ++n) {
      Index at = place.begin, rest = n;
      for (std::size_t i = shape.size(); i-- > 0; rest /= shape[i])
        at += rest % shape[i] * place.stride[i];
      f(std::size_t(n), at);
    }
  }

  /// Which operands have a gradient is told by bits of `wanted`.
  template <class S>
  Outcome<S> run(Layout layout, unsigned wanted, Executor executor = {}) const {
    const auto values = buffers<S>(layout);
    std::array<Tensor<S, 1>, most> gradients;
    Tape<S> tape(executor);
    tape.record();
    Buffers<S> in;
    for (std::size_t i = 0; i < most; ++i) {
      gradients[i].resize(values[i].size());
      gradients[i].setZero();
      const bool has = wanted >> i & 1;
      const Shape<1> shape{values[i].size()};
      in[i] = tape.input(View<const S, 1>(values[i].data(), shape),
                         View<S, 1>(has ? gradients[i].data() : nullptr, shape));
    }
    const auto y = row.op.template of<S>()(example.operands, layout, in);
    Outcome<S> out{{y.value.data(), y.value.data() + y.value.size()}, {}};
    Rng rng(3);
    for (Index n = 0; n < (y.gradient ? y.value.size() : 0); ++n)
      y.gradient.data()[n] = static_cast<S>(2 * rng.uniform<float>() - 1);
    tape.backward();
    for (std::size_t i = 0; i < operands.size(); ++i) {
      S* const gradient = gradients[i].data();
      for_each(operands[i].shape, layout, [&](std::size_t, Index at) {
        out.gradients[i].push_back(std::exchange(gradient[at], S(0)));
      });
      CHECK(std::all_of(gradient, gradient + gradients[i].size(), [](S x) { return x == 0; }));
    }
    return out;
  }

  /// Elements of the largest operand.
  std::size_t size() const {
    std::size_t n = 0;
    for (const Source& x : operands) n = std::max(n, x.data.size());
    return n;
  }

  /// The gradient by an operand against one difference along a random direction: for operands that
  /// are too large for a difference an element.
  void check_slope(std::size_t i) const {
    Problem moved = *this;
    Rng rng(5);
    std::vector<double> direction;
    for (std::size_t n = 0; n < operands[i].data.size(); ++n)
      direction.push_back(2 * rng.uniform<double>() - 1);
    const auto loss = [&](double step) {
      for (std::size_t n = 0; n < direction.size(); ++n)
        moved.operands[i].data[n] = operands[i].data[n] + step * direction[n];
      Rng weights(3);
      double sum = 0;
      for (const double y : moved.run<double>(Layout::whole, 0).y)
        sum += (2 * double(weights.uniform<float>()) - 1) * y;
      return sum;
    };
    const auto gradient = run<double>(Layout::whole, 1u << i).gradients[i];
    double slope = 0, norm = 0;
    for (std::size_t n = 0; n < direction.size(); ++n)
      slope += direction[n] * gradient[n], norm += gradient[n] * gradient[n];
    constexpr double h = 1e-4;
    CHECK(std::abs((loss(h) - loss(-h)) / (2 * h) - slope) <= 1e-6 * std::sqrt(norm));
  }
};

/// Relative RMS of b against a.
template <class A, class B>
double error(const std::vector<A>& a, const std::vector<B>& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(b[i])) return HUGE_VAL;
    const double d = double(b[i]) - double(a[i]);
    difference += d * d, norm += double(a[i]) * double(a[i]);
  }
  return std::sqrt(difference / (norm + 1e-30));
}

/// Sums of up to 150 terms, and quotients: some ten roundings.
constexpr double double_tolerance = 1e-14, float_tolerance = 2e-6;

/// A pool that runs everything at once, backwards.
struct Backwards {
  Index threads;
  Index concurrency() const { return threads; }
  void run(Index n, Executor::Function f, void* context) {
    while (n-- > 0) f(context, n);
  }
};

inline void check_table(const std::vector<Row>& table) {
  for (const Row& row : table)
    for (const Example& example : row.examples) {
      std::string shapes;
      for (const Sizes& shape : example.operands) {
        shapes += " [";
        for (const Index n : shape) shapes += std::to_string(n) + " ";
        shapes += "]";
      }
      INFO(row.name << " of" << shapes);
      const Problem problem(row, example);
      const unsigned all = (1u << problem.operands.size()) - 1;
      const auto whole = problem.run<double>(Layout::whole, all);
      CHECK(error(problem.expected, whole.y) <= double_tolerance);

      const auto narrow = problem.run<float>(Layout::whole, all);
      CHECK(error(whole.y, narrow.y) <= float_tolerance);
      for (std::size_t i = 0; i < most; ++i)
        CHECK(error(whole.gradients[i], narrow.gradients[i]) <= float_tolerance);

      for (const Layout layout : {Layout::wide, Layout::ragged}) {
        CAPTURE(int(layout));
        const auto parts = problem.run<double>(layout, all);
        CHECK(parts.y == whole.y);
        CHECK(parts.gradients == whole.gradients);
      }
      for (std::size_t i = 0; i < problem.operands.size(); ++i) {
        CAPTURE(i);
        const auto alone = problem.run<double>(Layout::whole, 1u << i);
        CHECK(alone.y == whole.y);
        CHECK(alone.gradients[i] == whole.gradients[i]);
      }
      CHECK(problem.run<double>(Layout::whole, 0).y == whole.y);
      Backwards two{2}, many{16};
      for (Backwards* pool : {&two, &many}) {
        const auto shared = problem.run<double>(Layout::whole, all, *pool);
        CHECK(shared.y == whole.y);
        CHECK(shared.gradients == whole.gradients);
      }

      if (problem.size() > 150) {
        for (std::size_t i = 0; i < problem.operands.size(); ++i) problem.check_slope(i);
        continue;
      }
      const auto x = problem.buffers<double>(Layout::whole);
      check_gradients(
          [&](const auto& a, const auto& b, const auto& c) {
            return row.op.in_double(example.operands, Layout::whole, {a, b, c});
          },
          x[0], x[1], x[2]);
    }
}

}  // namespace sluice::testing
