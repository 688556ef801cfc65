// SPDX-License-Identifier: MIT
/// \file
/// Rows of a table, by number.
#pragma once

#include <sluice/core/ids.hpp>
#include <sluice/core/operation.hpp>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace sluice {

namespace detail {

/// Calls f(row_of_table, row_of_y) for every id, in order.
template <class F, int R>
void for_each_id(const View<const std::int64_t, R>& ids, const F& f) {
  Index row = 0;
  const Index n = row_length(ids);
  for_each_row(
      [&](const std::int64_t* id) {
        for (Index i = 0; i < n; ++i) f(static_cast<Index>(id[i]), row++);
      },
      ids);
}

}  // namespace detail

/// y[..] = table[ids[..]]. The gradient is added to the rows that were read, in order.
///
/// \param table  [rows, D], a parameter or computed.
/// \param ids    any shape, each in [0, rows of the table); must outlive the pass.
/// \returns      [.., D], contiguous.
/// \throws ArgumentError  naming the first id out of range and its place.
template <class S, int R>
Variable<S, R + 1> gather(const Variable<S, 2>& table, const View<const std::int64_t, R>& ids) {
  require_ids("gather", ids, table.dim(0));
  const Index D = table.dim(1);
  Shape<R + 1> shape;
  std::copy(ids.shape().begin(), ids.shape().end(), shape.begin());
  shape[R] = D;
  return operation(
      shape,
      [&](const View<S, R + 1>& y) {
        detail::for_each_id(ids, [&](Index from, Index to) {
          std::copy_n(table.value.row(from), D, y.data() + to * D);
        });
      },
      [=](auto, const View<const S, R + 1>& dy) {
        detail::for_each_id(ids, [&](Index to, Index from) {
          for (Index i = 0; i < D; ++i) table.gradient.row(to)[i] += dy.data()[from * D + i];
        });
      },
      table);
}

}  // namespace sluice
