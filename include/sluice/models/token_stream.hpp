// SPDX-License-Identifier: MIT
/// \file
/// A causal language model in use: it reads text and says what may come next.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/ids.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/ops/slice.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>

namespace sluice {

/// One text, its state and its memory. Copies go their own ways: try two continuations.
///
/// The model, a `CausalLM`, is referred to, not copied, and may serve many streams. It must not
/// change meanwhile.
template <class Model>
class TokenStream {
 public:
  using Scalar = typename Model::Scalar;

  /// A stream at the beginning of a text, whose work the threads of `executor` share.
  explicit TokenStream(const Model& model, Executor executor = {})
      : model_(&model), state_(model.initial_state(1)), tape_(executor) {
    tape_.freeze_parameters();
  }

  TokenStream(const TokenStream& other) : TokenStream(other, other.tape_.executor()) {}
  /// A copy whose work is shared by other threads.
  TokenStream(const TokenStream& other, Executor executor)
      : model_(other.model_), state_(other.state_), tape_(executor) {
    tape_.freeze_parameters();
  }
  TokenStream& operator=(const TokenStream&) = delete;

  /// Reads a piece of text at full speed and in bounded memory.
  ///
  /// \param ids     at least one.
  /// \param piece   most tokens in a pass; the memory of a pass is proportional to it.
  /// \returns       logits of the token after them, [vocabulary], good until the next call.
  /// \throws ArgumentError  if there are no ids or one is out of range; nothing has been read then.
  View<const Scalar, 1> read(std::span<const std::int64_t> ids, Index piece = 512) {
    const Index T = Index(ids.size());
    require(T > 0, "TokenStream::read", "ids", "at least one", "none");
    require(piece > 0, "TokenStream::read", "piece", "at least 1", std::to_string(piece));
    require_ids("TokenStream::read", View<const std::int64_t, 1>(ids.data(), {T}),
                model_->vocabulary());
    Variable<Scalar, 3> x;
    for (Index t = 0; t < T; t += piece) {
      const Index count = std::min(piece, T - t);
      tape_.start();
      x = model_->hidden(tape_, View<const std::int64_t, 2>(ids.data() + t, {1, count}), state_);
    }
    const auto last = model_->logits(slice(x, 1, x.dim(1) - 1, 1));
    return {last.value.data(), {last.dim(2)}};
  }

  /// Reads one token more: `read` of it. Allocates nothing but the first time.
  View<const Scalar, 1> step(std::int64_t id) { return read({&id, 1}); }

  const typename Model::State& state() const noexcept { return state_; }

 private:
  const Model* model_;
  typename Model::State state_;
  Tape<Scalar> tape_;
};

}  // namespace sluice
