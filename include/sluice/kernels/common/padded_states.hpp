// SPDX-License-Identifier: MIT
/// \file
/// States whose rows are whole vectors, whatever their width.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>

#include <algorithm>

namespace sluice::common {

/// The states [N, H, K, V] of a call, row by row in whole vectors: in place where V fills vectors,
/// else in scratch rows padded with zeros, which are copied in and out.
template <class Scalar>
class PaddedStates {
 public:
  PaddedStates(const View<Scalar, 4>& states, Index padded_width, Scratch& scratch)
      : states_(states), stride_(padded_width), ragged_(padded_width != states.dim(3)) {
    if (ragged_)
      padded_ = scratch.allocate<Scalar>(states.dim(0) * states.dim(1) * states.dim(2) * stride_);
  }

  /// [K, stride()].
  Scalar* at(Index n, Index h) const noexcept {
    if (!ragged_) return states_.row(n, h, 0);
    return padded_ + (n * states_.dim(1) + h) * states_.dim(2) * stride_;
  }
  Index stride() const noexcept { return stride_; }

  /// Fetches columns [from, to).
  void enter(Index n, Index h, Index from, Index to) const noexcept {
    if (!ragged_) return;
    const Index end = std::min(to, states_.dim(3));
    for (Index i = 0; i < states_.dim(2); ++i) {
      const Scalar* row = states_.row(n, h, i);
      Scalar* padded = at(n, h) + i * stride_;
      std::copy(row + from, row + end, padded + from);
      std::fill(padded + end, padded + to, Scalar{0});
    }
  }

  /// Puts columns [from, to) back.
  void leave(Index n, Index h, Index from, Index to) const noexcept {
    if (ragged_) copy(n, h, from, to, states_.row(n, h, 0));
  }

  /// Copies columns [from, to) to a state without padding.
  void copy(Index n, Index h, Index from, Index to, Scalar* target) const noexcept {
    const Index V = states_.dim(3);
    for (Index i = 0; i < states_.dim(2); ++i) {
      const Scalar* row = at(n, h) + i * stride_;
      std::copy(row + from, row + std::min(to, V), target + i * V + from);
    }
  }

 private:
  View<Scalar, 4> states_;
  Index stride_;
  bool ragged_;
  Scalar* padded_ = nullptr;
};

}  // namespace sluice::common
