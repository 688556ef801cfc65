// SPDX-License-Identifier: MIT
/// \file
/// Language models of published sizes with random weights.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/models/language/mamba2_lm.hpp>
#include <sluice/models/language/mamba_lm.hpp>
#include <sluice/models/stream.hpp>

#include <cstdint>
#include <vector>

namespace sluice::bench {

/// The sizes that are published as 130M.
inline MambaForCausalLM<float> mamba_130m() {
  MambaLMConfig c;
  c.hidden_size = 768, c.num_hidden_layers = 24, c.vocab_size = 50280;
  Rng rng(1);
  return {c, rng};
}

inline Mamba2ForCausalLM<float> mamba2_130m() {
  Mamba2LMConfig c;
  c.hidden_size = 768, c.num_hidden_layers = 24, c.vocab_size = 50288;
  c.mixer.num_heads = 24, c.mixer.head_dim = 64, c.mixer.state_size = 128, c.mixer.n_groups = 1;
  c.tie_word_embeddings = true;
  Rng rng(1);
  return {c, rng};
}

inline std::vector<std::int64_t> random_text(Index tokens, Index vocabulary) {
  Rng rng(2);
  std::vector<std::int64_t> ids;
  for (Index t = 0; t < tokens; ++t)
    ids.push_back(std::int64_t(rng.below(std::uint64_t(vocabulary))));
  return ids;
}

/// Every weight is read once for a token, the tied embedding as the head.
template <class Model>
double bytes_of_weights(const Model& model) {
  return 4 * double(count(model));
}

/// Multiply-adds of the weights, those of the head left out, which works for the last token alone.
template <class Model>
double prefill_flop(const Model& model) {
  return 2 * double(count(model) - model.backbone.embeddings.weight.size());
}

}  // namespace sluice::bench
