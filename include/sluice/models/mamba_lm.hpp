// SPDX-License-Identifier: MIT
/// \file
/// The Mamba language model of published checkpoints.
#pragma once

#include <sluice/layers/mamba.hpp>
#include <sluice/models/mamba_backbone.hpp>

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace sluice {

/// The keys of a Mamba `config.json` that matter to the computation or the beginning.
struct MambaLMConfig {
  Index hidden_size = 0, num_hidden_layers = 0, vocab_size = 0;
  Index state_size = 16, conv_kernel = 4;
  std::optional<Index> time_step_rank;  ///< a sixteenth of the width, rounded up, if absent
  double expand = 2, layer_norm_epsilon = 1e-5, initializer_range = 0.1;
  bool use_bias = false, use_conv_bias = true;
  bool tie_word_embeddings = true, rescale_prenorm_residual = false;
  double time_step_scale = 1, time_step_min = 1e-3, time_step_max = 0.1, time_step_floor = 1e-4;
  std::string hidden_act = "silu";

  static constexpr auto required() {
    using C = MambaLMConfig;
    return std::tuple{field("hidden_size", &C::hidden_size),
                      field("num_hidden_layers", &C::num_hidden_layers),
                      field("vocab_size", &C::vocab_size)};
  }
  static constexpr auto options() {
    using C = MambaLMConfig;
    return std::tuple{field("state_size", &C::state_size),
                      field("conv_kernel", &C::conv_kernel),
                      field("time_step_rank", &C::time_step_rank),
                      field("expand", &C::expand),
                      field("layer_norm_epsilon", &C::layer_norm_epsilon),
                      field("initializer_range", &C::initializer_range),
                      field("use_bias", &C::use_bias),
                      field("use_conv_bias", &C::use_conv_bias),
                      field("tie_word_embeddings", &C::tie_word_embeddings),
                      field("rescale_prenorm_residual", &C::rescale_prenorm_residual),
                      field("time_step_scale", &C::time_step_scale),
                      field("time_step_min", &C::time_step_min),
                      field("time_step_max", &C::time_step_max),
                      field("time_step_floor", &C::time_step_floor),
                      field("hidden_act", &C::hidden_act)};
  }
};

/// The Mamba language model. Member names are those of published checkpoints, so that
/// `load_pretrained<MambaForCausalLM<float>>(folder)` fills it.
///
/// Source: Gu and Dao, Mamba, 2023 (arXiv:2312.00752).
template <class S>
struct MambaForCausalLM : MambaBackbone<Mamba<S>> {
  using Base = MambaBackbone<Mamba<S>>;
  using Config = MambaLMConfig;
  static constexpr std::string_view architecture = "MambaForCausalLM";

  /// \throws ArgumentError  for an option of the published code that is not supported.
  MambaForCausalLM(const Config& c, Rng& rng)
      : Base(architecture, common(checked(c)), rng, [&] {
          return PreNorm<Mamba<S>>{RMSNorm<S>(c.hidden_size, c.layer_norm_epsilon),
                                   Mamba<S>(mixer(c), rng)};
        }) {}

 private:
  static CausalLMConfig common(const Config& c) {
    return {c.hidden_size,        c.num_hidden_layers, c.vocab_size,
            c.layer_norm_epsilon, c.initializer_range, c.tie_word_embeddings};
  }

  static MambaConfig mixer(const Config& c) {
    MambaConfig m;
    m.width = c.hidden_size, m.inner = Index(c.expand * double(c.hidden_size));
    m.state_size = c.state_size, m.dt_rank = c.time_step_rank.value_or(0);
    m.conv_kernel = c.conv_kernel, m.conv_bias = c.use_conv_bias, m.bias = c.use_bias;
    m.dt_min = c.time_step_min, m.dt_max = c.time_step_max, m.dt_floor = c.time_step_floor;
    m.dt_scale = c.time_step_scale;
    if (c.rescale_prenorm_residual) m.out_scale = 1 / std::sqrt(double(c.num_hidden_layers));
    return m;
  }

  static const Config& checked(const Config& c) {
    require(c.expand > 0 && c.expand < 1e6 && c.expand * double(c.hidden_size) >= 1, architecture,
            "expand", "such that expand * hidden_size is at least 1", std::to_string(c.expand));
    require(c.hidden_act == "silu" || c.hidden_act == "swish", architecture, "hidden_act",
            "silu or swish", c.hidden_act);
    return c;
  }
};

}  // namespace sluice
