// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/short_convolution.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

using namespace sluice;

TEST_CASE("the short convolution keeps the laws of streamable layers", "[layer][conv]") {
  for (const Index width : {1, 2, 4, 9})
    for (const bool bias : {false, true})
      for (const Activation f : {Activation::silu, Activation::identity, Activation::tanh}) {
        CAPTURE(width, bias, int(f));
        Rng rng(1);
        testing::require_layer_laws(
            ShortConvolution<double>(
                {.channels = 11, .width = width, .bias = bias, .activation = f}, rng),
            11);
      }
}

TEST_CASE("the short convolution in float folds to float's rounding", "[layer][conv]") {
  Rng rng(2);
  testing::LawOptions options;
  options.fold_tolerance = 1e-6;
  testing::require_layer_laws(ShortConvolution<float>({.channels = 40, .bias = true}, rng), 40,
                              options);
}

TEST_CASE("the short convolution begins as it says", "[layer][conv]") {
  Rng rng(6);
  for (const Index width : {1, 4}) {
    const ShortConvolution<double> layer({.channels = 100, .width = width, .bias = true}, rng);
    const double bound = 1 / std::sqrt(double(width));
    for (const auto& [first, n] : {std::pair{layer.weight.data(), layer.weight.size()},
                                   {layer.bias->data(), layer.bias->size()}}) {
      const auto [least, most] = std::minmax_element(first, first + n);
      CHECK((*least >= -bound && *least < -0.9 * bound && *most<bound&& * most> 0.9 * bound));
    }
  }
  const ShortConvolution<double> plain({.channels = 1}, rng);
  CHECK(plain.width() == 4);
  CHECK_FALSE(plain.bias);
}

TEST_CASE("packed sequences of a short convolution and their gradients", "[op][conv]") {
  Rng rng(3);
  const ShortConvolution<double> layer({.channels = 3, .bias = true}, rng);
  const auto x = testing::uniform<double, 3>({1, 9, 3}, -1, 1, 4);
  const std::vector<Index> starts{0, 2, 9};
  Tensor<double, 3> y(1, 9, 3), dx(1, 9, 3), alone(1, 9, 3), dalone(1, 9, 3);
  dx.setZero(), dalone.setZero();
  auto dpacked = zeros_like(layer), dparts = dpacked;
  Tape<double> tape;
  const auto read = [&](Index from, Index to, std::span<const Index> cu_seqlens, auto& out,
                        auto& dout, auto& gradient) {
    tape.record(layer, gradient);
    tape.pack(cu_seqlens);
    auto state = layer.initial_state(cu_seqlens.empty() ? 1 : Index(cu_seqlens.size()) - 1);
    const Index n = to - from;
    const auto o = short_convolution(tape.input(View<const double, 3>(&x(0, from, 0), {1, n, 3}),
                                                View<double, 3>(&dout(0, from, 0), {1, n, 3})),
                                     layer.weight, state.recent,
                                     {.bias = layer.bias, .activation = Activation::silu});
    std::copy_n(o.value.data(), 3 * n, &out(0, from, 0));
    for (Index i = 0; i < 3 * n; ++i) o.gradient.data()[i] = double(3 * from + i + 1);
    tape.backward();
  };
  read(0, 9, starts, y, dx, dpacked);
  read(0, 2, {}, alone, dalone, dparts), read(2, 9, {}, alone, dalone, dparts);
  testing::require_close("y", alone, y, 0);
  testing::require_close("dx", dalone, dx, 0);
  testing::require_close("dweight", dparts.weight, dpacked.weight, 1e-14);
  testing::require_close("dbias", *dparts.bias, *dpacked.bias, 1e-14);
}

TEST_CASE("the short convolution names what it cannot have", "[layer][conv][error]") {
  Rng rng(5);
  CHECK_THROWS_WITH(ShortConvolution<float>({.channels = 3, .width = 0}, rng),
                    "ShortConvolution: width must be at least 1, got 0");
  CHECK_THROWS_WITH(ShortConvolution<float>({.width = 4}, rng),
                    "ShortConvolution: channels must be at least 1, got 0");
  const ShortConvolution<float> layer({.channels = 3}, rng);
  const Tensor<float, 3> x = zeros<float>(Shape<3>{2, 5, 4});
  auto state = layer.initial_state(2);
  Tape<float> tape;
  tape.start();
  CHECK_THROWS_WITH(layer(tape.input(View<const float, 3>(x)), state),
                    "short_convolution: weight must be [4, 4] to match x, got [3, 4]");
  const Tensor<float, 3> wide = zeros<float>(Shape<3>{4, 2, 4});
  CHECK_THROWS_WITH(short_convolution(tape.input(x), wide, state.recent),
                    "short_convolution: weight must be [4, 1, 4] one row a channel, got [4, 2, 4]");
}
