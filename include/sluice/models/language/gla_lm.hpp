// SPDX-License-Identifier: MIT
/// \file
/// The GLA language model of published checkpoints.
#pragma once

#include <sluice/layers/blocks/transformer_block.hpp>
#include <sluice/layers/mixers/gated_linear_attention.hpp>
#include <sluice/models/language/causal_lm.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace sluice {

/// The keys of a GLA `config.json` that matter to the computation. `use_gk` and `use_gv` do not:
/// the published code makes its layers without asking them.
struct GLAConfig {
  Index hidden_size = 0, num_hidden_layers = 0, vocab_size = 0;
  GatedLinearAttentionConfig attn = {};  ///< its width, norm_eps and deviation are set by these
  std::optional<Index> intermediate_size;
  Index hidden_ratio = 4;
  double norm_eps = 1e-6, initializer_range = 0.02;
  bool tie_word_embeddings = false;
  std::string hidden_act = "swish";
  std::optional<std::string> feature_map;

  static constexpr auto required() {
    using C = GLAConfig;
    return std::tuple{field("hidden_size", &C::hidden_size),
                      field("num_hidden_layers", &C::num_hidden_layers),
                      field("vocab_size", &C::vocab_size)};
  }
  static constexpr auto options() {
    using C = GLAConfig;
    return std::tuple{field("", &C::attn),
                      field("intermediate_size", &C::intermediate_size),
                      field("hidden_ratio", &C::hidden_ratio),
                      field("norm_eps", &C::norm_eps),
                      field("initializer_range", &C::initializer_range),
                      field("tie_word_embeddings", &C::tie_word_embeddings),
                      field("hidden_act", &C::hidden_act),
                      field("feature_map", &C::feature_map)};
  }
};

template <class S>
using GLABlock = TransformerBlock<GatedLinearAttention<S>>;

namespace detail {

struct GLANames {
  static constexpr std::string_view backbone = "model", norm = "norm";
};

/// An activation as flash-linear-attention names it; nothing if it has none of that name. What it
/// calls gelu is the approximation by tanh.
inline std::optional<Activation> fla_activation(std::string_view name) {
  if (name == "relu") return Activation::relu;
  if (name == "sqrelu") return Activation::squared_relu;
  if (name == "sigmoid") return Activation::sigmoid;
  if (name == "logsigmoid") return Activation::log_sigmoid;
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu") return Activation::gelu_tanh;
  return {};
}

}  // namespace detail

/// The GLA Transformer. Member names are those of published checkpoints, so that
/// `load_pretrained<GLAForCausalLM<float>>(folder)` fills it.
///
/// Source: Yang et al., ICML 2024 (arXiv:2312.06635).
template <class S>
struct GLAForCausalLM : CausalLM<GLABlock<S>, detail::GLANames> {
  using Base = CausalLM<GLABlock<S>, detail::GLANames>;
  using Config = GLAConfig;
  static constexpr std::string_view architecture = "GLAForCausalLM";

  /// \throws ArgumentError  for an option of the published code that is not supported.
  GLAForCausalLM(const Config& c, Rng& rng)
      : Base(architecture, common(checked(c)), rng, [&] { return block(c, rng); }) {}

 private:
  static CausalLMConfig common(const Config& c) {
    return {c.hidden_size, c.num_hidden_layers, c.vocab_size,
            c.norm_eps,    c.initializer_range, c.tie_word_embeddings};
  }

  static GLABlock<S> block(const Config& c, Rng& rng) {
    // Two thirds of the plain ratio, in steps of 256, as the published code rounds it.
    const Index hidden =
        c.intermediate_size.value_or((c.hidden_size * c.hidden_ratio * 2 / 3 + 255) / 256 * 256);
    return transformer_block<GatedLinearAttention<S>>(
        mixer(c), hidden, rng,
        {.norm_eps = c.norm_eps, .linear = {.bias = false, .deviation = c.initializer_range}});
  }

  static GatedLinearAttentionConfig mixer(const Config& c) {
    auto m = c.attn;
    m.width = c.hidden_size, m.norm_eps = c.norm_eps, m.deviation = c.initializer_range;
    if (c.feature_map) m.feature_map = *detail::fla_activation(*c.feature_map);
    return m;
  }

  static const Config& checked(const Config& c) {
    require(c.hidden_act == "swish" || c.hidden_act == "silu", architecture, "hidden_act",
            "swish or silu", c.hidden_act);
    require(!c.feature_map || detail::fla_activation(*c.feature_map), architecture, "feature_map",
            "null, relu, sqrelu, sigmoid, logsigmoid, silu, swish or gelu",
            c.feature_map.value_or(""));
    return c;
  }
};

}  // namespace sluice
