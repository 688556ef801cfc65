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
struct MambaFamilyConfig {
  Index hidden_size = 0, num_hidden_layers = 0, vocab_size = 0;
  Index conv_kernel = 4;
  double expand = 2, layer_norm_epsilon = 1e-5, initializer_range = 0.1;
  bool use_bias = false, use_conv_bias = true, rescale_prenorm_residual = false;
  double time_step_min = 1e-3, time_step_max = 0.1, time_step_floor = 1e-4;
  std::string hidden_act = "silu";

  static constexpr auto required() {
    using C = MambaFamilyConfig;
    return std::tuple{field("hidden_size", &C::hidden_size),
                      field("num_hidden_layers", &C::num_hidden_layers),
                      field("vocab_size", &C::vocab_size)};
  }
  static constexpr auto options() {
    using C = MambaFamilyConfig;
    return std::tuple{field("conv_kernel", &C::conv_kernel),
                      field("expand", &C::expand),
                      field("layer_norm_epsilon", &C::layer_norm_epsilon),
                      field("initializer_range", &C::initializer_range),
                      field("use_bias", &C::use_bias),
                      field("use_conv_bias", &C::use_conv_bias),
                      field("rescale_prenorm_residual", &C::rescale_prenorm_residual),
                      field("time_step_min", &C::time_step_min),
                      field("time_step_max", &C::time_step_max),
                      field("time_step_floor", &C::time_step_floor),
                      field("hidden_act", &C::hidden_act)};
  }
};

namespace detail {

struct MambaLMNames {
  static constexpr std::string_view backbone = "backbone", norm = "norm_f";
};

/// Channels inside a mixer.
inline Index mamba_inner(std::string_view where, const MambaFamilyConfig& c) {
  const double inner = c.expand * double(c.hidden_size);
  require(inner >= 1 && inner < 1e9, where, "expand",
          "such that expand * hidden_size is a width, at least 1", c.expand);
  return Index(inner);
}

/// The options of a mixer that both generations have.
template <class Mixer>
Mixer mamba_mixer(std::string_view where, const MambaFamilyConfig& c) {
  require(c.hidden_act == "silu" || c.hidden_act == "swish", where, "hidden_act", "silu or swish",
          c.hidden_act);
  Mixer m;
  m.width = c.hidden_size;
  m.conv_kernel = c.conv_kernel, m.conv_bias = c.use_conv_bias, m.bias = c.use_bias;
  m.dt_min = c.time_step_min, m.dt_max = c.time_step_max, m.dt_floor = c.time_step_floor;
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
  MambaBackbone(std::string_view where, const MambaFamilyConfig& c, bool tied,
                const typename Mixer::Config& mixer, Rng& rng)
      : Base(where,
             {c.hidden_size, c.num_hidden_layers, c.vocab_size, c.layer_norm_epsilon,
              c.initializer_range, tied},
             rng, [&] {
               return MambaBlock<Mixer>(RMSNorm<S>(c.hidden_size, c.layer_norm_epsilon),
                                        Mixer(mixer, rng));
             }) {}
};

}  // namespace sluice
