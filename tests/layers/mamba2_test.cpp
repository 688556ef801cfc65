// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/mamba2.hpp>

#include <algorithm>
#include <cmath>

using namespace sluice;

namespace {

Mamba2Config small() {
  Mamba2Config c;
  c.width = 6;
  c.num_heads = 4, c.head_dim = 3, c.state_size = 5, c.n_groups = 2;
  c.dt_min = 0.1, c.dt_max = 1;  // so that a few tokens show what is forgotten
  return c;
}

}  // namespace

TEST_CASE("Mamba-2 keeps the laws of streamable layers", "[layer][mamba2]") {
  for (const bool before : {true, false})
    for (const bool by_group : {true, false})
      for (const bool bias : {true, false}) {
        CAPTURE(before, by_group, bias);
        auto c = small();
        c.norm_before_gate = before, c.norm_by_group = by_group;
        c.bias = bias, c.conv_bias = !bias;
        if (bias) c.dt_low = 0.3, c.dt_high = 0.9, c.conv_kernel = 2;
        Rng rng(1);
        testing::require_layer_laws(Mamba2<double>(c, rng), c.width);
      }
}

TEST_CASE("Mamba-2 is the recurrence of the paper", "[layer][mamba2]") {
  const Index B = 2, T = 9, heads = 4, P = 3, N = 5, groups = 2, I = heads * P, GN = groups * N;
  for (const bool limits : {false, true}) {
    const bool before = limits, by_group = !limits;
    CAPTURE(limits);
    auto c = small();
    c.norm_before_gate = before, c.norm_by_group = by_group;
    if (limits) c.dt_low = 0.3, c.dt_high = 0.6;  // both are met
    Rng rng(5);
    Mamba2<double> layer(c, rng);
    fill_uniform(layer.D, rng, -1., 1.);
    fill_uniform(layer.norm.weight, rng, -1., 1.);
    const auto x = testing::uniform<double, 3>({B, T, c.width}, -1, 1, 6);
    auto state = layer.initial_state(B);
    fill_uniform(state.memory, rng, -1., 1.), fill_uniform(state.conv1d.recent, rng, -1., 1.);
    auto S = state.memory;
    auto recent = state.conv1d;
    Tape<double> tape;
    tape.start();
    const auto in = tape.input(View<const double, 3>(x));
    const auto [z, mixed, step] = split(layer.in_proj(in), {I, I + 2 * GN, heads});
    const auto u = layer.conv1d(mixed, recent).value;  // x | B | C
    Tensor<double, 3> o(B, T, I);
    Index low = 0, high = 0;
    for (Index b = 0; b < B; ++b)
      for (Index t = 0; t < T; ++t) {
        for (Index h = 0; h < heads; ++h) {
          const double free = std::log1p(std::exp(step.value(b, t, h) + layer.dt_bias(h)));
          const double dt = std::clamp(free, c.dt_low, c.dt_high);
          low += dt > free, high += dt < free;
          const Index group = h / (heads / groups) * N;
          for (Index p = 0; p < P; ++p) {
            const double value = u(b, t, h * P + p);
            double y = layer.D(h) * value;
            for (Index n = 0; n < N; ++n) {
              double& memory = S(b, h, n, p);
              memory = std::exp(-dt * std::exp(layer.A_log(h))) * memory +
                       dt * value * u(b, t, I + group + n);
              y += memory * u(b, t, I + GN + group + n);
            }
            o(b, t, h * P + p) = y;
          }
        }
        const auto gate = [&, gates = z.value] {
          for (Index i = 0; i < I; ++i)
            o(b, t, i) *= gates(b, t, i) / (1 + std::exp(-gates(b, t, i)));
        };
        if (!before) gate();
        const Index size = by_group ? I / groups : I;
        for (Index from = 0; from < I; from += size) {
          double squares = 0;
          for (Index i = from; i < from + size; ++i) squares += o(b, t, i) * o(b, t, i);
          const double rms = std::sqrt(squares / double(size) + c.norm_eps);
          for (Index i = from; i < from + size; ++i) o(b, t, i) *= layer.norm.weight(i) / rms;
        }
        if (before) gate();
      }
    CHECK((low > 0) == limits);
    CHECK((high > 0) == limits);
    const auto expected = layer.out_proj(tape.input(View<const double, 3>(o))).value;
    const auto y = layer(in, state).value;
    testing::require_close("memory", S, state.memory, 1e-13);
    for (Index b = 0; b < B; ++b)
      for (Index t = 0; t < T; ++t)
        for (Index i = 0; i < c.width; ++i)
          CHECK(std::abs(y(b, t, i) - expected(b, t, i)) < 1e-12);  // some 100 roundings of 1
  }
}

TEST_CASE("Mamba-2 in float folds to float's rounding", "[layer][mamba2]") {
  Mamba2Config c;
  c.width = 32, c.head_dim = 16, c.state_size = 16;
  Rng rng(2);
  testing::LawOptions options;
  options.fold_tolerance = 1e-5;
  testing::require_layer_laws(Mamba2<float>(c, rng), c.width, options);
}

TEST_CASE("Mamba-2 begins as published", "[layer][mamba2]") {
  Mamba2Config c;
  c.width = 256;
  Rng rng(3);
  const Mamba2<double> layer(c, rng);
  CHECK(layer.config.num_heads == 8);
  CHECK(layer.in_proj.out() == 2 * 512 + 2 * 128 + 8);
  CHECK(layer.conv1d.channels() == 512 + 2 * 128);
  CHECK(layer.norm.weight.size() == 512);
  CHECK((layer.conv1d.bias && !layer.in_proj.bias && !layer.out_proj.bias));
  CHECK((c.A_low == 1 && c.A_high == 16 && c.out_scale == 1));
  for (Index h = 0; h < 8; ++h) {
    const double dt = std::log1p(std::exp(layer.dt_bias(h)));
    CHECK((dt >= 0.999e-3 && dt <= 0.1001));
    CHECK((layer.A_log(h) >= 0 && layer.A_log(h) <= std::log(16.0)));
    CHECK(layer.D(h) == 1);
  }
}

TEST_CASE("the heads of Mamba-2 begin with steps and rates over their ranges", "[layer][mamba2]") {
  const Index heads = 4000;
  Mamba2Config c;
  c.width = 1, c.num_heads = heads, c.head_dim = 1, c.state_size = 1;
  c.dt_min = 0.02, c.dt_max = 0.5, c.dt_floor = 0.1, c.A_low = 3, c.A_high = 7;
  Rng rng(6);
  const Mamba2<double> layer(c, rng);
  // Uniform numbers of [0, 1): which mean 1/2 and have the deviation 1 / sqrt(12). Six of the
  // mean's.
  const double slack = 6 / std::sqrt(12.0 * double(heads));
  double rates = 0, steps = 0, least = 1, most = 0;
  Index floored = 0, together = 0;
  for (Index h = 0; h < heads; ++h) {
    const double rate = (std::exp(layer.A_log(h)) - 3) / 4;
    const double dt = std::log1p(std::exp(layer.dt_bias(h)));
    const double step = std::log(dt / 0.02) / std::log(0.5 / 0.02);
    rates += rate, least = std::min(least, rate), most = std::max(most, rate);
    if (dt < 0.1 * (1 + 1e-12)) ++floored;
    steps += step;
    together += (rate < 0.5) == (step < 0.5);
  }
  CHECK((least >= 0 && least < 0.01 && most > 0.99 && most < 1));
  CHECK(std::abs(rates / double(heads) - 0.5) < slack);
  // Uniform u raised to the floor's f: P(u < f) = f, and the mean is (1 + f^2) / 2.
  const double f = std::log(0.1 / 0.02) / std::log(0.5 / 0.02);
  CHECK(std::abs(double(floored) / double(heads) - f) < 6 * std::sqrt(f * (1 - f) / double(heads)));
  CHECK(std::abs(steps / double(heads) - (1 + f * f) / 2) < slack);
  CHECK(std::abs(double(together) / double(heads) - 0.5) < 3 / std::sqrt(double(heads)));

  c.width = 40, c.out_scale = 1, c.num_heads = 8;
  Rng first(7), second(7);
  const Mamba2<double> whole(c, first);
  c.out_scale = 0.25;
  const Mamba2<double> quarter(c, second);
  for (Index i = 0; i < whole.out_proj.weight.size(); ++i)
    CHECK(quarter.out_proj.weight.data()[i] == whole.out_proj.weight.data()[i] / 4);
}

TEST_CASE("Mamba-2 names a configuration it cannot have", "[layer][mamba2][error]") {
  Rng rng(4);
  auto c = small();
  c.n_groups = 3;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng),
                    "Mamba2: n_groups must be a divisor of num_heads = 4, got 3");
  c = small(), c.num_heads = 0, c.head_dim = 5;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng),
                    "Mamba2: head_dim must be a divisor of 2 * width = 12, got 5");
  c = small(), c.num_heads = 0, c.head_dim = 9;  // divides 3 * width
  CHECK_THROWS_WITH(Mamba2<float>(c, rng),
                    "Mamba2: head_dim must be a divisor of 2 * width = 12, got 9");
  c = small(), c.num_heads = c.n_groups = 1;
  CHECK_NOTHROW(Mamba2<float>(c, rng));
  c = small(), c.dt_low = 2, c.dt_high = 1;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng),
                    "Mamba2: dt_low must be at most dt_high = 1.000000, got 2.000000");
  c = small(), c.width = 0;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng), "Mamba2: width must be at least 1, got 0");
  c = small(), c.head_dim = 0;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng), "Mamba2: head_dim must be at least 1, got 0");
  c = small(), c.state_size = 0;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng), "Mamba2: state_size must be at least 1, got 0");
  c = small(), c.n_groups = 0;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng),
                    "Mamba2: n_groups must be a divisor of num_heads = 4, got 0");
  c = small(), c.num_heads = -4;
  CHECK_THROWS_AS(Mamba2<float>(c, rng), ArgumentError);
  c = small(), c.dt_low = c.dt_high = 1, c.n_groups = c.state_size = 1;
  CHECK_NOTHROW(Mamba2<float>(c, rng));
  c = small(), c.conv_kernel = 0;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng), "ShortConvolution: width must be at least 1, got 0");
}
