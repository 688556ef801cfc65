// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/gated_linear_attention.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

TEST_CASE("the GLA layer keeps the laws with every published option", "[layer][gla]") {
  for (const bool convolutions : {true, false})
    for (const bool bias : {true, false})
      for (const Activation map : {Activation::identity, Activation::relu, Activation::log_sigmoid,
                                   Activation::gelu_tanh}) {
        CAPTURE(convolutions, bias, int(map));
        GatedLinearAttentionConfig c;
        c.width = 16;
        c.num_kv_heads = 2;
        c.gate_low_rank_dim = 3;
        c.feature_map = map;
        c.clamp_min = -0.05;  // among the gates, so that some are raised
        c.use_short_conv = convolutions, c.conv_size = 3, c.conv_bias = bias;
        c.deviation = 0.3;
        Rng rng(4);
        testing::require_layer_laws(GatedLinearAttention<double>(c, rng), c.width);
      }
}

TEST_CASE("the GLA layer is the recurrence of the paper", "[layer][gla]") {
  const Index B = 2, T = 9, heads = 4, kv_heads = 2, K = 2, V = 4;
  for (const double normalizer : {16.0, 0.5})
    for (const bool raised : {false, true}) {
      const bool fused = !raised;
      CAPTURE(normalizer, raised);
      GatedLinearAttentionConfig c;
      c.width = 16, c.num_heads = heads, c.num_kv_heads = kv_heads, c.gate_low_rank_dim = 3;
      c.gate_logit_normalizer = normalizer;
      c.fuse_norm = fused, c.norm_eps = 0.01;
      if (raised) c.clamp_min = -0.7 / normalizer;
      c.feature_map = Activation::relu;
      c.deviation = 0.5;
      Rng rng(6);
      GatedLinearAttention<double> layer(c, rng);
      fill_uniform(*layer.gk_proj.up.bias, rng, -1., 1.);
      Tensor<double, 1>& weight =
          fused ? layer.output.g_norm_swish_gate->weight : layer.output.g_norm->weight;
      fill_uniform(weight, rng, -1., 1.);
      const auto x = testing::uniform<double, 3>({B, T, 16}, -1, 1, 7);
      auto state = layer.initial_state(B);
      fill_uniform(state.memory, rng, -1., 1.);
      auto S = state.memory;
      Tape<double> tape;
      tape.start();
      const auto in = tape.input(View<const double, 3>(x));
      const auto q = layer.qkv.q_proj(in).value, k = layer.qkv.k_proj(in).value,
                 v = layer.qkv.v_proj(in).value, z = layer.gk_proj.up(layer.gk_proj.down(in)).value,
                 gate = (*layer.output.g_proj)(in).value;
      Tensor<double, 3> o(B, T, heads * V);
      for (Index b = 0; b < B; ++b)
        for (Index t = 0; t < T; ++t)
          for (Index h = 0; h < heads; ++h) {
            const Index shared = h / (heads / kv_heads);
            double squares = 0;
            for (Index j = 0; j < V; ++j) {
              double& sum = o(b, t, h * V + j) = 0;
              for (Index i = 0; i < K; ++i) {
                double g = -std::log1p(std::exp(-z(b, t, shared * K + i))) / normalizer;
                if (c.clamp_min) g = std::max(g, *c.clamp_min);
                double& memory = S(b, h, i, j);
                memory = std::exp(g) * memory +
                         std::max(0., k(b, t, shared * K + i)) * v(b, t, shared * V + j);
                sum += std::max(0., q(b, t, h * K + i)) / std::sqrt(double(K)) * memory;
              }
              squares += sum * sum;
            }
            const double rms = std::sqrt(squares / double(V) + c.norm_eps);
            for (Index j = 0; j < V; ++j) {
              const double a = gate(b, t, h * V + j);
              o(b, t, h * V + j) *= weight(j) / rms * a / (1 + std::exp(-a));
            }
          }
      const auto expected = layer.o_proj(tape.input(View<const double, 3>(o))).value;
      const auto y = layer(in, state).value;
      testing::require_close("memory", S, state.memory, 1e-13);
      for (Index b = 0; b < B; ++b)
        for (Index t = 0; t < T; ++t)
          for (Index i = 0; i < 16; ++i)
            CHECK(std::abs(y(b, t, i) - expected(b, t, i)) < 1e-12);  // some 100 roundings of 1
    }
}

TEST_CASE("a gate that is raised to 0 forgets nothing", "[layer][gla]") {
  GatedLinearAttentionConfig c;
  c.width = 8, c.num_heads = 1, c.gate_low_rank_dim = 2;
  c.clamp_min = 0;
  Rng rng(5);
  const GatedLinearAttention<double> layer(c, rng);
  auto state = layer.initial_state(1);
  state.memory.setConstant(2);
  const auto zero = zeros<double>(Shape<3>{1, 20, 8});  // k = 0, so nothing is written either
  Tape<double> tape;
  tape.start();
  layer(tape.input(View<const double, 3>(zero)), state);
  for (Index i = 0; i < state.memory.size(); ++i) CHECK(state.memory.data()[i] == 2);
}

TEST_CASE("the GLA layer without a weight in its norm is one whose weight is 1", "[layer][gla]") {
  for (const bool gate : {true, false}) {
    CAPTURE(gate);
    GatedLinearAttentionConfig c;
    c.width = 16;
    c.use_output_gate = gate;
    c.deviation = 0.3;
    Rng rng(4), same(4);
    const GatedLinearAttention<double> with(c, rng);
    c.elementwise_affine = false;
    const GatedLinearAttention<double> without(c, same);
    testing::require_layer_laws(without, c.width);
    CHECK(!without.output.g_norm_swish_gate);
    CHECK(!without.output.g_norm);
    const auto x = testing::uniform<double, 3>({2, 5, 16}, -1, 1, 5);
    const auto run = [&](const auto& layer) {
      Tape<double> tape;
      tape.start();
      auto state = layer.initial_state(2);
      const auto y = layer(tape.input(View<const double, 3>(x)), state);
      Tensor<double, 3> out(y.shape());
      std::copy_n(y.value.data(), out.size(), out.data());
      return out;
    };
    testing::require_close("output", run(with), run(without), 1e-14);
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

TEST_CASE("the GLA layer has the published names and shapes", "[layer][gla]") {
  GatedLinearAttentionConfig c;
  c.width = 32;
  Rng rng(3);
  const auto shapes = [&] {
    std::vector<std::pair<std::string, Index>> got;
    const GatedLinearAttention<float> layer(c, rng);
    for_each_tensor([&](std::string_view name,
                        const auto& t) { got.emplace_back(std::string(name), t.size()); },
                    layer);
    return got;
  };
  std::vector<std::pair<std::string, Index>> expected = {
      {"q_proj.weight", 16 * 32},    {"k_proj.weight", 16 * 32},      {"v_proj.weight", 32 * 32},
      {"gk_proj.0.weight", 16 * 32}, {"gk_proj.1.weight", 16 * 16},   {"gk_proj.1.bias", 16},
      {"g_proj.weight", 32 * 32},    {"g_norm_swish_gate.weight", 8}, {"o_proj.weight", 32 * 32}};
  CHECK(shapes() == expected);
  c.use_short_conv = true;
  expected.insert(
      expected.begin() + 3,
      {{"q_conv1d.weight", 16 * 4}, {"k_conv1d.weight", 16 * 4}, {"v_conv1d.weight", 32 * 4}});
  CHECK(shapes() == expected);
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
  c.num_kv_heads = -4;
  CHECK_THROWS_AS(GatedLinearAttention<float>(c, rng), ArgumentError);
  c.num_kv_heads = 0, c.gate_low_rank_dim = 0;
  CHECK_THROWS_WITH(GatedLinearAttention<float>(c, rng),
                    "GatedLinearAttention: gate_low_rank_dim must be at least 1, got 0");
  c.gate_low_rank_dim = 1, c.gate_logit_normalizer = 0;
  CHECK_THROWS_WITH(GatedLinearAttention<float>(c, rng),
                    "GatedLinearAttention: gate_logit_normalizer must be above 0, got 0.000000");
  c.gate_logit_normalizer = 16, c.expand_k = 0;
  CHECK_THROWS_WITH(
      GatedLinearAttention<float>(c, rng),
      "GatedLinearAttention: width * expand_k must be a multiple of num_heads = 4, got 0");
  c.expand_k = 0.5, c.expand_v = 0.625;
  CHECK_THROWS_WITH(
      GatedLinearAttention<float>(c, rng),
      "GatedLinearAttention: width * expand_v must be a multiple of num_heads = 4, got 10");
  c.expand_v = 1, c.num_heads = 0;
  CHECK_THROWS_WITH(GatedLinearAttention<float>(c, rng),
                    "GatedLinearAttention: num_heads must be at least 1, got 0");
  c.num_heads = 1, c.width = 2;  // one channel of q
  CHECK_NOTHROW(GatedLinearAttention<float>(c, rng));
  c.num_heads = 4, c.width = 16, c.gate_logit_normalizer = 1e-3;
  CHECK_NOTHROW(GatedLinearAttention<float>(c, rng));
}
