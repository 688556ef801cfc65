// SPDX-License-Identifier: MIT
/// \file
/// Which tensors of a model are learned.
#pragma once

#include <sluice/core/fields.hpp>

#include <concepts>
#include <string_view>
#include <type_traits>

namespace sluice {

/// Real numbers are learned; integers that a model may hold, such as positions and counts, are not:
/// optimisers, norms and clipping pass them by.
template <class Tensor>
inline constexpr bool is_learned =
    std::floating_point<typename std::remove_cvref_t<Tensor>::Scalar>;

namespace detail {

/// Calls f(tensor) for every tensor of `values` that is learned.
template <Visitable Values, class F>
void for_each_learned(Values& values, const F& f) {
  for_each_tensor(
      [&](std::string_view, auto& x) {
        if constexpr (is_learned<decltype(x)>) f(x);
      },
      values);
}

}  // namespace detail

}  // namespace sluice
