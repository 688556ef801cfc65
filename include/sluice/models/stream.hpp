// SPDX-License-Identifier: MIT
/// \file
/// A model in use, one row or one token at a time: its state and its memory, as one value.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/ids.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/layers/layer.hpp>
#include <sluice/ops/slice.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace sluice {

/// A causal language model: ids become what the blocks make of them, and that logits.
template <class M>
concept TokenModel = requires(const M& model, Tape<typename M::Scalar>& tape,
                              View<const std::int64_t, 2> ids, typename M::State& state) {
  model.logits(model.hidden(tape, ids, state));
  { model.vocabulary() } -> std::convertible_to<Index>;
};

/// Reads rows, or tokens, and answers. The first step is taken in the constructor, on a state that
/// is then thrown away, so that no later one allocates; nor do `reset`, `assign`, and assignment
/// from a stream of the same model. Copies go their own ways: try two futures. A stream moves.
///
///     Stream stream(model, 3);               // rows of 3 numbers
///     Stream text(language_model);           // tokens
///     save_safetensors("now.safetensors", stream.state());
///
/// The model is referred to, not copied, and may serve many streams.
template <class Model>
requires requires(const Model& model) { model.initial_state(Index{1}); }
class Stream {
 public:
  using Scalar = typename Model::Scalar;
  using State = typename Model::State;
  static constexpr bool tokens = TokenModel<Model>;
  /// Rows [B, T, width], or ids [B, T]; read during the call alone.
  using Input =
      std::conditional_t<tokens, Borrowed<const std::int64_t, 2>, Borrowed<const Scalar, 3>>;
  /// [B, 1, ..]: what the model says after the newest row, or logits of the next token; good until
  /// the next call.
  using Answer = View<const Scalar, 3>;

  /// A stream of rows of the given width at its beginning, its work shared by the threads of
  /// `executor`.
  Stream(const Model& model, Index width, Index batch = 1, Executor executor = {}) requires(!tokens)
      : Stream(model, width, batch, executor, model.initial_state(batch)) {}
  /// A stream of tokens at the beginning of a text, or of several.
  explicit Stream(const Model& model, Executor executor = {}, Index batch = 1) requires(tokens)
      : Stream(model, 1, batch, executor, model.initial_state(batch)) {}

  Stream(const Model&&, Index, Index = 1, Executor = {}) requires(!tokens) = delete;   // dangles
  explicit Stream(const Model&&, Executor = {}, Index = 1) requires(tokens) = delete;  // dangles

  Stream(const Stream& other) : Stream(other, other.tape_->executor()) {}
  /// A copy whose work is shared by other threads.
  Stream(const Stream& other, Executor executor)
      : Stream(*other.model_, other.width_, other.batch_, executor, other.initial_) {
    state_ = other.state_;
  }
  Stream& operator=(const Stream& other) {
    if (model_ == other.model_ && batch_ == other.batch_)
      state_ = other.state_;
    else
      *this = Stream(other);
    return *this;
  }
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;

  /// Reads one row, or one token, of every sequence. Allocates nothing.
  /// \throws ShapeError, ArgumentError  if the input does not fit; the stream is then as it was.
  Answer step(const Input& x) {
    check("Stream::step", x.view, 1);
    return pass(x.view);
  }
  Answer step(std::int64_t id) requires(tokens) { return step(ids({&id, 1})); }

  /// Reads many at full speed and in bounded memory, and answers after the last.
  ///
  /// \param piece  most rows or tokens in a pass; the memory of a pass is proportional to it.
  /// \returns      without data if there was nothing to read.
  /// \throws ShapeError, ArgumentError  if the input does not fit or the piece is below 1; the
  ///                                    stream is then as it was.
  Answer read(const Input& x, Index piece = 512) {
    require(piece >= 1, "Stream::read", "piece", "at least 1", piece);
    check("Stream::read", x.view, x.view.dim(1));
    Answer answer;
    for (Index t = 0; t < x.view.dim(1); t += piece)
      answer = pass(slice(x.view, 1, t, std::min(piece, x.view.dim(1) - t)));
    return answer;
  }
  Answer read(std::span<const std::int64_t> text, Index piece = 512) requires(tokens) {
    return read(ids(text), piece);
  }

  /// Back to the beginning. Allocates nothing.
  void reset() { state_ = initial_; }

  /// Goes on from a state of the model, such as one of another stream or of a file. Allocates
  /// nothing.
  /// \throws ShapeError  if the state is of another model or batch; the stream is then as it was.
  void assign(const State& state) {
    require_structure("Stream::assign", initial_, state);
    state_ = state;
  }

  const State& state() const noexcept { return state_; }

 private:
  Stream(const Model& model, Index width, Index batch, Executor executor, State initial)
      : model_(&model),
        width_(width),
        batch_(batch),
        initial_(std::move(initial)),
        state_(initial_),
        tape_(std::make_unique<Tape<Scalar>>(executor)) {
    if constexpr (tokens) {
      const auto zero = zeros<std::int64_t>(Shape<2>{batch_, 1});
      pass(View<const std::int64_t, 2>(zero));
    } else {
      const auto zero = zeros<Scalar>(Shape<3>{batch_, 1, width_});
      pass(View<const Scalar, 3>(zero));
    }
    reset();
  }

  static View<const std::int64_t, 2> ids(std::span<const std::int64_t> text) {
    return {text.data(), {1, static_cast<Index>(text.size())}};
  }

  template <class Values>
  void check(std::string_view where, const Values& x, Index count) const {
    if constexpr (tokens) {
      require_shape(where, "ids", x.shape(), {batch_, count}, "to fit the stream");
      require_ids(where, x, model_->vocabulary());
    } else {
      require_shape(where, "x", x.shape(), {batch_, count, width_}, "to fit the stream");
    }
  }

  template <class Values>
  Answer pass(const Values& x) {
    tape_->start();
    if constexpr (tokens) {
      const auto y = model_->hidden(*tape_, x, state_);
      return model_->logits(slice(y, 1, y.dim(1) - 1, 1)).value;
    } else {
      const auto y = (*model_)(tape_->input(x), state_);
      return slice(y, 1, y.dim(1) - 1, 1).value;
    }
  }

  const Model* model_;
  Index width_, batch_;
  State initial_, state_;
  std::unique_ptr<Tape<Scalar>> tape_;
};

}  // namespace sluice
