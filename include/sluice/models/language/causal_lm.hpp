// SPDX-License-Identifier: MIT
/// \file
/// What the causal language models of published checkpoints have in common: token ids go through an
/// embedding, a stack of blocks, a norm and a head, and become logits of the next token.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/layers/blocks/stack.hpp>
#include <sluice/layers/embeddings/embedding.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/norms/rms_norm.hpp>
#include <sluice/ops/packing.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>

namespace sluice {

/// The sizes and options of `CausalLM`, under the names of `config.json`.
struct CausalLMConfig {
  Index hidden_size = 0, num_hidden_layers = 0, vocab_size = 0;
  double norm_eps = 1e-6;            ///< of the last norm
  double initializer_range = 0.02;   ///< deviation of the initial embedding and head
  bool tie_word_embeddings = false;  ///< whether the embedding serves as head too
};

/// Token ids to logits of the next token.
///
/// Checkpoints differ in what they call the whole below the head and its norm:
///
///     struct Names { static constexpr std::string_view backbone = "model", norm = "norm"; };
///
/// A model derives from this, makes its blocks, and adds an `architecture` and a `Config`, so that
/// `load_pretrained<Model>(folder)` fills it.
template <class Block, class Names>
struct CausalLM {
  using Scalar = typename Block::Scalar;

  struct State {
    typename Stack<Block>::State layers;
    static constexpr auto fields() { return std::tuple{field("layers", &State::layers)}; }
  };

  /// Everything but the head.
  struct Backbone {
    Embedding<Scalar> embeddings;
    Stack<Block> layers;
    RMSNorm<Scalar> norm;
    static constexpr auto fields() {
      return std::tuple{field("embeddings", &Backbone::embeddings),
                        field("layers", &Backbone::layers), field(Names::norm, &Backbone::norm)};
    }
  };

  Backbone backbone;
  std::optional<Linear<Scalar>> lm_head;  ///< absent where the embedding serves as head too

  /// \param make_block  called once a layer; what it answers becomes the layer.
  /// \throws ArgumentError  in the name of `where` if a size is impossible.
  template <class MakeBlock>
  CausalLM(std::string_view where, const CausalLMConfig& c, Rng& rng, const MakeBlock& make_block)
      : backbone{Embedding<Scalar>(checked(where, c).vocab_size, c.hidden_size, rng,
                                   c.initializer_range),
                 {},
                 RMSNorm<Scalar>(c.hidden_size, c.norm_eps)} {
    backbone.layers.reserve(c.num_hidden_layers);
    for (Index i = 0; i < c.num_hidden_layers; ++i) backbone.layers.push_back(make_block());
    if (!c.tie_word_embeddings)
      lm_head.emplace(c.hidden_size, c.vocab_size, rng,
                      LinearOptions{.bias = false, .deviation = c.initializer_range});
  }

  static constexpr auto fields() {
    return std::tuple{field(Names::backbone, &CausalLM::backbone),
                      field("lm_head", &CausalLM::lm_head)};
  }

  State initial_state(Index batch) const { return {backbone.layers.initial_state(batch)}; }

  /// ids [B, T] -> logits [B, T, vocabulary].
  Variable<Scalar, 3> operator()(Tape<Scalar>& tape, const View<const std::int64_t, 2>& ids,
                                 State& state) const {
    return logits(hidden(tape, ids, state));
  }

  /// The same for texts of different lengths side by side: of row b the last lengths[b] ids count,
  /// and what stands before them is not looked at. Logits there are 0, and every other number is
  /// what the row alone would give.
  ///
  /// \param lengths  [B], each from 0 to T.
  /// \throws ArgumentError  if a length is out of range.
  Variable<Scalar, 3> operator()(Tape<Scalar>& tape, const View<const std::int64_t, 2>& ids,
                                 const View<const std::int64_t, 1>& lengths, State& state) const {
    const LeftPadding<Scalar> padding(tape, ids, lengths);
    return padding.spread(logits(hidden(tape, padding.ids, state)));
  }

  /// ids [B, T] -> what the blocks make of them, [B, T, D].
  Variable<Scalar, 3> hidden(Tape<Scalar>& tape, const View<const std::int64_t, 2>& ids,
                             State& state) const {
    return backbone.layers(backbone.embeddings(tape, ids), state.layers);
  }

  /// [B, T, D], from `hidden` -> logits [B, T, vocabulary].
  Variable<Scalar, 3> logits(const Variable<Scalar, 3>& x) const {
    const auto y = backbone.norm(x);
    return lm_head ? (*lm_head)(y) : linear(y, backbone.embeddings.weight);
  }

  /// Some files hold the head a second time where it is the embedding.
  std::string_view spare() const { return lm_head ? "" : "lm_head.weight"; }

  Index vocabulary() const { return backbone.embeddings.weight.dimension(0); }

 private:
  static const CausalLMConfig& checked(std::string_view where, const CausalLMConfig& c) {
    require(c.hidden_size > 0 && c.vocab_size > 0, where, "hidden_size, vocab_size", "above 0",
            text(c.hidden_size, ", ", c.vocab_size));
    require(c.num_hidden_layers >= 0, where, "num_hidden_layers", "at least 0",
            c.num_hidden_layers);
    return c;
  }
};

}  // namespace sluice
