// SPDX-License-Identifier: MIT
/// \file
/// Views of any rank as spans of numbers, so that the loop over a span is compiled once.
#pragma once

#include <sluice/core/each_row.hpp>

namespace sluice::kernels::detail {

/// Calls `f(n, first_pointer, rest_pointer...)` for spans of n numbers that together are the whole
/// of `first`, in order: one where all lie in one piece, else the rows. All views have one shape,
/// and data.
template <class F, class First, int Rank, class... Rest>
void each_span(const F& f, const View<First, Rank>& first, const View<Rest, Rank>&... rest) {
  if (first.contiguous() && (... && rest.contiguous())) {
    f(first.size(), first.data(), rest.data()...);
  } else {
    const Index n = row_length(first);
    for_each_row([&](auto*... row) { f(n, row...); }, first, rest...);
  }
}

}  // namespace sluice::kernels::detail
