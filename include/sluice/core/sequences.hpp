// SPDX-License-Identifier: MIT
/// \file
/// Independent sequences of one call: the rows of a batch, or sequences packed behind each other
/// into one row, which begin at `cu_seqlens` = [0, ..., T].
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace sluice {

/// Where one sequence lies: batch row and tokens [begin, end).
struct Span {
  Index row, begin, end;
};

/// How many there are: `batch`, or the number of packed ones.
inline Index count_sequences(std::span<const Index> cu_seqlens, Index batch) noexcept {
  return cu_seqlens.empty() ? batch : static_cast<Index>(cu_seqlens.size()) - 1;
}

/// The n-th, of T tokens unless it is packed.
inline Span sequence(std::span<const Index> cu_seqlens, Index T, Index n) noexcept {
  if (cu_seqlens.empty()) return {n, 0, T};
  const auto i = static_cast<std::size_t>(n);
  return {0, cu_seqlens[i], cu_seqlens[i + 1]};
}

/// Number of blocks of `size` tokens in all sequences of a kernel's inputs; none crosses a border.
template <class Inputs>
Index count_blocks(const Inputs& in, Index size) noexcept {
  Index count = 0;
  for (Index n = 0; n < in.sequences(); ++n) {
    const Span tokens = sequence(in, n);
    count += (tokens.end - tokens.begin + size - 1) / size;
  }
  return count;
}

/// Throws ArgumentError unless the sequences are packed into a batch of 1 and fill T tokens.
inline void require_cu_seqlens(std::string_view where, std::span<const Index> cu_seqlens,
                               Index batch, Index T) {
  const auto& c = cu_seqlens;
  if (c.empty()) return;
  require(batch == 1, where, "cu_seqlens", "used with a batch of 1", text("a batch of ", batch));
  require(c.front() == 0 && c.back() == T, where, "cu_seqlens", text("from 0 to T = ", T),
          text(c.front(), " to ", c.back()));
  for (std::size_t i = 1; i < c.size(); ++i)
    require(c[i - 1] <= c[i], where, "cu_seqlens", "non-decreasing",
            text(c[i - 1], " before ", c[i]));
}

}  // namespace sluice
