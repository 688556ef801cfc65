// SPDX-License-Identifier: MIT
/// \file
/// The GLA language model of published checkpoints.
#pragma once

#include <sluice/layers/embedding.hpp>
#include <sluice/layers/gated_feed_forward.hpp>
#include <sluice/layers/gated_linear_attention.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

/// The keys of a GLA `config.json` that matter to the computation.
struct GLAConfig {
  Index hidden_size = 0, num_hidden_layers = 0, vocab_size = 0;
  Index num_heads = 4;
  std::optional<Index> num_kv_heads, intermediate_size;
  Index hidden_ratio = 4;
  double expand_k = 0.5, expand_v = 1, norm_eps = 1e-6, initializer_range = 0.02;
  Index gate_low_rank_dim = 16;
  double gate_logit_normalizer = 16;
  bool use_output_gate = true, fuse_norm = true, tie_word_embeddings = false;
  bool use_gk = true, use_gv = false, use_short_conv = false;
  std::string hidden_act = "swish";
  std::optional<double> clamp_min;
  std::optional<std::string> feature_map;

  static constexpr auto required() {
    using C = GLAConfig;
    return std::tuple{field("hidden_size", &C::hidden_size),
                      field("num_hidden_layers", &C::num_hidden_layers),
                      field("vocab_size", &C::vocab_size)};
  }
  static constexpr auto options() {
    using C = GLAConfig;
    return std::tuple{field("num_heads", &C::num_heads),
                      field("num_kv_heads", &C::num_kv_heads),
                      field("intermediate_size", &C::intermediate_size),
                      field("hidden_ratio", &C::hidden_ratio),
                      field("expand_k", &C::expand_k),
                      field("expand_v", &C::expand_v),
                      field("norm_eps", &C::norm_eps),
                      field("initializer_range", &C::initializer_range),
                      field("gate_low_rank_dim", &C::gate_low_rank_dim),
                      field("gate_logit_normalizer", &C::gate_logit_normalizer),
                      field("use_output_gate", &C::use_output_gate),
                      field("fuse_norm", &C::fuse_norm),
                      field("tie_word_embeddings", &C::tie_word_embeddings),
                      field("use_gk", &C::use_gk),
                      field("use_gv", &C::use_gv),
                      field("use_short_conv", &C::use_short_conv),
                      field("hidden_act", &C::hidden_act),
                      field("clamp_min", &C::clamp_min),
                      field("feature_map", &C::feature_map)};
  }
};

/// One block: x + attn(norm x), then x + mlp(norm x).
template <class S>
struct GLABlock {
  using Scalar = S;
  using State = typename GatedLinearAttention<S>::State;

  RMSNorm<S> attn_norm;
  GatedLinearAttention<S> attn;
  RMSNorm<S> mlp_norm;
  GatedFeedForward<S> mlp;

  GLABlock(const GatedLinearAttentionConfig& mixer, Index hidden, Rng& rng)
      : attn_norm(mixer.width, mixer.norm_eps),
        attn(mixer, rng),
        mlp_norm(mixer.width, mixer.norm_eps),
        mlp(mixer.width, hidden, rng, {.linear = {.bias = false, .deviation = mixer.deviation}}) {}

  static constexpr auto fields() {
    using L = GLABlock;
    return std::tuple{field("attn_norm", &L::attn_norm), field("attn", &L::attn),
                      field("mlp_norm", &L::mlp_norm), field("mlp", &L::mlp)};
  }

  State initial_state(Index batch) const { return attn.initial_state(batch); }

  /// x [B, T, D] -> [B, T, D].
  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    const auto h = x + attn(attn_norm(x), state);
    return h + mlp(mlp_norm(h));
  }
};

/// Token ids to logits of the next token. Member names are those of published checkpoints, so that
/// `load_pretrained<GLAForCausalLM<float>>(folder)` fills it.
///
/// Source: Yang et al., ICML 2024 (arXiv:2312.06635).
template <class S>
struct GLAForCausalLM {
  using Scalar = S;
  using Config = GLAConfig;
  static constexpr std::string_view architecture = "GLAForCausalLM";

  struct State {
    std::vector<typename GLABlock<S>::State> layers;
    static constexpr auto fields() { return std::tuple{field("layers", &State::layers)}; }
  };

  /// Everything but the head.
  struct Backbone {
    Embedding<S> embeddings;
    std::vector<GLABlock<S>> layers;
    RMSNorm<S> norm;
    static constexpr auto fields() {
      return std::tuple{field("embeddings", &Backbone::embeddings),
                        field("layers", &Backbone::layers), field("norm", &Backbone::norm)};
    }
  };

  Backbone model;
  std::optional<Linear<S>> lm_head;  ///< absent where the embedding serves as head too

  /// \throws ArgumentError  for an option of the published code that is not supported.
  GLAForCausalLM(const Config& c, Rng& rng)
      : model{Embedding<S>(checked(c).vocab_size, c.hidden_size, rng, c.initializer_range),
              {},
              RMSNorm<S>(c.hidden_size, c.norm_eps)} {
    GatedLinearAttentionConfig mixer;
    mixer.width = c.hidden_size;
    mixer.num_heads = c.num_heads;
    mixer.num_kv_heads = c.num_kv_heads.value_or(0);
    mixer.expand_k = c.expand_k, mixer.expand_v = c.expand_v;
    mixer.gate_low_rank_dim = c.gate_low_rank_dim;
    mixer.gate_logit_normalizer = c.gate_logit_normalizer;
    mixer.use_output_gate = c.use_output_gate, mixer.fuse_norm = c.fuse_norm;
    mixer.norm_eps = c.norm_eps, mixer.deviation = c.initializer_range;
    // Two thirds of the plain ratio, in steps of 256, as the published code rounds it.
    const Index parity = (c.hidden_size * c.hidden_ratio * 2 / 3 + 255) / 256 * 256;
    for (Index i = 0; i < c.num_hidden_layers; ++i)
      model.layers.emplace_back(mixer, c.intermediate_size.value_or(parity), rng);
    if (!c.tie_word_embeddings)
      lm_head.emplace(c.hidden_size, c.vocab_size, rng,
                      LinearOptions{.bias = false, .deviation = c.initializer_range});
  }

  static constexpr auto fields() {
    return std::tuple{field("model", &GLAForCausalLM::model),
                      field("lm_head", &GLAForCausalLM::lm_head)};
  }

  State initial_state(Index batch) const {
    State state;
    for (const auto& layer : model.layers) state.layers.push_back(layer.initial_state(batch));
    return state;
  }

  /// ids [B, T] -> logits [B, T, vocabulary].
  Variable<S, 3> operator()(Tape<S>& tape, const View<const std::int64_t, 2>& ids,
                            State& state) const {
    auto x = model.embeddings(tape, ids);
    for (std::size_t i = 0; i < model.layers.size(); ++i)
      x = tape.tidy([&] { return model.layers[i](x, state.layers[i]); });
    const auto y = model.norm(x);
    return lm_head ? (*lm_head)(y) : linear(y, model.embeddings.weight);
  }

 private:
  static const Config& checked(const Config& c) {
    const auto where = "GLAForCausalLM";
    const auto yes = [](bool b) { return std::string(b ? "true" : "false"); };
    require(c.hidden_size > 0 && c.vocab_size > 0 && c.num_hidden_layers >= 0, where,
            "hidden_size, vocab_size", "above 0",
            std::to_string(c.hidden_size) + ", " + std::to_string(c.vocab_size));
    require(c.use_gk && !c.use_gv, where, "use_gk, use_gv", "true, false",
            yes(c.use_gk) + ", " + yes(c.use_gv));
    require(!c.use_short_conv, where, "use_short_conv", "false", "true");
    require(c.hidden_act == "swish" || c.hidden_act == "silu", where, "hidden_act", "swish or silu",
            c.hidden_act);
    require(!c.clamp_min, where, "clamp_min", "null", "a number");
    require(!c.feature_map, where, "feature_map", "null", c.feature_map.value_or(""));
    return c;
  }
};

}  // namespace sluice
