// SPDX-License-Identifier: MIT
/// \file
/// The Mamba-2 language model of published checkpoints.
#pragma once

#include <sluice/layers/mamba2.hpp>
#include <sluice/models/mamba_backbone.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>

namespace sluice {

/// The keys of a Mamba-2 `config.json` that matter to the computation or the beginning.
struct Mamba2LMConfig {
  Index hidden_size = 0, num_hidden_layers = 0, vocab_size = 0;
  Index num_heads = 128, head_dim = 64, state_size = 128, n_groups = 8, conv_kernel = 4;
  double expand = 2, layer_norm_epsilon = 1e-5, initializer_range = 0.1;
  bool use_bias = false, use_conv_bias = true;
  bool tie_word_embeddings = false, rescale_prenorm_residual = false;
  double time_step_min = 1e-3, time_step_max = 0.1, time_step_floor = 1e-4;
  std::array<double, 2> time_step_limit{0, std::numeric_limits<double>::infinity()};
  std::string hidden_act = "silu";

  static constexpr auto required() {
    using C = Mamba2LMConfig;
    return std::tuple{field("hidden_size", &C::hidden_size),
                      field("num_hidden_layers", &C::num_hidden_layers),
                      field("vocab_size", &C::vocab_size)};
  }
  static constexpr auto options() {
    using C = Mamba2LMConfig;
    return std::tuple{field("num_heads", &C::num_heads),
                      field("head_dim", &C::head_dim),
                      field("state_size", &C::state_size),
                      field("n_groups", &C::n_groups),
                      field("conv_kernel", &C::conv_kernel),
                      field("expand", &C::expand),
                      field("layer_norm_epsilon", &C::layer_norm_epsilon),
                      field("initializer_range", &C::initializer_range),
                      field("use_bias", &C::use_bias),
                      field("use_conv_bias", &C::use_conv_bias),
                      field("tie_word_embeddings", &C::tie_word_embeddings),
                      field("rescale_prenorm_residual", &C::rescale_prenorm_residual),
                      field("time_step_min", &C::time_step_min),
                      field("time_step_max", &C::time_step_max),
                      field("time_step_floor", &C::time_step_floor),
                      field("time_step_limit", &C::time_step_limit),
                      field("hidden_act", &C::hidden_act)};
  }
};

/// The Mamba-2 language model. Member names are those of published checkpoints, so that
/// `load_pretrained<Mamba2ForCausalLM<float>>(folder)` fills it. As the published code of that
/// name, it gates before the norm, and normalises the whole width however many groups there are.
///
/// Source: Dao and Gu, Transformers are SSMs, ICML 2024 (arXiv:2405.21060).
template <class S>
struct Mamba2ForCausalLM : MambaBackbone<Mamba2<S>> {
  using Base = MambaBackbone<Mamba2<S>>;
  using Config = Mamba2LMConfig;
  static constexpr std::string_view architecture = "Mamba2ForCausalLM";

  /// \throws ArgumentError  for an option of the published code that is not supported.
  Mamba2ForCausalLM(const Config& c, Rng& rng)
      : Base(architecture, common(checked(c)), rng, [&] {
          return PreNorm<Mamba2<S>>{RMSNorm<S>(c.hidden_size, c.layer_norm_epsilon),
                                    Mamba2<S>(mixer(c), rng)};
        }) {}

 private:
  static CausalLMConfig common(const Config& c) {
    return {c.hidden_size,        c.num_hidden_layers, c.vocab_size,
            c.layer_norm_epsilon, c.initializer_range, c.tie_word_embeddings};
  }

  static Mamba2Config mixer(const Config& c) {
    Mamba2Config m;
    m.width = c.hidden_size;
    m.num_heads = c.num_heads, m.head_dim = c.head_dim;
    m.state_size = c.state_size, m.n_groups = c.n_groups;
    m.conv_kernel = c.conv_kernel, m.conv_bias = c.use_conv_bias, m.bias = c.use_bias;
    m.dt_low = c.time_step_limit[0], m.dt_high = c.time_step_limit[1];
    m.norm_eps = c.layer_norm_epsilon;
    m.norm_before_gate = m.norm_by_group = false;
    m.dt_min = c.time_step_min, m.dt_max = c.time_step_max, m.dt_floor = c.time_step_floor;
    if (c.rescale_prenorm_residual) m.out_scale = 1 / std::sqrt(double(c.num_hidden_layers));
    return m;
  }

  static const Config& checked(const Config& c) {
    const double inner = c.expand * double(c.hidden_size);
    require(c.num_heads > 0 && Index(inner) == c.num_heads * c.head_dim, architecture,
            "num_heads * head_dim", "expand * hidden_size = " + std::to_string(Index(inner)),
            std::to_string(c.num_heads) + " * " + std::to_string(c.head_dim));
    require(c.hidden_act == "silu" || c.hidden_act == "swish", architecture, "hidden_act",
            "silu or swish", c.hidden_act);
    return c;
  }
};

}  // namespace sluice
