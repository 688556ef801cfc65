// SPDX-License-Identifier: MIT
/// \file
/// Which types of tensors a model holds.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

namespace sluice {

/// What a tensor means to an optimiser.
enum class Role {
  weight,  ///< a direction in which zero is nothing
  rate     ///< a decay rate, a pole: zero is a value like any other, so it is never decayed
};

template <class Owner, class Member>
struct Field {
  std::string_view name;
  Member Owner::*pointer;
  Role role;
};

/// A type whose tensors are reachable through `fields()`.
template <class T>
concept Visitable = requires {
  std::remove_cvref_t<T>::fields();
};

namespace detail {

template <class T>
inline constexpr bool is_sequence = false;
template <class T>
inline constexpr bool is_sequence<std::vector<T>> = true;
template <class T, std::size_t N>
inline constexpr bool is_sequence<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_variant = false;
template <class... T>
inline constexpr bool is_variant<std::variant<T...>> = true;

template <class... T>
struct Types {};

template <class List, class T>
struct With;
template <class... Known, class T>
struct With<Types<Known...>, T> {
  using type =
      std::conditional_t<(std::is_same_v<Known, T> || ...), Types<Known...>, Types<Known..., T>>;
};

/// A list, and the types of tensors in T that are not in it yet.
template <class List, class T>
struct TensorTypes : With<List, T> {};

template <class List, class... T>
struct AllTensorTypes {
  using type = List;
};
template <class List, class First, class... Rest>
struct AllTensorTypes<List, First, Rest...>
    : AllTensorTypes<typename TensorTypes<List, First>::type, Rest...> {};

template <class List, class T>
struct TensorTypes<List, std::vector<T>> : TensorTypes<List, T> {};
template <class List, class T, std::size_t N>
struct TensorTypes<List, std::array<T, N>> : TensorTypes<List, T> {};
template <class List, class T>
struct TensorTypes<List, std::optional<T>> : TensorTypes<List, T> {};
template <class List, class... T>
struct TensorTypes<List, std::variant<T...>> : AllTensorTypes<List, T...> {};
template <class List, class... Owner, class... Member>
struct TensorTypes<List, std::tuple<Field<Owner, Member>...>> : AllTensorTypes<List, Member...> {};
template <class List, Visitable T>
struct TensorTypes<List, T> : TensorTypes<List, decltype(T::fields())> {};

}  // namespace detail

/// Every type of tensor in T, once.
template <class T>
using TensorTypesOf = typename detail::TensorTypes<detail::Types<>, T>::type;

}  // namespace sluice
