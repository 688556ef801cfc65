// SPDX-License-Identifier: MIT
/// \file
/// The walk behind `for_each_tensor`.
#pragma once

#include <sluice/core/error.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
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

/// Where a tensor stands in a model.
struct Place {
  std::string_view name;  ///< a dotted path
  Role role;
  operator std::string_view() const noexcept { return name; }
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

/// Calls f(field...) with every field of a type.
template <class T, class F>
void for_each_field(const F& f) {
  std::apply([&](const auto&... fields) { (f(fields), ...); }, T::fields());
}

template <class F, class First, class... Rest>
void visit(std::string& path, Role role, F& f, First& first, Rest&... rest) {
  using T = std::remove_const_t<First>;
  const std::size_t mark = path.size();
  const auto enter = [&](std::string_view name) {
    if (mark != 0 && !name.empty()) path += '.';
    path += name;
  };
  if constexpr (Visitable<T>) {
    for_each_field<T>([&](const auto& member) {
      enter(member.name);
      visit(path, member.role == Role::weight ? role : member.role, f, first.*member.pointer,
            rest.*member.pointer...);
      path.resize(mark);
    });
  } else if constexpr (is_sequence<T>) {
    for (std::size_t i = 0; i < first.size(); ++i) {
      enter(std::to_string(i));
      visit(path, role, f, first[i], rest[i]...);
      path.resize(mark);
    }
  } else if constexpr (is_optional<T>) {
    if (first) visit(path, role, f, *first, *rest...);
  } else if constexpr (is_variant<T>) {
    std::visit(
        [&](auto& held) {
          using Held = std::remove_const_t<std::remove_reference_t<decltype(held)>>;
          visit(path, role, f, held, std::get<Held>(rest)...);
        },
        first);
  } else {
    f(Place{path, role}, first, rest...);
  }
}

template <class Tensor>
auto dimensions_of(const Tensor& x) {
  std::array<std::ptrdiff_t, std::size_t(Tensor::NumDimensions)> shape{};
  for (std::size_t i = 0; i < shape.size(); ++i) shape[i] = x.dimensions()[i];
  return shape;
}

/// Whether b holds the same members, of the same lengths and shapes, as a.
template <class A, class B>
bool same_structure(const A& a, const B& b) {
  if constexpr (Visitable<A>) {
    bool same = true;
    for_each_field<A>([&](const auto& member) {
      same = same && same_structure(a.*member.pointer, b.*member.pointer);
    });
    return same;
  } else if constexpr (is_sequence<A>) {
    bool same = a.size() == b.size();
    for (std::size_t i = 0; same && i < a.size(); ++i) same = same_structure(a[i], b[i]);
    return same;
  } else if constexpr (is_optional<A>) {
    return a.has_value() == b.has_value() && (!a || same_structure(*a, *b));
  } else if constexpr (is_variant<A>) {
    return a.index() == b.index() &&
           std::visit(
               [&](const auto& held) {
                 return same_structure(held, std::get<std::remove_cvref_t<decltype(held)>>(b));
               },
               a);
  } else {
    return dimensions_of(a) == dimensions_of(b);
  }
}

/// Throws at the first place where `same_structure` fails.
template <class A, class B>
void report_structure(std::string_view where, std::string& path, const A& a, const B& b) {
  const std::size_t mark = path.size();
  const auto fail = [&](const std::string& expected, const std::string& got) {
    throw ShapeError(std::string(where) + ": " + path + " must be " + expected +
                     " in every argument, got " + got);
  };
  const auto enter = [&](std::string_view name, const auto& inner, const auto& other) {
    if (mark != 0 && !name.empty()) path += '.';
    path += name;
    report_structure(where, path, inner, other);
    path.resize(mark);
  };
  if constexpr (Visitable<A>) {
    for_each_field<A>(
        [&](const auto& member) { enter(member.name, a.*member.pointer, b.*member.pointer); });
  } else if constexpr (is_sequence<A>) {
    if (a.size() != b.size())
      fail("a list of " + std::to_string(a.size()), std::to_string(b.size()));
    for (std::size_t i = 0; i < a.size(); ++i) enter(std::to_string(i), a[i], b[i]);
  } else if constexpr (is_optional<A>) {
    if (a.has_value() != b.has_value()) fail(a ? "present" : "absent", b ? "present" : "absent");
    if (a) enter("", *a, *b);
  } else if constexpr (is_variant<A>) {
    if (a.index() != b.index())
      fail("alternative " + std::to_string(a.index()), std::to_string(b.index()));
    std::visit(
        [&](const auto& held) {
          enter("", held, std::get<std::remove_cvref_t<decltype(held)>>(b));
        },
        a);
  } else if (dimensions_of(a) != dimensions_of(b)) {
    fail(to_string(dimensions_of(a)), to_string(dimensions_of(b)));
  }
}

}  // namespace detail

}  // namespace sluice
