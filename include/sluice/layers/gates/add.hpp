// SPDX-License-Identifier: MIT
/// \file
/// The plain residual: what a sublayer says is added to what it read.
#pragma once

#include <sluice/ops/arithmetic.hpp>

#include <tuple>

namespace sluice {

/// x + y.
struct Add {
  static constexpr auto fields() { return std::tuple{}; }

  template <class S, int R>
  Variable<S, R> operator()(const Variable<S, R>& x, const Variable<S, R>& y) const {
    return x + y;
  }
};

}  // namespace sluice
