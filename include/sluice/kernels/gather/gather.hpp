// SPDX-License-Identifier: MIT
/// \file
/// Rows of a table by number: embeddings, and whatever else reads rows out of order.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/ids.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace sluice::kernels {

namespace detail {

/// Throws unless ids [..] in [0, rows) and rows [.., D] fit a table [rows, D].
template <class T, class U, int Rank>
void require_gather(std::string_view where, const View<T, 2>& table,
                    const View<const std::int64_t, Rank - 1>& ids, std::string_view name,
                    const View<U, Rank>& y) {
  Shape<Rank> shape;
  std::copy(ids.shape().begin(), ids.shape().end(), shape.begin());
  shape[Rank - 1] = table.dim(1);
  require_shape(where, name, y.shape(), shape, "to match ids and table");
  require_ids(where, ids, table.dim(0));
}

/// Calls f(id, row) for every row of y [.., D], in order.
template <class F, class T, int Rank>
void for_each_gathered(const F& f, const View<const std::int64_t, Rank - 1>& ids,
                       const View<T, Rank>& y) {
  Shape<Rank> stride{};
  for (int axis = 0; axis < Rank - 1; ++axis) stride[std::size_t(axis)] = ids.stride(axis);
  stride[std::size_t(Rank - 1)] = 1;
  for_each_row([&](T* row, const std::int64_t* id) { f(*id, row); }, y,
               View<const std::int64_t, Rank>(ids.data(), y.shape(), stride));
}

}  // namespace detail

/// y[..] = table[ids[..]].
///
/// \param table  [rows, D].
/// \param ids    [..], each in [0, rows).
/// \param y      [.., D]; overwritten. Must not overlap the table.
/// \throws ShapeError, ArgumentError  if the shapes do not agree or an id is out of range, naming
///                                    the first; nothing has been written then.
template <Operand Y, int Rank = rank_of<Y>>
void gather(const ConstViewOf<Y, 2>& table,
            const std::type_identity_t<View<const std::int64_t, Rank - 1>>& ids, Y&& y,
            const Workspace& = {}) {
  const ViewOf<Y> out(y);
  detail::require_gather("gather", table, ids, "y", out);
  const Index D = table.dim(1);
  detail::for_each_gathered(
      [&](std::int64_t id, ElementOf<Y>* row) { std::copy_n(table.row(id), D, row); }, ids, out);
}

/// Adjoint of `gather`: dtable[ids[..]] += dy[..], in the order of the ids. Skipped when dtable has
/// no data.
///
/// \throws ShapeError, ArgumentError  as `gather`.
template <Operand Y, int Rank = rank_of<Y>>
void gather_backward(const std::type_identity_t<View<const std::int64_t, Rank - 1>>& ids,
                     const Y& dy, const ViewOf<Y, 2>& dtable, const Workspace& = {}) {
  if (!dtable) return;
  const ConstViewOf<Y> grad(dy);
  detail::require_gather("gather_backward", dtable, ids, "dy", grad);
  const Index D = dtable.dim(1);
  detail::for_each_gathered(
      [&](std::int64_t id, const ElementOf<Y>* row) {
        ElementOf<Y>* const to = dtable.row(id);
        for (Index i = 0; i < D; ++i) to[i] += row[i];
      },
      ids, grad);
}

}  // namespace sluice::kernels
