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

/// Where two values are built differently, if they are.
class StructureCheck {
 public:
  /// Whether b holds the same members, of the same lengths and shapes, as a. With a path, it leads
  /// to the first place where not, and `expected` and `got` tell what.
  template <class A, class B>
  bool same(const A& a, const B& b) {
    if constexpr (Visitable<A>) {
      bool all = true;
      for_each_field<A>([&](const auto& member) {
        all = all && below(member.name, a.*member.pointer, b.*member.pointer);
      });
      return all;
    } else if constexpr (is_sequence<A>) {
      if (a.size() != b.size()) return differ("a list of ", a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i)
        if (!below(naming_ ? std::to_string(i) : std::string(), a[i], b[i])) return false;
      return true;
    } else if constexpr (is_optional<A>) {
      if (a.has_value() != b.has_value()) return differ("a presence of ", a ? 1 : 0, b ? 1 : 0);
      return !a || same(*a, *b);
    } else if constexpr (is_variant<A>) {
      if (a.index() != b.index()) return differ("alternative ", a.index(), b.index());
      return std::visit(
          [&](const auto& held) {
            return same(held, std::get<std::remove_cvref_t<decltype(held)>>(b));
          },
          a);
    } else {
      const auto shape = dimensions_of(a), other = dimensions_of(b);
      if (shape == other) return true;
      if (naming_) expected_ = to_string(shape), got_ = to_string(other);
      return false;
    }
  }

  /// Throws at the first place where the two differ.
  template <class A, class B>
  [[noreturn]] void report(std::string_view where, const A& a, const B& b) {
    naming_ = true;
    same(a, b);
    throw ShapeError(std::string(where) + ": " + path_ + " must be " + expected_ +
                     " in every argument, got " + got_);
  }

 private:
  template <class A, class B>
  bool below(std::string_view name, const A& a, const B& b) {
    const std::size_t mark = path_.size();
    if (naming_) path_ += (mark != 0 && !name.empty() ? "." : "") + std::string(name);
    if (!same(a, b)) return false;
    path_.resize(mark);
    return true;
  }
  bool differ(std::string_view what, std::size_t a, std::size_t b) {
    if (naming_) expected_ = std::string(what) + std::to_string(a), got_ = std::to_string(b);
    return false;
  }

  bool naming_ = false;
  std::string path_, expected_, got_;
};

}  // namespace detail

}  // namespace sluice
