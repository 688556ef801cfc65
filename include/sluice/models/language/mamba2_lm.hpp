// SPDX-License-Identifier: MIT
/// \file
/// The Mamba-2 language model of published checkpoints.
#pragma once

#include <sluice/layers/mixers/mamba2.hpp>
#include <sluice/models/language/mamba_backbone.hpp>

#include <array>
#include <limits>
#include <string_view>
#include <tuple>

namespace sluice {

/// The keys of a Mamba-2 `config.json`.
struct Mamba2LMConfig : MambaFamilyConfig<Mamba2Config> {
  std::array<double, 2> time_step_limit{0, std::numeric_limits<double>::infinity()};

  Mamba2LMConfig() { mixer.num_heads = 128, mixer.n_groups = 8; }

  static constexpr auto options() {
    return std::tuple_cat(MambaFamilyConfig::options(),
                          std::tuple{field("time_step_limit", &Mamba2LMConfig::time_step_limit)});
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
      : MambaBackbone<Mamba2<S>>(architecture, c, mixer(c), rng) {}

 private:
  static Mamba2Config mixer(const Config& c) {
    const Index inner = detail::mamba_inner(architecture, c);
    auto m = detail::mamba_mixer(architecture, c);
    require(m.num_heads > 0 && inner == m.num_heads * m.head_dim, architecture,
            "num_heads * head_dim", text("expand * hidden_size = ", inner),
            text(m.num_heads, " * ", m.head_dim));
    m.dt_low = c.time_step_limit[0], m.dt_high = c.time_step_limit[1];
    m.norm_eps = c.layer_norm_epsilon;
    m.norm_before_gate = m.norm_by_group = false;
    return m;
  }
};

}  // namespace sluice
