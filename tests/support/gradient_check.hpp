// SPDX-License-Identifier: MIT
/// \file
/// Gradients of operations and layers against central differences, in double.
///
///     check_gradients([](auto a, auto b) { return a * silu(b); }, a, b);      // tensors a, b
///     check_gradients(layer, [](const auto& layer, auto x) { return layer(x); }, x);
///     GradientCheck{.tolerance = 1e-6}(f, x);
///
/// `f` maps variables, one for each tensor, to a variable of any rank. Checked are the gradients of
/// sum(c y), c random, by every element of every tensor and, in the second form, by every tensor
/// of the layer; that gradients are added to what is there; and that each argument gets the same
/// gradient when the others want none.
#pragma once

#include "differences.hpp"
#include "tensor.hpp"

#include <sluice/core/each_row.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice::testing {

/// A model without parameters.
struct Nothing {
  static constexpr auto fields() { return std::tuple{}; }
};

/// How closely gradients are checked; called as `check_gradients` is.
struct GradientCheck {
  double tolerance = 1e-7;  ///< relative RMS of a tensor: rounding of the loss over the step
  double step = 1e-6;

  template <Visitable Model, class F, int... Ranks>
  void operator()(Model model, const F& f, Tensor<double, Ranks>... x) const {
    const auto numbers = std::index_sequence_for<Tensor<double, Ranks>...>{};
    std::tuple<Tensor<double, Ranks>...> inputs(std::move(x)...), slopes, gradients;
    Tape<double> tape;
    std::vector<double> c;  // as many as f turns out to return

    const auto loss = [&] {
      tape.start();
      const auto y = std::apply(
          [&](const auto&... t) { return f(std::as_const(model), tape.input(view_of(t))...); },
          inputs);
      Rng rng(77);
      for (c.clear(); Index(c.size()) < y.value.size();) c.push_back(2 * rng.uniform<double>() - 1);
      double sum = 0;
      const double* weight = c.data();
      for_each_row(
          [&](const double* row) {
            for (Index i = 0; i < row_length(y.value); ++i) sum += *weight++ * row[i];
          },
          y.value);
      return sum;
    };

    // Gradients begin at 1, to be added to. The model gets one unless it is given as null, and of
    // the arguments those that are wanted.
    const auto record = [&](Model* model_gradient, const auto& wanted) {
      Nothing nothing;
      tape.record(std::as_const(nothing), nothing);
      if (model_gradient) tape.also_record(std::as_const(model), *model_gradient);
      const auto begin = [&](auto i) {
        auto& t = std::get<i.value>(inputs);
        auto& d = std::get<i.value>(gradients);
        d.resize(t.dimensions());
        d.setConstant(1);
        return tape.input(view_of(std::as_const(t)), view_of(d, wanted(std::size_t{i.value})));
      };
      const auto y = [&]<std::size_t... I>(std::index_sequence<I...>) {
        return f(std::as_const(model), begin(std::integral_constant<std::size_t, I>{})...);
      }
      (numbers);
      if (!y.gradient) return;
      const double* weight = c.data();
      for_each_row(
          [&](double* row) {
            for (Index i = 0; i < row_length(y.gradient); ++i) row[i] += *weight++;
          },
          y.gradient);
      tape.backward();
    };

    const auto require_input = [&](auto i, const std::string& when) {
      require_close("argument " + std::to_string(i.value) + when, std::get<i.value>(slopes),
                    less_one(std::get<i.value>(gradients)), tolerance);
    };
    const auto each_input = [&](const auto& body) {
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        (body(std::integral_constant<std::size_t, I>{}), ...);
      }
      (numbers);
    };

    each_input([&](auto i) {
      std::get<i.value>(slopes) = differences(std::get<i.value>(inputs), loss, step);
    });
    Model model_slopes = model;
    for_each_tensor(
        [&](std::string_view, auto& t, auto& slope) { slope = differences(t, loss, step); }, model,
        model_slopes);
    const auto require_model = [&](const Model& gradient, const std::string& when) {
      for_each_tensor(
          [&](std::string_view name, const auto& slope, const auto& d) {
            require_close(std::string(name) + when, slope, less_one(d), tolerance);
          },
          model_slopes, gradient);
    };

    loss();
    Model all = ones_like(model), alone = ones_like(model);
    record(&all, [](std::size_t) { return true; });
    each_input([&](auto i) { require_input(i, ""); });
    require_model(all, "");
    record(&alone, [](std::size_t) { return false; });
    require_model(alone, " alone");
    each_input([&](auto i) {
      record(nullptr, [&](std::size_t j) { return j == i.value; });
      require_input(i, " alone");
    });
  }

  template <class F, int... Ranks>
  void operator()(const F& f, const Tensor<double, Ranks>&... x) const {
    (*this)(
        Nothing{}, [&](const Nothing&, const auto&... v) { return f(v...); }, x...);
  }

 private:
  template <int Rank>
  static View<const double, Rank> view_of(const Tensor<double, Rank>& t) {
    return {t.data(), shape_of(t)};
  }
  template <int Rank>
  static View<double, Rank> view_of(Tensor<double, Rank>& t, bool present) {
    return {present ? t.data() : nullptr, shape_of(t)};
  }

  template <int Rank>
  static Tensor<double, Rank> less_one(Tensor<double, Rank> t) {
    for (Index i = 0; i < t.size(); ++i) t.data()[i] -= 1;
    return t;
  }

  template <Visitable Model>
  static Model ones_like(const Model& model) {
    Model ones = model;
    for_each_tensor([](std::string_view, auto& t) { t.setConstant(1); }, ones);
    return ones;
  }
};

/// With the usual tolerance and step.
template <class... Arguments>
void check_gradients(const Arguments&... arguments) {
  GradientCheck{}(arguments...);
}

}  // namespace sluice::testing
