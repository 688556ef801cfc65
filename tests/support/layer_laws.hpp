// SPDX-License-Identifier: MIT
/// \file
/// What every streamable layer owes, measured: folding, causality, gradients, copies, names of its
/// own for every tensor, and a warm step that allocates nothing.
#pragma once

#include "allocation_count.hpp"
#include "catch.hpp"
#include "tensor.hpp"

#include <sluice/core/each_row.hpp>
#include <sluice/layers/layer.hpp>
#include <sluice/ops/slice.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace sluice::testing {

/// The problem a layer is tested on. Tokens divide nothing, on purpose.
struct LawOptions {
  Index batch = 2;
  Index tokens = 37;
  double fold_tolerance = 1e-12;     ///< relative RMS; for float 1e-5 or so
  double gradient_tolerance = 1e-7;  ///< of the largest gradient in a tensor; double only
  Index gradient_tokens = 7;
  Index samples = 24;  ///< entries of every tensor that are differenced
  /// Whether the gradient by the initial state is checked. Not for a state whose tensors change
  /// their shape while reading.
  bool state_gradient = true;
};

namespace detail {

/// Whether a tensor has gradients: not one of integers, which a state may hold.
template <class Tensor>
inline constexpr bool is_real = std::is_floating_point_v<typename Tensor::Scalar>;

template <class Scalar, int Rank>
std::vector<Scalar> flat(const View<const Scalar, Rank>& x) {
  std::vector<Scalar> out;
  for_each_row([&](const Scalar* row) { out.insert(out.end(), row, row + row_length(x)); }, x);
  return out;
}

template <Visitable Values, class Scalar>
std::vector<Scalar> flat_values(const Values& values) {
  std::vector<Scalar> out;
  for_each_tensor(
      [&](std::string_view, const auto& t) {
        for (Index i = 0; i < t.size(); ++i) out.push_back(Scalar(t.data()[i]));
      },
      values);
  return out;
}

template <class Scalar>
double relative_error(const std::vector<Scalar>& expected, const std::vector<Scalar>& actual) {
  if (expected.size() != actual.size()) return HUGE_VAL;
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(double(actual[i]))) return HUGE_VAL;
    const double d = double(actual[i]) - double(expected[i]);
    error += d * d;
    norm += double(expected[i]) * double(expected[i]);
  }
  return error == 0 ? 0 : std::sqrt(error / (norm + 1e-30));
}

}  // namespace detail

/// A state that has seen a few tokens, so that nothing in it is zero by chance.
template <Streamable L>
typename L::State warm_state(const L& layer, Index batch, Index width, unsigned seed = 91) {
  using Scalar = typename L::Scalar;
  const auto x = uniform<Scalar, 3>({batch, 3, width}, -1, 1, seed);
  auto state = layer.initial_state(batch);
  Tape<Scalar> tape;
  tape.start();
  layer(tape.input(View<const Scalar, 3>(x)), state);
  return state;
}

/// Largest relative error, of outputs and of final states, between reading x [B, T, D] at once and
/// in consecutive pieces of the given lengths, which are repeated until the end is reached.
template <Streamable L>
double fold_error(const L& layer, const Tensor<typename L::Scalar, 3>& x,
                  const std::vector<Index>& pieces) {
  using Scalar = typename L::Scalar;
  const View<const Scalar, 3> in(x);
  const auto begin = warm_state(layer, x.dimension(0), x.dimension(2));
  auto whole_state = begin, folded_state = begin;
  Tape<Scalar> tape, part;
  tape.start();
  const auto whole = layer(tape.input(in), whole_state);
  double worst = 0;
  std::size_t piece = 0;
  for (Index t = 0; t < x.dimension(1);) {
    const Index n = std::min(pieces[piece++ % pieces.size()], x.dimension(1) - t);
    part.start();
    const auto y = layer(slice(part.input(in), 1, t, n), folded_state);
    worst = std::max(worst, detail::relative_error(detail::flat(slice(whole.value, 1, t, n)),
                                                   detail::flat(y.value)));
    t += n;
  }
  return std::max(
      worst, detail::relative_error(detail::flat_values<typename L::State, Scalar>(whole_state),
                                    detail::flat_values<typename L::State, Scalar>(folded_state)));
}

/// Whether outputs before token `cut` keep every bit when the tokens from there on change.
template <Streamable L>
bool causal(const L& layer, const Tensor<typename L::Scalar, 3>& x, Index cut) {
  using Scalar = typename L::Scalar;
  const auto before = [&](const Tensor<Scalar, 3>& in) {
    auto state = warm_state(layer, x.dimension(0), x.dimension(2));
    Tape<Scalar> tape;
    tape.start();
    const auto y = layer(tape.input(View<const Scalar, 3>(in)), state);
    return detail::flat(slice(y.value, 1, 0, cut));
  };
  auto changed = x;
  for (Index b = 0; b < x.dimension(0); ++b)
    for (Index t = cut; t < x.dimension(1); ++t)
      for (Index i = 0; i < x.dimension(2); ++i) changed(b, t, i) = 3 - 2 * x(b, t, i);
  const auto y = before(x), z = before(changed);
  return y.size() == z.size() && std::memcmp(y.data(), z.data(), y.size() * sizeof(Scalar)) == 0;
}

/// Everything a gradient is taken by, as one list of tensors.
template <class L>
struct Differentiated {
  L layer;
  typename L::State state;
  Tensor<typename L::Scalar, 3> x;

  static constexpr auto fields() {
    return std::tuple{field("layer", &Differentiated::layer),
                      field("state", &Differentiated::state), field("x", &Differentiated::x)};
  }
};

/// Largest difference between the gradient of sum(c y) + sum(c' final state), with fixed random c
/// and c', and its central differences, relative to the largest gradient in the same tensor or a
/// thousandth of the largest of all; infinite if a tensor has no effect. The tensor at fault is
/// named in `where`.
template <Streamable L>
double gradient_error(const L& layer, const Tensor<typename L::Scalar, 3>& x,
                      const LawOptions& options, std::string& where) {
  using Scalar = typename L::Scalar;
  using Point = Differentiated<L>;
  const auto state = warm_state(layer, x.dimension(0), x.dimension(2));
  Point point{layer, state, x};
  Tape<Scalar> tape;

  // The cotangents, as many as the outputs turn out to be.
  Rng rng(17);
  std::vector<Scalar> output_weights;
  auto state_weights = zeros_like(state);
  if (options.state_gradient)
    for_each_tensor(
        [&](std::string_view, auto& t) {
          if constexpr (detail::is_real<std::remove_cvref_t<decltype(t)>>)
            fill_uniform(t, rng, Scalar(-1), Scalar(1));
        },
        state_weights);
  const auto loss = [&] {
    auto final_state = point.state;
    tape.start();
    const auto y =
        detail::flat(point.layer(tape.input(View<const Scalar, 3>(point.x)), final_state).value);
    while (output_weights.size() < y.size())
      output_weights.push_back(2 * rng.uniform<Scalar>() - 1);
    long double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      sum += static_cast<long double>(output_weights[i]) * y[i];
    if (options.state_gradient)
      for_each_tensor(
          [&](std::string_view, const auto& s, const auto& w) {
            if constexpr (detail::is_real<std::remove_cvref_t<decltype(s)>>)
              for (Index i = 0; i < s.size(); ++i)
                sum += static_cast<long double>(w.data()[i]) * s.data()[i];
          },
          final_state, state_weights);
    return sum;
  };
  loss();

  // The gradient at the final state turns into that at the initial state in place.
  Point gradient{zeros_like(layer), state_weights, zeros<Scalar>(shape_of(x))};
  // Those of the layer and its input are added to what is there: here to 1.
  const auto add = [&](Scalar number) {
    const auto each = [&](std::string_view, auto& t) {
      for (Index i = 0; i < t.size(); ++i) t.data()[i] += number;
    };
    for_each_tensor(each, gradient.layer);
    each("x", gradient.x);
  };
  add(1);
  auto final_state = point.state;
  tape.record(point.layer, gradient.layer);
  if (options.state_gradient) tape.also_record(final_state, gradient.state);
  const auto y = point.layer(
      tape.input(View<const Scalar, 3>(point.x), View<Scalar, 3>(gradient.x)), final_state);
  const Scalar* weight = output_weights.data();
  for_each_row(
      [&](Scalar* row) {
        for (Index i = 0; i < row_length(y.gradient); ++i) row[i] += *weight++;
      },
      y.gradient);
  tape.backward();
  add(-1);

  double largest = 0;
  for_each_tensor(
      [&](std::string_view, const auto& g) {
        for (Index i = 0; i < g.size(); ++i)
          largest = std::max(largest, std::abs(double(g.data()[i])));
      },
      gradient);
  double worst = 0;
  const auto difference = [&](std::string_view name, auto& p, const auto& g) {
    double own = 0;
    for (Index i = 0; i < g.size(); ++i) own = std::max(own, std::abs(double(g.data()[i])));
    if (own == 0 && p.size() != 0) worst = HUGE_VAL, where = std::string(name) + ", which is idle";
    const double scale = std::max(1e-3 * largest, own);
    const Index stride = std::max<Index>(1, p.size() / options.samples);
    for (Index i = 0; i < p.size(); i += stride) {
      // Five points: what h leaves out is far below rounding, and rounding is divided by a
      // larger h than two points could bear.
      const Scalar h = Scalar(1e-5), old = p.data()[i];
      const auto at = [&](int steps) {
        p.data()[i] = old + Scalar(steps) * h;
        return loss();
      };
      const long double near = at(1) - at(-1), far = at(2) - at(-2);
      p.data()[i] = old;
      const double slope = double((8 * near - far) / (12 * static_cast<long double>(h)));
      const double error = std::abs(slope - double(g.data()[i])) / scale;
      if (!(error <= worst)) worst = error, where = std::string(name);
    }
  };
  for_each_tensor(
      [&](std::string_view name, auto& p, const auto& g) {
        if constexpr (detail::is_real<std::remove_cvref_t<decltype(p)>>)
          if (options.state_gradient || name.substr(0, 6) != "state.") difference(name, p, g);
      },
      point, gradient);
  return worst;
}

/// Allocations of ten steps of one token, after a few that may allocate.
template <Streamable L>
long warm_step_allocations(const L& layer, Index batch, Index width) {
  using Scalar = typename L::Scalar;
  const auto x = uniform<Scalar, 3>({batch, 1, width}, -1, 1, 92);
  auto state = layer.initial_state(batch);
  Tape<Scalar> tape;
  const auto step = [&] {
    tape.start();
    layer(tape.input(View<const Scalar, 3>(x)), state);
  };
  for (int n = 0; n < 3; ++n) step();
  const long before = allocations();
  for (int n = 0; n < 10; ++n) step();
  return allocations() - before;
}

/// All laws of a streamable layer whose input has the given width; gradients in double only.
template <Streamable L>
void require_layer_laws(const L& layer, Index width, const LawOptions& options = {}) {
  using Scalar = typename L::Scalar;
  const Index B = options.batch, T = options.tokens;
  const auto x = uniform<Scalar, 3>({B, T, width}, -1, 1, 90);

  const std::vector<std::vector<Index>> foldings = {{1}, {3, 1, 5}, {16}, {T - 1}, {0, 2}};
  for (const auto& pieces : foldings) {
    CAPTURE(pieces);
    CHECK(fold_error(layer, x, pieces) <= options.fold_tolerance);
  }
  for (const Index cut : {Index{1}, T / 2, T - 1}) {
    CAPTURE(cut);
    CHECK(causal(layer, x, cut));
  }
  if constexpr (std::is_same_v<Scalar, double>) {
    const auto few = uniform<Scalar, 3>({B, options.gradient_tokens, width}, -1, 1, 93);
    std::string where;
    const double error = gradient_error(layer, few, options, where);
    INFO("gradient by " << where << ": error " << error);
    CHECK(error <= options.gradient_tolerance);
  }
  const L zero = zeros_like(layer);
  CHECK(count(zero) == count(layer));
  for_each_tensor(
      [](std::string_view name, const auto& original, const auto& t) {
        CAPTURE(std::string(name));
        CHECK(original.dimensions() == t.dimensions());
        CHECK(std::all_of(t.data(), t.data() + t.size(), [](auto v) { return v == 0; }));
      },
      layer, zero);
  std::vector<std::string> names;
  for_each_tensor([&](std::string_view name, const auto&) { names.emplace_back(name); }, layer);
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  CHECK(std::find(names.begin(), names.end(), "") == names.end());
  CHECK(warm_step_allocations(layer, B, width) == 0);
}

}  // namespace sluice::testing
