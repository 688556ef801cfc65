// SPDX-License-Identifier: MIT
/// \file
/// Setting a gradient to zero before it is added to.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/view.hpp>

#include <algorithm>

namespace sluice::common {

/// Zeros everywhere in x, unless it is absent.
template <class Scalar, int Rank>
void clear(const View<Scalar, Rank>& x) {
  if (x) for_each_row([n = row_length(x)](Scalar* row) { std::fill_n(row, n, Scalar{0}); }, x);
}

}  // namespace sluice::common
