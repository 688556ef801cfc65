// SPDX-License-Identifier: MIT
/// \file
/// How elementwise kernels walk their operands: as one span where all are contiguous, else by rows.
#pragma once

#include <sluice/core/each_row.hpp>

namespace sluice::kernels::detail {

/// Calls `f(n, first_pointer, rest_pointer...)` for spans of n elements that together are the whole
/// of `first`. All views have one shape; one without data gives null pointers.
template <class F, class First, int Rank, class... Rest>
void for_each_span(const F& f, const View<First, Rank>& first, const View<Rest, Rank>&... rest) {
  if (first.contiguous() && (... && (!rest || rest.contiguous()))) {
    f(first.size(), first.data(), rest.data()...);
  } else {
    const Index n = row_length(first);
    for_each_row([&](auto*... row) { f(n, row...); }, first, rest...);
  }
}

}  // namespace sluice::kernels::detail
