// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/mamba.hpp>

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
  for (Index d = 0; d < 80; ++d) {
    const double dt = std::log1p(std::exp((*layer.dt_proj.bias)(d)));
    CHECK((dt >= 0.999e-3 && dt <= 0.1001));
    for (Index n = 0; n < 16; ++n) CHECK(layer.A_log(d, n) == std::log(double(n + 1)));
    CHECK(layer.D(d) == 1);
  }
}

TEST_CASE("Mamba names a configuration it cannot have", "[layer][mamba][error]") {
  Rng rng(4);
  MambaConfig c;
  CHECK_THROWS_WITH(Mamba<float>(c, rng), "Mamba: width must be at least 1, got 0");
  c.width = 4, c.state_size = 0;
  CHECK_THROWS_WITH(Mamba<float>(c, rng), "Mamba: state_size must be at least 1, got 0");
}
