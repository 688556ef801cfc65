// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/gated_linear_attention.hpp>

using namespace sluice;

TEST_CASE("the GLA layer keeps the laws of streamable layers", "[layer][gla]") {
  for (const bool gate : {true, false})
    for (const bool fused : {true, false})
      for (const Index kv_heads : {0, 2}) {
        CAPTURE(gate, fused, kv_heads);
        GatedLinearAttentionConfig c;
        c.width = 16;
        c.num_kv_heads = kv_heads;
        c.gate_low_rank_dim = 3;
        c.use_output_gate = gate, c.fuse_norm = fused;
        c.deviation = 0.3;  // large enough that every path carries gradient
        Rng rng(1);
        testing::require_layer_laws(GatedLinearAttention<double>(c, rng), c.width);
      }
}

TEST_CASE("the GLA layer in float folds to float's rounding", "[layer][gla]") {
  GatedLinearAttentionConfig c;
  c.width = 32;
  c.expand_k = 1;
  Rng rng(2);
  testing::LawOptions options;
  options.fold_tolerance = 1e-5;
  testing::require_layer_laws(GatedLinearAttention<float>(c, rng), c.width, options);
}

TEST_CASE("the GLA layer names a configuration it cannot have", "[layer][gla][error]") {
  Rng rng(3);
  GatedLinearAttentionConfig c;
  c.width = 10;
  CHECK_THROWS_WITH(
      GatedLinearAttention<float>(c, rng),
      "GatedLinearAttention: width * expand_k must be a multiple of num_heads = 4, got 5");
  c.width = 16;
  c.num_kv_heads = 3;
  CHECK_THROWS_WITH(GatedLinearAttention<float>(c, rng),
                    "GatedLinearAttention: num_kv_heads must be a divisor of num_heads = 4, got 3");
}
