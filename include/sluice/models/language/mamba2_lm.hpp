// SPDX-License-Identifier: MIT
/// \file
/// The Mamba-2 language model of published checkpoints.
#pragma once

#include <sluice/layers/mixers/mamba2.hpp>
#include <sluice/models/language/mamba_backbone.hpp>

#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>

namespace sluice {

/// The keys of a Mamba-2 `config.json`.
struct Mamba2LMConfig : MambaFamilyConfig {
  Index num_heads = 128, head_dim = 64, state_size = 128, n_groups = 8;
  std::array<double, 2> time_step_limit{0, std::numeric_limits<double>::infinity()};
  bool tie_word_embeddings = false;

  static constexpr auto options() {
    using C = Mamba2LMConfig;
    return std::tuple_cat(
        MambaFamilyConfig::options(),
        std::tuple{field("num_heads", &C::num_heads), field("head_dim", &C::head_dim),
                   field("state_size", &C::state_size), field("n_groups", &C::n_groups),
                   field("time_step_limit", &C::time_step_limit),
                   field("tie_word_embeddings", &C::tie_word_embeddings)});
  }
};

/// The Mamba-2 language model. Member names are those of published checkpoints, so that
/// `load_pretrained<Mamba2ForCausalLM<float>>(folder)` fills it. As the published code of that
/// name, it gates before the norm, and normalises the whole width however many groups there are.
///
/// Source: Dao and Gu, Transformers are SSMs, ICML 2024 (arXiv:2405.21060).
template <class S>
struct Mamba2ForCausalLM : MambaBackbone<Mamba2<S>> {
  using Config = Mamba2LMConfig;
  static constexpr std::string_view architecture = "Mamba2ForCausalLM";

  /// \throws ArgumentError  for an option of the published code that is not supported.
  Mamba2ForCausalLM(const Config& c, Rng& rng)
      : MambaBackbone<Mamba2<S>>(architecture, c, c.tie_word_embeddings, mixer(c), rng) {}

 private:
  static Mamba2Config mixer(const Config& c) {
    const Index inner = detail::mamba_inner(architecture, c);
    require(c.num_heads > 0 && inner == c.num_heads * c.head_dim, architecture,
            "num_heads * head_dim", "expand * hidden_size = " + std::to_string(inner),
            std::to_string(c.num_heads) + " * " + std::to_string(c.head_dim));
    auto m = detail::mamba_mixer<Mamba2Config>(architecture, c);
    m.num_heads = c.num_heads, m.head_dim = c.head_dim;
    m.state_size = c.state_size, m.n_groups = c.n_groups;
    m.dt_low = c.time_step_limit[0], m.dt_high = c.time_step_limit[1];
    m.norm_eps = c.layer_norm_epsilon;
    m.norm_before_gate = m.norm_by_group = false;
    return m;
  }
};

}  // namespace sluice
