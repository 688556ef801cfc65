// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/norms/layer_norm.hpp>
#include <sluice/layers/norms/rms_norm.hpp>
#include <sluice/ops/heads.hpp>
#include <sluice/ops/norm.hpp>

using namespace sluice;
using testing::check_gradients;
using testing::uniform;

namespace {

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
  const auto apply = [](const auto& norm, const auto& in) { return norm(in); };
  check_gradients(with_random_weights(RMSNorm<double>(D)), apply, x);
  check_gradients(with_random_weights(LayerNorm<double>(D, 1e-2)), apply, x);
  check_gradients([](const auto& in) { return rms_norm(layer_norm(in, {}, {}, 0.1), {}, 0.1); }, x);
  const auto weight = with_random_weights(LayerNorm<double>(D)).weight;
  check_gradients([&](const auto& in) { return layer_norm(in, weight, {}, 0.1); }, x);
}

TEST_CASE("a gated norm per head, of two variables or of one twice", "[norm]") {
  const bool before = GENERATE(false, true);
  const Index V = 17;
  const auto norm = with_random_weights(GatedRMSNorm<double>(V, {.norm_before_gate = before}));
  const auto x = uniform<double, 4>({2, 3, 2, V}, -1, 2, 1),
             z = uniform<double, 4>({2, 3, 2, V}, -3, 3, 2);
  check_gradients(
      norm, [](const auto& f, const auto& a, const auto& b) { return f(a, b); }, x, z);
  check_gradients(
      norm, [](const auto& f, const auto& a) { return f(a, a); }, x);
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

TEST_CASE("norms begin with weights of 1 and biases of 0", "[norm]") {
  const RMSNorm<float> rms(5);
  const GatedRMSNorm<float> gated(5);
  const LayerNorm<float> layer(5);
  for (Index i = 0; i < 5; ++i) {
    CHECK(rms.weight(i) == 1);
    CHECK(gated.weight(i) == 1);
    CHECK(layer.weight(i) == 1);
    CHECK(layer.bias(i) == 0);
  }
}
