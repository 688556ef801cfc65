// SPDX-License-Identifier: MIT
/// \file
/// Ranges of tokens: a sequence is cut into chunks, or a batch row into what of every sequence lies
/// in it. Every range is a `Span`: tokens [begin, end) of one batch row.
///
/// \c Inputs is that of any family whose sequences are the rows of a batch or packed into one.
#pragma once

#include <sluice/core/sequences.hpp>
#include <sluice/core/workspace.hpp>

#include <algorithm>
#include <span>

namespace sluice::common {

/// Number of tokens.
inline Index length(const Span& tokens) noexcept { return tokens.end - tokens.begin; }

/// Tokens of one sequence that are worked on together, and how many states had been saved before.
struct Chunk {
  Index sequence;
  Span tokens;
  Index saved;
};

/// All chunks of a call, in order; a sequence has at least one, which may be empty.
struct Chunks {
  Chunk* chunk;
  Index* first;  ///< the first chunk of every sequence, and the end of the last
  Index count;

  /// \param size         tokens in a chunk, or more than any sequence has.
  /// \param saved_every  tokens between two saved states; the first token of a sequence saves one.
  template <class Inputs>
  Chunks(const Inputs& in, Index size, Index saved_every, Scratch& scratch) : count(0) {
    const Index N = in.sequences();
    first = scratch.allocate<Index>(N + 1);
    for (Index n = 0; n < N; ++n) {
      first[n] = count;
      count += std::max<Index>(1, blocks(length(sequence(in, n)), size));
    }
    first[N] = count;
    chunk = scratch.allocate<Chunk>(count);
    Index saved = 0;
    for (Index n = 0; n < N; ++n) {
      const Span s = sequence(in, n);
      for (Index c = first[n], begin = s.begin; c < first[n + 1]; ++c, begin += size) {
        const Span tokens{s.row, begin, std::min(begin + size, s.end)};
        chunk[c] = {n, tokens, saved};
        saved += blocks(length(tokens), saved_every);
      }
    }
  }

 private:
  static Index blocks(Index tokens, Index size) noexcept { return (tokens + size - 1) / size; }
};

/// What of a sequence lies in some tokens: `tokens` of the n-th one, which is all of `sequence`.
struct Part {
  Index number;
  Span sequence, tokens;
};

/// Calls f(part) for what of every sequence lies in tokens [from, to) of a batch row of T, if
/// anything.
template <class F>
void for_each_part(std::span<const Index> cu_seqlens, Index T, Index row, Index from, Index to,
                   F&& f) {
  if (from >= to) return;
  if (cu_seqlens.empty()) return f(Part{row, {row, 0, T}, {row, from, to}});
  const auto& c = cu_seqlens;
  auto next = std::upper_bound(c.begin(), c.end(), from);  // the end of the sequence of `from`
  for (; next != c.end() && *(next - 1) < to; ++next)
    if (const Index begin = *(next - 1), end = *next; begin < end)
      f(Part{next - c.begin() - 1,
             {row, begin, end},
             {row, std::max(begin, from), std::min(end, to)}});
}

}  // namespace sluice::common
