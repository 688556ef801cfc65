// SPDX-License-Identifier: MIT
/// \file
/// What the language models of the Mamba family have in common.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/fields.hpp>
#include <sluice/layers/blocks/mamba_block.hpp>
#include <sluice/models/language/causal_lm.hpp>

#include <cmath>
#include <string>
#include <string_view>
#include <tuple>

namespace sluice {

/// The keys that all `config.json` of the family have and that matter to the computation or the
/// beginning.
template <class MixerConfig>
struct MambaFamilyConfig {
  Index hidden_size = 0, num_hidden_layers = 0, vocab_size = 0;
  MixerConfig mixer = {};  ///< its width is set by these
  double expand = 2, layer_norm_epsilon = 1e-5, initializer_range = 0.1;
  bool rescale_prenorm_residual = false, tie_word_embeddings = false;
  std::string hidden_act = "silu";

  static constexpr auto required() {
    using C = MambaFamilyConfig;
    return std::tuple{field("hidden_size", &C::hidden_size),
                      field("num_hidden_layers", &C::num_hidden_layers),
                      field("vocab_size", &C::vocab_size)};
  }
  static constexpr auto options() {
    using C = MambaFamilyConfig;
    return std::tuple{field("", &C::mixer),
                      field("expand", &C::expand),
                      field("layer_norm_epsilon", &C::layer_norm_epsilon),
                      field("initializer_range", &C::initializer_range),
                      field("rescale_prenorm_residual", &C::rescale_prenorm_residual),
                      field("tie_word_embeddings", &C::tie_word_embeddings),
                      field("hidden_act", &C::hidden_act)};
  }
};

namespace detail {

struct MambaLMNames {
  static constexpr std::string_view backbone = "backbone", norm = "norm_f";
};

/// Channels inside a mixer.
template <class MixerConfig>
Index mamba_inner(std::string_view where, const MambaFamilyConfig<MixerConfig>& c) {
  const double inner = c.expand * double(c.hidden_size);
  require(inner >= 1 && inner < 1e9, where, "expand",
          "such that expand * hidden_size is a width, at least 1", c.expand);
  return Index(inner);
}

/// The options of a mixer, with what the model says.
template <class MixerConfig>
MixerConfig mamba_mixer(std::string_view where, const MambaFamilyConfig<MixerConfig>& c) {
  require(c.hidden_act == "silu" || c.hidden_act == "swish", where, "hidden_act", "silu or swish",
          c.hidden_act);
  MixerConfig m = c.mixer;
  m.width = c.hidden_size;
  if (c.rescale_prenorm_residual) m.out_scale = 1 / std::sqrt(double(c.num_hidden_layers));
  return m;
}

}  // namespace detail

/// A stack of mixers, each beside its input, under the names of published checkpoints.
template <class Mixer>
struct MambaBackbone : CausalLM<MambaBlock<Mixer>, detail::MambaLMNames> {
  using Base = CausalLM<MambaBlock<Mixer>, detail::MambaLMNames>;
  using S = typename Mixer::Scalar;

  /// \throws ArgumentError  in the name of `where` if a size is impossible.
  MambaBackbone(std::string_view where, const MambaFamilyConfig<typename Mixer::Config>& c,
                const typename Mixer::Config& mixer, Rng& rng)
      : Base(where,
             {c.hidden_size, c.num_hidden_layers, c.vocab_size, c.layer_norm_epsilon,
              c.initializer_range, c.tie_word_embeddings},
             rng, [&] {
               return MambaBlock<Mixer>(RMSNorm<S>(c.hidden_size, c.layer_norm_epsilon),
                                        Mixer(mixer, rng));
             }) {}
};

}  // namespace sluice
