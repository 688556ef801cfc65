// SPDX-License-Identifier: MIT
/// \file
/// Sequences of different lengths in one batch, without a token of padding computed.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/operation.hpp>

#include <algorithm>
#include <cstdint>
#include <span>

namespace sluice {

/// Rows of ids that end together and begin where their texts do: packed behind each other for as
/// long as this lives, then spread out again.
template <class S>
class LeftPadding {
 public:
  View<const std::int64_t, 2> ids;  ///< [1, sum of lengths]

  /// \param padded   [B, T]; of row b the last lengths[b] count.
  /// \param lengths  [B], each from 0 to T.
  /// \throws ShapeError, ArgumentError  if there are not B lengths, or one is out of range.
  LeftPadding(Tape<S>& tape, const View<const std::int64_t, 2>& padded,
              const View<const std::int64_t, 1>& lengths)
      : tape_(tape), B_(padded.dim(0)), T_(padded.dim(1)) {
    const auto where = "LeftPadding";
    require_shape(where, "lengths", lengths.shape(), {B_}, "one a row of ids");
    require(tape.cu_seqlens().empty(), where, "the pass", "one that is not packed", "a packed one");
    Arena& arena = *tape.workspace().arena;
    auto* const starts =
        static_cast<Index*>(arena.allocate(sizeof(Index) * static_cast<std::size_t>(B_ + 1)));
    starts[0] = 0;
    for (Index b = 0; b < B_; ++b) {
      const std::int64_t length = lengths(b);
      require(length >= 0 && length <= T_, where, "a length", text("from 0 to T = ", T_),
              text(length, " for row ", b));
      starts[b + 1] = starts[b] + length;
    }
    const Index total = starts[B_];
    auto* const packed = static_cast<std::int64_t*>(
        arena.allocate(sizeof(std::int64_t) * static_cast<std::size_t>(total)));
    for (Index b = 0; b < B_; ++b) {
      const Index length = starts[b + 1] - starts[b];
      std::copy_n(padded.row(b) + T_ - length, length, packed + starts[b]);
    }
    ids = {packed, {1, total}};
    starts_ = {starts, static_cast<std::size_t>(B_ + 1)};
    tape.pack(starts_);
  }
  ~LeftPadding() { tape_.pack({}); }
  LeftPadding(const LeftPadding&) = delete;
  LeftPadding& operator=(const LeftPadding&) = delete;

  /// x [1, sum of lengths, D] -> [B, T, D], 0 where a row is padded.
  Variable<S, 3> spread(const Variable<S, 3>& x) const {
    const Index B = B_, T = T_, D = x.dim(2);
    const auto starts = starts_;
    return operation(
        Shape<3>{B, T, D},
        [&](const View<S, 3>& y) {
          for (Index b = 0; b < B; ++b) {
            const Index begin = starts[std::size_t(b)], length = starts[std::size_t(b) + 1] - begin;
            for (Index t = 0; t < T - length; ++t) std::fill_n(y.row(b, t), D, S(0));
            for (Index i = 0; i < length; ++i)
              std::copy_n(x.value.row(0, begin + i), D, y.row(b, T - length + i));
          }
        },
        [=](auto, const View<const S, 3>& dy) {
          for (Index b = 0; b < B; ++b) {
            const Index begin = starts[std::size_t(b)], length = starts[std::size_t(b) + 1] - begin;
            for (Index i = 0; i < length; ++i) {
              const S* const from = dy.row(b, T - length + i);
              S* const to = x.gradient.row(0, begin + i);
              for (Index d = 0; d < D; ++d) to[d] += from[d];
            }
          }
        },
        x);
  }

 private:
  Tape<S>& tape_;
  std::span<const Index> starts_;
  Index B_, T_;
};

}  // namespace sluice
