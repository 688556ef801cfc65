// SPDX-License-Identifier: MIT
/// \file
/// The Mamba language model of published checkpoints.
#pragma once

#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/models/language/mamba_backbone.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace sluice {

/// The keys of a Mamba `config.json`.
struct MambaLMConfig : MambaFamilyConfig {
  Index state_size = 16;
  std::optional<Index> time_step_rank;  ///< a sixteenth of the width, rounded up, if absent
  double time_step_scale = 1;
  bool tie_word_embeddings = true;

  static constexpr auto options() {
    using C = MambaLMConfig;
    return std::tuple_cat(
        MambaFamilyConfig::options(),
        std::tuple{field("state_size", &C::state_size), field("time_step_rank", &C::time_step_rank),
                   field("time_step_scale", &C::time_step_scale),
                   field("tie_word_embeddings", &C::tie_word_embeddings)});
  }
};

/// The Mamba language model. Member names are those of published checkpoints, so that
/// `load_pretrained<MambaForCausalLM<float>>(folder)` fills it.
///
/// Source: Gu and Dao, Mamba, 2023 (arXiv:2312.00752).
template <class S>
struct MambaForCausalLM : MambaBackbone<Mamba<S>> {
  using Config = MambaLMConfig;
  static constexpr std::string_view architecture = "MambaForCausalLM";

  /// \throws ArgumentError  for an option of the published code that is not supported.
  MambaForCausalLM(const Config& c, Rng& rng)
      : MambaBackbone<Mamba<S>>(architecture, c, c.tie_word_embeddings, mixer(c), rng) {}

 private:
  static MambaConfig mixer(const Config& c) {
    auto m = detail::mamba_mixer<MambaConfig>(architecture, c);
    m.inner = detail::mamba_inner(architecture, c);
    m.state_size = c.state_size, m.dt_rank = c.time_step_rank.value_or(0);
    m.dt_scale = c.time_step_scale;
    return m;
  }
};

}  // namespace sluice
