// SPDX-License-Identifier: MIT
/// \file
/// How kernels find their scalar: it is that of the output, a view or a tensor, or in a backward
/// pass that of the output's gradient. All other arguments convert to it, so that inputs in braces
/// and numbers of any type can be written where they are used.
#pragma once

#include <sluice/core/view.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace sluice {

/// The scalar of a view or of a dense tensor.
template <class X>
using ElementOf = std::remove_const_t<std::remove_pointer_t<decltype(std::declval<X&>().data())>>;

namespace detail {
template <class X>
constexpr int rank_of() noexcept {
  if constexpr (requires { X::NumDimensions; })
    return static_cast<int>(X::NumDimensions);
  else if constexpr (requires { X::rank; })
    return X::rank;
  else
    return -1;  // a scalar, where overloads are told apart
}
}  // namespace detail

/// The rank of a view or of a dense tensor.
template <class X>
inline constexpr int rank_of = detail::rank_of<std::remove_cvref_t<X>>();

/// A view, or a tensor that converts to one.
template <class X>
concept Operand = std::floating_point<ElementOf<X>> &&
    std::convertible_to<X&, View<const ElementOf<X>, rank_of<X>>>;

/// A view with the scalar of X, by default of its rank.
template <class X, int Rank = rank_of<X>>
using ViewOf = std::type_identity_t<View<ElementOf<X>, Rank>>;
template <class X, int Rank = rank_of<X>>
using ConstViewOf = std::type_identity_t<View<const ElementOf<X>, Rank>>;

}  // namespace sluice
