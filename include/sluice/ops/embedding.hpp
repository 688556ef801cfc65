// SPDX-License-Identifier: MIT
/// \file
/// Rows of a table, by number.
#pragma once

#include <sluice/core/ids.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>

#include <cstdint>

namespace sluice {

/// y[b, t] = table[ids[b, t]]. The gradient is added to the rows that were read, in order.
///
/// \param ids    [B, T], each in [0, rows of the table); must outlive the pass.
/// \param table  [rows, D].
/// \returns      [B, T, D].
/// \throws ArgumentError  naming the first id out of range and its place.
template <class Scalar>
Variable<Scalar, 3> embedding(Tape<Scalar>& tape, const View<const std::int64_t, 2>& ids,
                              const Tensor<Scalar, 2>& table) {
  require_ids("embedding", ids, table.dimension(0));
  const Index D = table.dimension(1);
  Scalar* const dtable = tape.gradient_of(table);
  const auto y = tape.result(Shape<3>{ids.dim(0), ids.dim(1), D}, dtable);
  for (Index b = 0; b < ids.dim(0); ++b)
    for (Index t = 0; t < ids.dim(1); ++t) {
      const Scalar* from = table.data() + ids.row(b)[t] * D;
      Scalar* to = y.out.row(b, t);
      for (Index i = 0; i < D; ++i) to[i] = from[i];
    }
  if (y.gradient)
    tape.on_backward([ids, dy = y.gradient, dtable, D] {
      for (Index b = 0; b < ids.dim(0); ++b)
        for (Index t = 0; t < ids.dim(1); ++t) {
          const Scalar* from = dy.row(b, t);
          Scalar* to = dtable + ids.row(b)[t] * D;
          for (Index i = 0; i < D; ++i) to[i] += from[i];
        }
    });
  return y;
}

}  // namespace sluice
