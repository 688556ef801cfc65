// SPDX-License-Identifier: MIT
/// \file
/// Asking for memory long before it is needed: columns of short pieces, which no machine foresees.
#pragma once

#include <sluice/simd/batch.hpp>

#include <algorithm>

namespace sluice::common {

/// Bytes that come together.
inline constexpr Index cache_line = 64;

/// How far ahead of its own place, in scalars, a walk along a row asks: four cache lines.
template <class Scalar>
inline constexpr Index ahead = 4 * cache_line / Index(sizeof(Scalar));

/// Asks for `count` scalars of a row.
template <class Scalar>
SLUICE_INLINE void look_ahead(const Scalar* row, Index count) noexcept {
  constexpr Index line = cache_line / Index(sizeof(Scalar));
  for (Index i = 0; i < count; i += line) simd::prefetch(row + i);
}

/// The rows that the next block will touch: asked for a token at a time, between products, so that
/// they arrive while this block computes.
class LookAhead {
 public:
  LookAhead() = default;
  explicit LookAhead(Index tokens) noexcept : tokens_(tokens) {}

  Index tokens() const noexcept { return tokens_; }

  /// Adds a stream: `width` scalars for every token, `stride` apart.
  template <class Scalar>
  void add(const Scalar* data, Index stride, Index width) noexcept {
    constexpr Index size = sizeof(Scalar);
    rows_[streams_++] = {reinterpret_cast<const char*>(data), stride * size, width * size};
  }

  /// Asks for the rows of the next `count` tokens.
  SLUICE_INLINE void request(Index count) noexcept {
    for (const Index end = std::min(tokens_, next_ + count); next_ < end; ++next_)
      for (int s = 0; s < streams_; ++s)
        for (Index byte = 0; byte < rows_[s].bytes; byte += cache_line)
          simd::prefetch(rows_[s].data + next_ * rows_[s].stride + byte);
  }

 private:
  struct Rows {
    const char* data;
    Index stride, bytes;
  };
  static constexpr int most = 10;
  Rows rows_[most] = {};
  int streams_ = 0;
  Index tokens_ = 0, next_ = 0;
};

}  // namespace sluice::common
