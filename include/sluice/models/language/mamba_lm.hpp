// SPDX-License-Identifier: MIT
/// \file
/// The Mamba language model of published checkpoints.
#pragma once

#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/models/language/mamba_backbone.hpp>

#include <string_view>

namespace sluice {

/// The keys of a Mamba `config.json`.
struct MambaLMConfig : MambaFamilyConfig<MambaConfig> {
  MambaLMConfig() { tie_word_embeddings = true; }
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
      : MambaBackbone<Mamba<S>>(architecture, c, mixer(c), rng) {}

 private:
  static MambaConfig mixer(const Config& c) {
    auto m = detail::mamba_mixer(architecture, c);
    m.inner = detail::mamba_inner(architecture, c);
    return m;
  }
};

}  // namespace sluice
