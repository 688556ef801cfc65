// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/retention.hpp>

using namespace sluice;

namespace {

RetentionConfig small() {
  RetentionConfig c;
  c.width = 16;
  c.num_heads = 4;
  c.deviation = 0.3;  // large enough that every path carries gradient
  return c;
}

}  // namespace

TEST_CASE("the retention layer keeps the laws of streamable layers", "[layer][retention]") {
  for (const bool gate : {true, false})
    for (const bool fused : {true, false})
      for (const Index kv_heads : {0, 2}) {
        CAPTURE(gate, fused, kv_heads);
        auto c = small();
        c.num_kv_heads = kv_heads;
        c.use_output_gate = gate, c.fuse_norm = fused;
        Rng rng(1);
        testing::require_layer_laws(Retention<double>(c, rng), c.width);
      }
}

TEST_CASE("the retention layer in float folds to float's rounding", "[layer][retention]") {
  auto c = small();
  Rng rng(2);
  testing::LawOptions options;
  options.fold_tolerance = 1e-5;
  testing::require_layer_laws(Retention<float>(c, rng), c.width, options);
}

TEST_CASE("the retention layer has the published names and shapes", "[layer][retention]") {
  RetentionConfig c;
  c.width = 32;
  Rng rng(3);
  const Retention<float> layer(c, rng);
  std::vector<std::pair<std::string, Index>> got;
  for_each_tensor(
      [&](std::string_view name, const auto& t) { got.emplace_back(std::string(name), t.size()); },
      layer);
  const std::vector<std::pair<std::string, Index>> expected = {
      {"q_proj.weight", 32 * 32}, {"k_proj.weight", 32 * 32},      {"v_proj.weight", 64 * 32},
      {"g_proj.weight", 64 * 32}, {"g_norm_swish_gate.weight", 8}, {"o_proj.weight", 32 * 64}};
  CHECK(got == expected);
  CHECK(layer.log_decay(0) == std::log(1 - 1.f / 32));
  CHECK(layer.log_decay(7) == std::log1p(-1.f / 4096));
}

TEST_CASE("retention is the quadratic form of the paper", "[layer][retention]") {
  auto c = small();
  c.use_output_gate = false;
  Rng rng(4);
  Retention<double> layer(c, rng);
  const Index T = 9, H = c.num_heads, K = 4, V = 8;
  const auto x = testing::uniform<double, 3>({1, T, 16}, -1, 1, 5);
  Tape<double> tape;
  tape.start();
  const auto in = tape.input(View<const double, 3>(x));
  const auto q = split_heads(layer.qkv.q_proj(in), H).value;
  const auto k = split_heads(layer.qkv.k_proj(in), H).value;
  const auto v = split_heads(layer.qkv.v_proj(in), H).value;
  Tensor<double, 4> o(1, T, H, V);
  o.setZero();
  for (Index h = 0; h < H; ++h)
    for (Index t = 0; t < T; ++t)
      for (Index s = 0; s <= t; ++s) {
        // <R_t q, R_s k> = Re sum_i (q_i + i q_{i+2}) conj(k_i + i k_{i+2}) e^{i (t - s) theta_i}
        double product = 0;
        for (Index i = 0; i < 2; ++i) {
          const double angle = double(t - s) * std::pow(10000., -double(i) / 2);
          const double *a = q.row(0, t, h), *b = k.row(0, s, h);
          product += (a[i] * b[i] + a[i + 2] * b[i + 2]) * std::cos(angle) -
                     (a[i + 2] * b[i] - a[i] * b[i + 2]) * std::sin(angle);
        }
        const double weight =
            product / std::sqrt(double(K)) * std::pow(1 - std::exp2(-5 - double(h)), double(t - s));
        for (Index j = 0; j < V; ++j) o(0, t, h, j) += weight * v.row(0, s, h)[j];
      }
  const auto expected =
      layer.o_proj(merge_heads((*layer.output.g_norm)(tape.input(View<const double, 4>(o)))));
  auto state = layer.initial_state(1);
  const auto y = layer(in, state);
  CHECK(state.position(0) == T);
  for (Index t = 0; t < T; ++t)
    for (Index i = 0; i < 16; ++i)
      CHECK(std::abs(y.value.row(0, t)[i] - expected.value.row(0, t)[i]) < 1e-12);
}

TEST_CASE("the retention layer names a configuration it cannot have", "[layer][retention][error]") {
  Rng rng(5);
  auto c = small();
  c.width = 12;
  CHECK_THROWS_WITH(Retention<float>(c, rng),
                    "Retention: width * expand_k must be a multiple of 2 * num_heads = 8, got 12");
  c = small();
  c.num_kv_heads = 3;
  CHECK_THROWS_WITH(Retention<float>(c, rng),
                    "Retention: num_kv_heads must be a divisor of num_heads = 4, got 3");
  c = small();
  c.rotary_base = 0;
  CHECK_THROWS_WITH(Retention<float>(c, rng),
                    "Retention: rotary_base must be above 0, got 0.000000");
  c.rotary_base = 0.5;
  CHECK_NOTHROW(Retention<float>(c, rng));
}
