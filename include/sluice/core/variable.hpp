// SPDX-License-Identifier: MIT
/// \file
/// A tensor in flight.
#pragma once

#include <sluice/core/view.hpp>

namespace sluice {

template <class Scalar>
class Tape;

/// A tensor in flight: its value and, while somebody wants it, its gradient. Cheap to copy; the
/// tape owns the memory. The value is read-only: only the operation that makes it writes it.
///
/// Numbers are read through the value: `loss.value()`, `y.value(b, t, d)`.
template <class S, int Rank>
struct Variable {
  using Scalar = S;
  Tape<S>* tape = nullptr;
  View<const S, Rank> value;
  View<S, Rank> gradient;  ///< no data when nobody asked for it

  Index dim(int i) const noexcept { return value.dim(i); }
  const Shape<Rank>& shape() const noexcept { return value.shape(); }
};

/// A variable in the making: the operation writes `out`, then hands on the variable.
template <class S, int Rank>
struct Result : Variable<S, Rank> {
  View<S, Rank> out;
};

}  // namespace sluice
