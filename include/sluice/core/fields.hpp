// SPDX-License-Identifier: MIT
/// \file
/// Visiting the tensors of a model, of its gradient, or of its state: one list, many uses.
///
/// A type takes part by listing its members once:
///
///     static constexpr auto fields() {
///       return std::tuple{field("weight", &Linear::weight), field("bias", &Linear::bias)};
///     }
///
/// A member is a tensor, a type with `fields()`, or a vector, array, optional or variant of these.
/// Initialisers, optimisers, checkpoints, gradient checks and `zeros_like` all walk that list.
#pragma once

#include <sluice/core/detail/walk.hpp>

#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

template <class... T>
Values values_of(T&... values) {
  static_assert(sizeof...(T) <= Values::most);
  return {int(sizeof...(T)), {const_cast<std::remove_const_t<T>*>(&values)...}};
}

/// f(place, tensor...) with the tensors' types restored, and const where their owners are.
template <class F, class Tensor, class... Owner, std::size_t... i>
void call_with(F& f, const Place& place, const Values& tensors, std::index_sequence<i...>) {
  f(place, *static_cast<std::conditional_t<std::is_const_v<Owner>, const Tensor, Tensor>*>(
               tensors.at[i])...);
}

template <class F, class Tensors, class... Owner>
void call_with_tensors(void* function, const Place& place, const TensorKind& kind,
                       const Values& tensors) {
  auto& f = *static_cast<F*>(function);
  [&]<class... Tensor>(Types<Tensor...>) {
    [[maybe_unused]] bool found = false;
    [[maybe_unused]] const auto one = [&]<class T>(std::type_identity<T>) {
      if (found || !kind.same_as(tensor_kind<T>)) return;
      found = true;
      call_with<F, T, Owner...>(f, place, tensors, std::index_sequence_for<Owner...>{});
    };
    (one(std::type_identity<Tensor>{}), ...);
  }(Tensors{});
}

}  // namespace detail

/// Names a member for `fields()`. An empty name adds nothing to the path of what lies below it; one
/// with dots nests. A role holds for everything below.
template <class Owner, class Member>
constexpr Field<Owner, Member> field(std::string_view name, Member Owner::*pointer,
                                     Role role = Role::weight) {
  return {name, pointer, role};
}

/// Throws ShapeError{"for_each_tensor: layers.0.weight must be [8, 8] in every argument, got
/// [2, 2]"} at the first place where one of `rest` is built otherwise than `first`.
template <Visitable First, std::same_as<First>... Rest>
void require_structure(std::string_view where, const First& first, const Rest&... rest) {
  detail::Walk walk(where);
  detail::walk_through<First>(walk, detail::values_of(first, rest...));
}

/// Calls `f(place, a_tensor, b_tensor, ...)` for every tensor of `a`, in declaration order, with
/// the tensors at the same place in `b`, ... of the same type. A `Place` converts to its name, a
/// dotted path such as "blocks.0.mixer.q_proj.weight", so `f` may ask for a std::string_view.
///
/// \throws ShapeError  unless all arguments have the structure of the first: members, lengths of
///                     vectors, shapes of tensors. Nothing has been visited then.
template <class F, Visitable First, class... Rest>
void for_each_tensor(F&& f, First& first, Rest&... rest) {
  using T = std::remove_const_t<First>;
  if constexpr (sizeof...(Rest) > 0)
    require_structure<T, std::remove_const_t<Rest>...>("for_each_tensor", first, rest...);
  using Function = std::remove_reference_t<F>;
  detail::Walk walk(&detail::call_with_tensors<Function, TensorTypesOf<T>, First, Rest...>,
                    const_cast<void*>(static_cast<const void*>(&f)));
  detail::walk_through<T>(walk, detail::values_of(first, rest...));
}

/// Sets every tensor of `values` to zero.
template <Visitable Values>
void set_zero(Values& values) {
  for_each_tensor([](std::string_view, auto& t) { t.setZero(); }, values);
}

/// A copy of `model` with every tensor zero: its gradient, or a moment of an optimiser.
template <Visitable Model>
Model zeros_like(const Model& model) {
  Model zero = model;
  set_zero(zero);
  return zero;
}

/// Number of scalars in all tensors of `values`.
template <Visitable Values>
std::ptrdiff_t count(const Values& values) {
  std::ptrdiff_t n = 0;
  for_each_tensor([&](std::string_view, const auto& t) { n += t.size(); }, values);
  return n;
}

}  // namespace sluice
