// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/mamba.hpp>

#include <algorithm>
#include <cmath>

using namespace sluice;

TEST_CASE("Mamba keeps the laws of streamable layers", "[layer][mamba]") {
  for (const bool bias : {true, false}) {
    CAPTURE(bias);
    MambaConfig c;
    c.width = 6, c.inner = 10, c.state_size = 3;
    c.bias = bias, c.conv_bias = !bias, c.conv_kernel = bias ? 2 : 4;
    c.dt_min = 0.1, c.dt_max = 1;  // so that a few tokens show what is forgotten
    Rng rng(1);
    testing::require_layer_laws(Mamba<double>(c, rng), c.width);
  }
}

TEST_CASE("Mamba is the recurrence of the paper", "[layer][mamba]") {
  const Index B = 2, T = 9, I = 10, N = 3, R = 2;
  MambaConfig c;
  c.width = 6, c.inner = I, c.state_size = N, c.dt_rank = R;
  c.dt_min = 0.1, c.dt_max = 1;
  Rng rng(5);
  Mamba<double> layer(c, rng);
  fill_uniform(layer.D, rng, -1., 1.);
  const auto x = testing::uniform<double, 3>({B, T, 6}, -1, 1, 6);
  auto state = layer.initial_state(B);
  fill_uniform(state.memory, rng, -1., 1.), fill_uniform(state.conv1d.recent, rng, -1., 1.);
  auto S = state.memory;
  auto recent = state.conv1d;
  Tape<double> tape;
  tape.start();
  const auto in = tape.input(View<const double, 3>(x));
  const auto [mixed, z] = split(layer.in_proj(in), {I, I});
  const auto u = layer.conv1d(mixed, recent);
  const auto rBC = layer.x_proj(u).value;
  const auto step = layer.dt_proj(slice(layer.x_proj(u), 2, 0, R)).value;
  Tensor<double, 3> o(B, T, I);
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index d = 0; d < I; ++d) {
        const double dt = std::log1p(std::exp(step(b, t, d))), value = u.value(b, t, d);
        double y = layer.D(d) * value;
        for (Index n = 0; n < N; ++n) {
          double& memory = S(b, n, d);
          memory =
              std::exp(-dt * std::exp(layer.A_log(d, n))) * memory + dt * rBC(b, t, R + n) * value;
          y += rBC(b, t, R + N + n) * memory;
        }
        const double gate = z.value(b, t, d);
        o(b, t, d) = y * gate / (1 + std::exp(-gate));
      }
  const auto expected = layer.out_proj(tape.input(View<const double, 3>(o))).value;
  const auto y = layer(in, state).value;
  testing::require_close("memory", S, state.memory, 1e-13);
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < T; ++t)
      for (Index i = 0; i < 6; ++i)
        CHECK(std::abs(y(b, t, i) - expected(b, t, i)) < 1e-12);  // some 100 roundings of 1
}

TEST_CASE("Mamba in float folds to float's rounding", "[layer][mamba]") {
  MambaConfig c;
  c.width = 32;
  Rng rng(2);
  testing::LawOptions options;
  options.fold_tolerance = 1e-5;
  testing::require_layer_laws(Mamba<float>(c, rng), c.width, options);
}

TEST_CASE("Mamba begins as published", "[layer][mamba]") {
  MambaConfig c;
  c.width = 40;
  Rng rng(3);
  const Mamba<double> layer(c, rng);
  CHECK(layer.config.inner == 80);
  CHECK(layer.config.dt_rank == 3);
  CHECK(layer.x_proj.out() == 3 + 2 * 16);
  CHECK((layer.conv1d.bias && !layer.in_proj.bias && !layer.out_proj.bias));
  CHECK(layer.conv1d.width() == 4);
  for (Index d = 0; d < 80; ++d) {
    const double dt = std::log1p(std::exp((*layer.dt_proj.bias)(d)));
    CHECK((dt >= 0.999e-3 && dt <= 0.1001));
    for (Index n = 0; n < 16; ++n) CHECK(layer.A_log(d, n) == std::log(double(n + 1)));
    CHECK(layer.D(d) == 1);
  }
}

TEST_CASE("the channels of Mamba begin with steps over their range", "[layer][mamba]") {
  const Index channels = 4000;
  MambaConfig c;
  c.width = 1, c.inner = channels, c.state_size = 1;
  c.dt_min = 0.02, c.dt_max = 0.5;
  Rng rng(6);
  const Mamba<double> layer(c, rng);
  double steps = 0, least = 1, most = 0;
  for (Index d = 0; d < channels; ++d) {
    const double dt = std::log1p(std::exp((*layer.dt_proj.bias)(d)));
    const double step = std::log(dt / 0.02) / std::log(0.5 / 0.02);
    steps += step, least = std::min(least, step), most = std::max(most, step);
  }
  CHECK((least > -1e-12 && least < 0.01 && most > 0.99 && most < 1 + 1e-12));
  // The mean of uniform numbers of [0, 1): six of its standard deviations.
  CHECK(std::abs(steps / double(channels) - 0.5) < 6 / std::sqrt(12.0 * double(channels)));

  c.width = 40, c.inner = 20, c.dt_rank = 4;
  Rng first(7), second(7);
  const Mamba<double> whole(c, first);
  c.dt_scale = 0.5, c.out_scale = 0.25;
  const Mamba<double> part(c, second);
  double largest = 0;
  for (Index i = 0; i < whole.dt_proj.weight.size(); ++i) {
    CHECK(part.dt_proj.weight.data()[i] == whole.dt_proj.weight.data()[i] / 2);
    largest = std::max(largest, std::abs(whole.dt_proj.weight.data()[i]));
  }
  CHECK((largest > 0.45 && largest <= 0.5));  // 1 / sqrt(R), of 80 draws
  for (Index i = 0; i < whole.out_proj.weight.size(); ++i)
    CHECK(part.out_proj.weight.data()[i] == whole.out_proj.weight.data()[i] / 4);
}

TEST_CASE("Mamba names a configuration it cannot have", "[layer][mamba][error]") {
  Rng rng(4);
  MambaConfig c;
  CHECK_THROWS_WITH(Mamba<float>(c, rng), "Mamba: width must be at least 1, got 0");
  c.width = 4, c.state_size = 0;
  CHECK_THROWS_WITH(Mamba<float>(c, rng), "Mamba: state_size must be at least 1, got 0");
  c.state_size = 1, c.inner = -1;
  CHECK_THROWS_WITH(Mamba<float>(c, rng), "Mamba: inner must be at least 1, got -1");
  c.inner = 1, c.dt_rank = -1;
  CHECK_THROWS_WITH(Mamba<float>(c, rng), "Mamba: dt_rank must be at least 1, got -1");
  for (const Index width : {1, 16, 17, 32}) {
    MambaConfig free;
    free.width = width;
    CHECK(Mamba<float>(free, rng).config.dt_rank == (width + 15) / 16);
  }
}
