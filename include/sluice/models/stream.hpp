// SPDX-License-Identifier: MIT
/// \file
/// A model in use, one row at a time: its state and its memory, as one value.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/layers/streamable.hpp>

#include <algorithm>

namespace sluice {

/// Reads rows and answers each. The first step is taken in the constructor, on a state that is then
/// thrown away, so that no later one allocates. Copies go their own ways: try two futures.
///
/// The model is referred to, not copied, and may serve many streams. It must not change meanwhile.
template <Streamable Model>
class Stream {
 public:
  using Scalar = typename Model::Scalar;

  /// A stream at its beginning, for rows of the given width.
  Stream(const Model& model, Index width, Index batch = 1)
      : model_(&model), width_(width), state_(model.initial_state(batch)), batch_(batch) {
    warm();
  }

  Stream(const Stream& other)
      : model_(other.model_), width_(other.width_), state_(other.state_), batch_(other.batch_) {
    warm();
  }
  Stream& operator=(const Stream& other) {
    state_ = other.state_;
    model_ = other.model_, width_ = other.width_, batch_ = other.batch_;
    warm();
    return *this;
  }

  /// Reads one row of every sequence, x [B, 1, width]; the answer [B, 1, ...] is good until the
  /// next call. Allocates nothing.
  /// \throws ShapeError  if the row does not fit; the stream is then as it was.
  View<const Scalar, 3> step(const View<const Scalar, 3>& x) {
    require_shape("Stream::step", "x", x.shape(), {batch_, 1, width_}, "to fit the stream");
    tape_.start();
    return (*model_)(tape_.input(x), state_).value;
  }

  /// Reads many rows, x [B, T, width], at full speed and in bounded memory, and answers none.
  /// \throws ShapeError  if the rows do not fit; the stream is then as it was.
  void read(const View<const Scalar, 3>& x, Index piece = 1024) {
    require_shape("Stream::read", "x", x.shape(), {batch_, x.dim(1), width_}, "to fit the stream");
    Tape<Scalar> tape;
    for (Index t = 0; t < x.dim(1); t += piece) {
      const Index count = std::min(piece, x.dim(1) - t);
      Tensor<Scalar, 3> rows(batch_, count, width_);
      for (Index b = 0; b < batch_; ++b)
        for (Index i = 0; i < count; ++i)
          std::copy_n(x.row(b, t + i), width_, rows.data() + (b * count + i) * width_);
      tape.start();
      (*model_)(tape.input(View<const Scalar, 3>(rows)), state_);
    }
  }

  const typename Model::State& state() const noexcept { return state_; }

 private:
  void warm() {
    tape_.freeze_parameters();
    auto unused = state_;
    const auto zero = zeros<Scalar>(Shape<3>{batch_, 1, width_});
    tape_.start();
    (*model_)(tape_.input(View<const Scalar, 3>(zero)), unused);
  }

  const Model* model_;
  Index width_;
  typename Model::State state_;
  Index batch_;
  Tape<Scalar> tape_;
};

}  // namespace sluice
