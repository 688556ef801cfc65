// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/linear_attention.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace sluice;

namespace {

LinearAttentionConfig small() {
  LinearAttentionConfig c;
  c.width = 16;
  c.num_heads = 4;
  c.deviation = 0.3;  // large enough that every path carries gradient
  return c;
}

const Activation maps[] = {Activation::identity, Activation::relu, Activation::elu_plus_one,
                           Activation::softplus};

}  // namespace

TEST_CASE("the linear attention layer keeps the laws of streamable layers",
          "[layer][linear_attention]") {
  for (const Activation map : maps)
    for (const bool normalise : {true, false})
      for (const bool norm : {true, false}) {
        if (map == Activation::identity && normalise) continue;
        CAPTURE(int(map), normalise, norm);
        auto c = small();
        c.feature_map = map, c.normalise = normalise, c.output_norm = norm;
        c.num_kv_heads = norm ? 2 : 0;
        Rng rng(1);
        testing::require_layer_laws(LinearAttention<double>(c, rng), c.width);
      }
}

TEST_CASE("the linear attention layer in float folds to float's rounding",
          "[layer][linear_attention]") {
  const auto c = small();
  Rng rng(2);
  testing::LawOptions options;
  options.fold_tolerance = 1e-5;
  testing::require_layer_laws(LinearAttention<float>(c, rng), c.width, options);
}

TEST_CASE("normalised linear attention is an average of the values so far",
          "[layer][linear_attention]") {
  auto c = small();
  Rng rng(3);
  LinearAttention<double> layer(c, rng);
  const Index T = 11, H = 4, K = 4, V = 4;
  const auto x = testing::uniform<double, 3>({1, T, 16}, -1, 1, 4);
  Tape<double> tape;
  tape.start();
  const auto in = tape.input(View<const double, 3>(x));
  const auto q = layer.qkv.q_proj(in).value, k = layer.qkv.k_proj(in).value,
             v = layer.qkv.v_proj(in).value;
  const auto phi = [](double z) { return z > 0 ? z + 1 : std::exp(z); };
  Tensor<double, 3> o(1, T, H * V);
  o.setZero();
  for (Index h = 0; h < H; ++h)
    for (Index t = 0; t < T; ++t) {
      double total = 0;
      for (Index s = 0; s <= t; ++s) {
        double weight = 0;
        for (Index i = h * K; i < (h + 1) * K; ++i)
          weight += phi(q.row(0, t)[i]) * phi(k.row(0, s)[i]);
        total += weight;
        for (Index j = h * V; j < (h + 1) * V; ++j) o(0, t, j) += weight * v.row(0, s)[j];
      }
      for (Index j = h * V; j < (h + 1) * V; ++j) o(0, t, j) /= total;
    }
  const auto expected = layer.o_proj(tape.input(View<const double, 3>(o)));
  auto state = layer.initial_state(1);
  const auto y = layer(in, state);
  for (Index t = 0; t < T; ++t)
    for (Index i = 0; i < 16; ++i)
      CHECK(std::abs(y.value.row(0, t)[i] - expected.value.row(0, t)[i]) < 1e-9);  // eps is 1e-10
}

TEST_CASE("the linear attention layer is that of the paper unless told otherwise",
          "[layer][linear_attention]") {
  LinearAttentionConfig c;
  c.width = 32;
  Rng rng(6);
  const auto shapes = [&] {
    std::vector<std::pair<std::string, Index>> got;
    const LinearAttention<float> layer(c, rng);
    for_each_tensor([&](std::string_view name,
                        const auto& t) { got.emplace_back(std::string(name), t.size()); },
                    layer);
    return got;
  };
  std::vector<std::pair<std::string, Index>> expected = {{"q_proj.weight", 32 * 32},
                                                         {"k_proj.weight", 32 * 32},
                                                         {"v_proj.weight", 32 * 32},
                                                         {"o_proj.weight", 32 * 32}};
  CHECK(shapes() == expected);
  CHECK(LinearAttention<float>(c, rng).initial_state(1).key_sum);
  c.output_norm = true, c.norm_eps = 0.5;
  expected.insert(expected.begin() + 3, {"norm.weight", 4});
  CHECK(shapes() == expected);
  CHECK(LinearAttention<float>(c, rng).norm->eps == 0.5f);
}

TEST_CASE("the linear attention layer names a configuration it cannot have",
          "[layer][linear_attention][error]") {
  Rng rng(5);
  auto c = small();
  c.feature_map = Activation::identity;
  CHECK_THROWS_WITH(LinearAttention<float>(c, rng),
                    "LinearAttention: feature_map must be one without negative values where "
                    "weights are normalised, got identity");
  c = small();
  c.num_heads = 3;
  CHECK_THROWS_WITH(
      LinearAttention<float>(c, rng),
      "LinearAttention: width * expand_k must be a multiple of num_heads = 3, got 16");
  c = small();
  c.num_heads = 0;
  CHECK_THROWS_AS(LinearAttention<float>(c, rng), ArgumentError);
}
