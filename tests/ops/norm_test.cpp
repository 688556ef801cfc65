// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/layer_norm.hpp>
#include <sluice/layers/rms_norm.hpp>
#include <sluice/ops/heads.hpp>
#include <sluice/ops/norm.hpp>

using namespace sluice;
using testing::differences;
using testing::require_close;
using testing::uniform;

namespace {

// Central differences with a step of 1e-6: rounding of the loss against the curvature.
constexpr double tolerance = 5e-8;

/// A layer with one input, as `f(layer, x)` applies it: gradients by its weights and by x.
template <class Layer, int Rank, class F>
void check_gradients(Layer layer, Tensor<double, Rank> x, const F& f) {
  Tape<double> tape;
  auto gradient = zeros_like(layer);
  Tensor<double, Rank> dx = zeros<double>(shape_of(x)),
                       c = uniform<double, Rank>(shape_of(x), -1, 1, 77);
  const auto loss = [&] {
    tape.start();
    const auto y = f(layer, tape.input(View<const double, Rank>(x)));
    double sum = 0;
    for (Index i = 0; i < c.size(); ++i) sum += c.data()[i] * y.value.data()[i];
    return sum;
  };
  tape.record(layer, gradient);
  const auto y = f(layer, tape.input(View<const double, Rank>(x), View<double, Rank>(dx)));
  std::copy_n(c.data(), c.size(), y.gradient.data());
  tape.backward();
  require_close("x", differences(x, loss), dx, tolerance);
  for_each_tensor(
      [&](std::string_view name, auto& w, const auto& dw) {
        require_close(std::string(name), differences(w, loss), dw, tolerance);
      },
      layer, gradient);
}

template <class Layer>
Layer with_random_weights(Layer layer) {
  Rng rng(5);
  for_each_tensor([&](std::string_view, auto& w) { fill_uniform(w, rng, -1.0, 2.0); }, layer);
  return layer;
}

}  // namespace

TEST_CASE("layers of norms send gradients to weights and inputs", "[norm]") {
  const Index D = GENERATE(2, 5, 17);
  const auto x = uniform<double, 3>({2, 3, D}, -1, 2, 1);
  check_gradients(with_random_weights(RMSNorm<double>(D)), x,
                  [](const auto& norm, const auto& in) { return norm(in); });
  check_gradients(with_random_weights(LayerNorm<double>(D, 1e-2)), x,
                  [](const auto& norm, const auto& in) { return norm(in); });
  check_gradients(with_random_weights(RMSNorm<double>(D)), x,
                  [](const auto&, const auto& in) { return rms_norm(layer_norm(in, 0.1), 0.1); });
}

TEST_CASE("a gated norm per head, both inputs from one variable", "[norm]") {
  const bool before = GENERATE(false, true);
  const Index V = 17;
  GatedRMSNorm<double> layer(V, {.norm_before_gate = before});
  check_gradients(with_random_weights(layer), uniform<double, 4>({2, 3, 2, V}, -1, 2, 1),
                  [](const auto& norm, const auto& in) { return norm(in, in); });
}

TEST_CASE("norms begin as plain normalisation", "[norm]") {
  const auto x = uniform<float, 3>({1, 2, 33}, -1, 1, 1);
  Tape<float> tape;
  tape.start();
  const auto in = tape.input(View<const float, 3>(x));
  const auto same = [](const auto& a, const auto& b) {
    for (Index i = 0; i < a.value.size(); ++i) CHECK(a.value.data()[i] == b.value.data()[i]);
  };
  same(RMSNorm<float>(33)(in), rms_norm(in));
  same(LayerNorm<float>(33)(in), layer_norm(in));
}
