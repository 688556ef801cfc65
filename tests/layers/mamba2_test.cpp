// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/mamba2.hpp>

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
  for (Index h = 0; h < 8; ++h) {
    const double dt = std::log1p(std::exp(layer.dt_bias(h)));
    CHECK((dt >= 0.999e-3 && dt <= 0.1001));
    CHECK((layer.A_log(h) >= 0 && layer.A_log(h) <= std::log(16.0)));
    CHECK(layer.D(h) == 1);
  }
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
  c = small(), c.dt_low = 2, c.dt_high = 1;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng),
                    "Mamba2: dt_low must be at most dt_high = 1.000000, got 2.000000");
  c = small(), c.conv_kernel = 0;
  CHECK_THROWS_WITH(Mamba2<float>(c, rng), "ShortConvolution: width must be at least 1, got 0");
}
