// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/embeddings/embedding.hpp>
#include <sluice/layers/feed_forward/gated_feed_forward.hpp>
#include <sluice/layers/feed_forward/linear.hpp>

#include <cmath>
#include <cstdint>
#include <string>

using namespace sluice;
using testing::check_gradients;
using testing::uniform;

namespace {

template <Visitable Model>
std::string names(const Model& model) {
  std::string list;
  for_each_tensor([&](std::string_view name, const auto&) { list += std::string(name) + ' '; },
                  model);
  return list;
}

/// Mean and standard deviation of a tensor's elements.
template <class Tensor>
std::pair<double, double> moments(const Tensor& t) {
  double sum = 0, squares = 0;
  for (Index i = 0; i < t.size(); ++i) {
    sum += double(t.data()[i]);
    squares += double(t.data()[i]) * double(t.data()[i]);
  }
  const double n = double(t.size()), mean = sum / n;
  return {mean, std::sqrt(squares / n - mean * mean)};
}

}  // namespace

TEST_CASE("a linear layer begins as it says", "[layers]") {
  Rng rng(1);
  const Linear<float> plain(400, 300, rng);
  CHECK(names(plain) == "weight ");
  CHECK(plain.in() == 400);
  CHECK(plain.out() == 300);
  for (Index i = 0; i < plain.weight.size(); ++i)
    REQUIRE(std::abs(plain.weight.data()[i]) <= 0.05f);
  // Of 120000 draws: six standard deviations of mean and deviation.
  const double deviation = 0.05 / std::sqrt(3.0), slack = 6 * deviation / std::sqrt(120000.0);
  CHECK(std::abs(moments(plain.weight).first) < slack);
  CHECK(std::abs(moments(plain.weight).second - deviation) < slack);

  const Linear<float> biased(400, 300, rng, {.bias = true});
  CHECK(names(biased) == "weight bias ");
  CHECK(moments(*biased.bias).second > 0.02);

  const Linear<float> normal(400, 300, rng, {.bias = true, .deviation = 0.02});
  CHECK(std::abs(moments(normal.weight).second - 0.02) < 6 * 0.02 / std::sqrt(120000.0));
  CHECK(moments(*normal.bias).second == 0);
}

TEST_CASE("a linear layer of one input, and of none", "[layers]") {
  Rng rng(2);
  const Linear<double> one(1, 200, rng, {.bias = true});
  const auto [mean, deviation] = moments(one.weight);  // uniform in [-1, 1)
  CHECK(std::abs(mean) < 6 / std::sqrt(3 * 200.0));
  CHECK(std::abs(deviation - 1 / std::sqrt(3.0)) < 6 / std::sqrt(3 * 200.0));
  const Linear<double> none(0, 3, rng, {.bias = true});
  for (Index i = 0; i < 3; ++i) CHECK((*none.bias)(i) == 0);
}

TEST_CASE("the same generator makes the same layer", "[layers]") {
  Rng first(7), second(7);
  const GatedFeedForward<float> a(5, 9, first), b(5, 9, second);
  for_each_tensor(
      [](std::string_view, const auto& s, const auto& t) {
        for (Index i = 0; i < s.size(); ++i) CHECK(s.data()[i] == t.data()[i]);
      },
      a, b);
}

TEST_CASE("a linear layer is an affine map of the last axis", "[layers]") {
  Rng rng(1);
  const Linear<double> layer(3, 2, rng, {.bias = true});
  const auto x = uniform<double, 3>({2, 2, 3}, -1, 1, 1);
  Tape<double> tape;
  tape.start();
  const auto y = layer(tape.input(View<const double, 3>(x)));
  REQUIRE(y.shape() == Shape<3>{2, 2, 2});
  for (Index o = 0; o < 2; ++o) {
    double expected = (*layer.bias)(o);
    for (Index i = 0; i < 3; ++i) expected += layer.weight(o, i) * x(1, 0, i);
    CHECK(std::abs(y.value.row(1, 0)[o] - expected) < 1e-15);
  }
}

TEST_CASE("gradients of linear layers and gated units", "[layers]") {
  Rng rng(3);
  const auto x = uniform<double, 3>({2, 3, 5}, -1, 1, 1);
  const auto apply = [](const auto& layer, const auto& in) { return layer(in); };
  check_gradients(Linear<double>(5, 7, rng), apply, x);
  check_gradients(Linear<double>(5, 7, rng, {.bias = true}), apply, x);
  for (const auto kind : {Activation::silu, Activation::gelu, Activation::gelu_tanh,
                          Activation::sigmoid, Activation::identity})
    check_gradients(
        GatedFeedForward<double>(5, 7, rng, {.activation = kind, .linear = {.bias = true}}), apply,
        x);
}

TEST_CASE("a gated unit names its projections and gates the hidden width", "[layers]") {
  Rng rng(3);
  GatedFeedForward<double> layer(1, 1, rng);
  CHECK(names(layer) == "gate_proj.weight up_proj.weight down_proj.weight ");
  layer.gate_proj.weight(0, 0) = 2;
  layer.up_proj.weight(0, 0) = 3;
  layer.down_proj.weight(0, 0) = 5;
  Tensor<double, 2> x(1, 1);
  x(0, 0) = 0.5;
  Tape<double> tape;
  tape.start();
  const auto y = layer(tape.input(View<const double, 2>(x)));
  CHECK(std::abs(*y.value.data() - 7.5 / (1 + std::exp(-1.0))) < 1e-14);
}

TEST_CASE("an embedding begins normal", "[layers]") {
  Rng rng(3);
  const Embedding<float> layer(200, 100, rng, 0.5);
  CHECK(names(layer) == "weight ");
  const auto [mean, deviation] = moments(layer.weight);
  CHECK(std::abs(mean) < 6 * 0.5 / std::sqrt(20000.0));
  CHECK(std::abs(deviation - 0.5) < 6 * 0.5 / std::sqrt(20000.0));
}
