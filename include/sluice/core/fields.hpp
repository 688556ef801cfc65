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
/// Initialisers, optimisers, checkpoints, gradient checks and `zeros_like` all walk that list.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace sluice {

template <class Owner, class Member>
struct Field {
  std::string_view name;
  Member Owner::*pointer;
};

/// Names a member for `fields()`. An empty name adds nothing to the path of what lies below it.
template <class Owner, class Member>
constexpr Field<Owner, Member> field(std::string_view name, Member Owner::*pointer) {
  return {name, pointer};
}

/// A type whose tensors are reachable through `fields()`.
template <class T>
concept Visitable = requires {
  std::remove_cvref_t<T>::fields();
};

namespace detail {

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class F, class First, class... Rest>
void visit(std::string& path, F& f, First& first, Rest&... rest) {
  using T = std::remove_const_t<First>;
  const std::size_t mark = path.size();
  const auto enter = [&](std::string_view name) {
    if (mark != 0 && !name.empty()) path += '.';
    path += name;
  };
  if constexpr (Visitable<T>) {
    const auto one = [&](const auto& member) {
      enter(member.name);
      visit(path, f, first.*member.pointer, rest.*member.pointer...);
      path.resize(mark);
    };
    std::apply([&](const auto&... members) { (one(members), ...); }, T::fields());
  } else if constexpr (is_vector<T>) {
    for (std::size_t i = 0; i < first.size(); ++i) {
      enter(std::to_string(i));
      visit(path, f, first[i], rest[i]...);
      path.resize(mark);
    }
  } else if constexpr (is_optional<T>) {
    if (first) visit(path, f, *first, *rest...);
  } else {
    f(std::string_view(path), first, rest...);
  }
}

}  // namespace detail

/// Calls `f(name, a_tensor, b_tensor, ...)` for every tensor of `a`, in declaration order, with
/// the tensors at the same place in `b`, ... . Names are dotted paths, such as
/// "blocks.0.mixer.q_proj.weight". All arguments must have the structure of the first.
template <class F, Visitable First, class... Rest>
void for_each_tensor(F&& f, First& first, Rest&... rest) {
  std::string path;
  detail::visit(path, f, first, rest...);
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
