// SPDX-License-Identifier: MIT
/// \file
/// Rows of a table, by number.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/gather/gather.hpp>

#include <algorithm>
#include <cstdint>

namespace sluice {

/// y[..] = table[ids[..]]. The gradient is added to the rows that were read, in order.
///
/// \param table  [rows, D], a parameter or computed.
/// \param ids    any shape, each in [0, rows of the table); must outlive the pass.
/// \returns      [.., D], contiguous.
/// \throws ArgumentError  naming the first id out of range and its place.
template <class S, int R>
Variable<S, R + 1> gather(const Variable<S, 2>& table, const View<const std::int64_t, R>& ids) {
  Shape<R + 1> shape;
  std::copy(ids.shape().begin(), ids.shape().end(), shape.begin());
  shape[R] = table.dim(1);
  return operation(
      shape, [&](const View<S, R + 1>& y) { kernels::gather(table.value, ids, y); },
      [=](auto, const View<const S, R + 1>& dy) {
        kernels::gather_backward(ids, dy, table.gradient);
      },
      table);
}

}  // namespace sluice
