// SPDX-License-Identifier: MIT
/// \file
/// A causal layer that is fed row by row: its state, and the memory that a step needs.
#pragma once

#include <sluice/core/tensor.hpp>
#include <sluice/layers/streamable.hpp>

#include <algorithm>
#include <concepts>
#include <utility>

namespace sluice {

/// Reads one sequence, at once or as it comes.
///
///     Stream stream(model);
///     stream.read(history);                          // the past, at full speed
///     for (;;) use(stream.step(source.next()));      // one token; allocates nothing
///     auto fork = stream;                            // states are values: try two futures
///
/// The layer must outlive the stream and keep its sizes; new weights count from the next token on.
/// Outputs are valid until the next call.
template <Streamable L>
class Stream {
 public:
  using Scalar = typename L::Scalar;
  using State = typename L::State;

  /// For a layer that reads tokens of the given width. Steps once on scratch, so that later steps
  /// find their memory.
  Stream(const L& layer, Index width, Executor executor = {})
      : layer_(&layer),
        width_(width),
        executor_(executor),
        state_(layer.initial_state(1)),
        tape_(executor) {
    warm_up();
  }

  /// For a layer that tells its width.
  explicit Stream(const L& layer, Executor executor = {}) requires requires {
    { layer.in() } -> std::convertible_to<Index>;
  } : Stream(layer, layer.in(), executor) {}

  Stream(const Stream& other)
      : layer_(other.layer_),
        width_(other.width_),
        executor_(other.executor_),
        state_(other.state_),
        tape_(other.executor_) {
    warm_up();
  }
  Stream& operator=(const Stream& other) {
    if (this != &other) *this = Stream(other);
    return *this;
  }
  Stream(Stream&&) = default;
  Stream& operator=(Stream&&) = default;

  /// The output for the next token. token [width] -> [width of the output].
  /// \throws ShapeError  if the token has another width; the state is then as it was.
  View<const Scalar, 1> step(const View<const Scalar, 1>& token) {
    require_shape("Stream::step", "token", token.shape(), {width_}, "to suit the layer");
    return last(advance({token.data(), {1, 1, width_}}, state_));
  }

  /// The output for the last of some tokens [T, width]; no data if there are none. Reads them in
  /// pieces, so that the memory does not grow with T.
  View<const Scalar, 1> read(const View<const Scalar, 2>& tokens) {
    return read(tokens, [](Index, const View<const Scalar, 2>&) {});
  }

  /// The same, and calls `use(from, outputs)` with the outputs [n, ..] of tokens from, from + 1,
  /// ...
  template <std::invocable<Index, View<const Scalar, 2>> Use>
  View<const Scalar, 1> read(const View<const Scalar, 2>& tokens, Use&& use) {
    const Index T = tokens.dim(0);
    require_shape("Stream::read", "tokens", tokens.shape(), {T, width_}, "to suit the layer");
    View<const Scalar, 1> newest;
    for (Index from = 0; from < T; from += piece) {
      const Index n = std::min(piece, T - from);
      const auto y = advance({tokens.row(from), {1, n, width_}, {0, tokens.stride(0), 1}}, state_);
      use(from, View<const Scalar, 2>(y.row(0, 0), {n, y.dim(2)}, {y.stride(1), 1}));
      newest = last(y);
    }
    return newest;
  }

  /// Forgets everything.
  void reset() { state_ = layer_->initial_state(1); }

  const State& state() const noexcept { return state_; }
  void set_state(State state) { state_ = std::move(state); }

 private:
  static constexpr Index piece = 256;  // tokens: enough for full speed, little memory

  View<const Scalar, 3> advance(const View<const Scalar, 3>& x, State& state) {
    tape_.start();
    return (*layer_)(tape_.input(x), state).value;
  }

  static View<const Scalar, 1> last(const View<const Scalar, 3>& y) {
    return {y.row(0, y.dim(1) - 1), {y.dim(2)}};
  }

  /// Twice, for a layer whose second token takes more than its first.
  void warm_up() {
    State scratch = state_;
    const auto token = zeros<Scalar>(Shape<3>{1, 1, width_});
    for (int n = 0; n < 2; ++n) advance(View<const Scalar, 3>(token), scratch);
  }

  const L* layer_;
  Index width_;
  Executor executor_;
  State state_;
  Tape<Scalar> tape_;
};

}  // namespace sluice
