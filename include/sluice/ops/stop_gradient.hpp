// SPDX-License-Identifier: MIT
/// \file
/// Where the way back ends.
#pragma once

#include <sluice/core/variable.hpp>

namespace sluice {

/// The same value without a gradient: a constant for whatever is made of it. A view.
template <class S, int R>
Variable<S, R> stop_gradient(const Variable<S, R>& x) noexcept {
  return {x.tape, x.value, View<S, R>(nullptr, x.shape())};
}

}  // namespace sluice
