// SPDX-License-Identifier: MIT
/// \file
/// The walk behind `for_each_tensor`, over values whose types have been forgotten: of a type only a
/// table of its members is compiled, and what is done with the tensors not for every type anew.
#pragma once

#include <sluice/core/detail/tensor_types.hpp>
#include <sluice/core/error.hpp>

#include <cstddef>
#include <memory_resource>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

namespace sluice {

/// Where a tensor stands in a model.
struct Place {
  std::string_view name;  ///< a dotted path
  Role role;
  operator std::string_view() const noexcept { return name; }
};

namespace detail {

/// A type of tensor. Told apart by what it says, for addresses of what is alike may be one.
struct TensorKind {
  std::size_t rank, scalar_bytes;
  bool floating, is_signed;
  std::ptrdiff_t (*dim)(const void* tensor, std::size_t axis);

  bool same_as(const TensorKind& other) const noexcept {
    return rank == other.rank && scalar_bytes == other.scalar_bytes && floating == other.floating &&
           is_signed == other.is_signed;
  }
};

template <class Tensor, class Scalar = typename Tensor::Scalar>
inline constexpr TensorKind tensor_kind = {
    std::size_t(Tensor::NumDimensions), sizeof(Scalar), std::is_floating_point_v<Scalar>,
    std::is_signed_v<Scalar>, [](const void* tensor, std::size_t axis) -> std::ptrdiff_t {
      return static_cast<const Tensor*>(tensor)->dimension(axis);
    }};

/// Some values of one type, all walked at once.
struct Values {
  static constexpr std::size_t most = 6;

  int count = 0;
  void* at[most] = {};

  void move(std::ptrdiff_t bytes) noexcept {
    for (int i = 0; i < count; ++i) at[i] = static_cast<std::byte*>(at[i]) + bytes;
  }
};

class Walk;
using WalkThrough = void (*)(Walk&, const Values&);

/// What a list, an optional or a variant holds: how many, or which.
struct Contents {
  void* first;
  std::size_t size;
};

/// A walk through all tensors of some values. With `each`, that is called for every tensor;
/// without, the values are compared.
class Walk {
 public:
  using Each = void (*)(void* context, const Place&, const TensorKind&, const Values& tensors);

  /// Calls each(context, place, kind, tensors) everywhere.
  Walk(Each each, void* context) : each_(each), context_(context) {}

  /// Throws ShapeError with `where` in front at the first place where values are built differently.
  explicit Walk(std::string_view where) : where_(where) {}

  /// The same member of all owners, given that of the first.
  SLUICE_NOINLINE void member(std::string_view name, Role role, const Values& owners,
                              void* of_first, WalkThrough through) {
    const Role outer = role_;
    if (role != Role::weight) role_ = role;
    Values members = owners;
    members.move(static_cast<std::byte*>(of_first) - static_cast<std::byte*>(owners.at[0]));
    below(name, members, through);
    role_ = outer;
  }

  SLUICE_NOINLINE void list(const Values& lists, Contents (*open)(void*), std::size_t stride,
                            WalkThrough element) {
    std::size_t size = 0;
    Values elements = opened("a list of ", lists, open, size);
    for (std::size_t i = 0; i < size; ++i, elements.move(std::ptrdiff_t(stride)))
      below(std::to_string(i), elements, element);
  }

  SLUICE_NOINLINE void optional(const Values& optionals, Contents (*open)(void*),
                                WalkThrough value) {
    std::size_t size = 0;
    const Values held = opened("a presence of ", optionals, open, size);
    if (size != 0) value(*this, held);
  }

  SLUICE_NOINLINE void variant(const Values& variants, Contents (*open)(void*),
                               const WalkThrough* alternatives) {
    std::size_t index = 0;
    const Values held = opened("alternative ", variants, open, index);
    alternatives[index](*this, held);
  }

  SLUICE_NOINLINE void tensor(const Values& tensors, const TensorKind& kind) {
    if (each_ != nullptr) return each_(context_, {path_, role_}, kind, tensors);
    for (int i = 1; i < tensors.count; ++i)
      for (std::size_t axis = 0; axis < kind.rank; ++axis)
        if (kind.dim(tensors.at[i], axis) != kind.dim(tensors.at[0], axis))
          differ(shape_of(kind, tensors.at[0]), shape_of(kind, tensors.at[i]));
  }

 private:
  void below(std::string_view name, const Values& values, WalkThrough through) {
    const std::size_t mark = path_.size();
    if (mark != 0 && !name.empty()) path_ += '.';
    path_ += name;
    through(*this, values);
    path_.resize(mark);
  }

  Values opened(std::string_view what, const Values& values, Contents (*open)(void*),
                std::size_t& size) const {
    Values held{values.count};
    for (int i = 0; i < values.count; ++i) {
      const Contents contents = open(values.at[i]);
      held.at[i] = contents.first;
      if (i == 0) size = contents.size;
      if (contents.size != size)
        differ(std::string(what) + std::to_string(size), std::to_string(contents.size));
    }
    return held;
  }

  SLUICE_OUTLINE static std::string shape_of(const TensorKind& kind, const void* tensor) {
    std::vector<std::ptrdiff_t> sizes(kind.rank);
    for (std::size_t axis = 0; axis < kind.rank; ++axis) sizes[axis] = kind.dim(tensor, axis);
    return shape_text(sizes.data(), sizes.size());
  }

  [[noreturn]] SLUICE_OUTLINE void differ(const std::string& expected,
                                          const std::string& got) const {
    throw ShapeError(std::string(where_) + ": " + std::string(path_) + " must be " + expected +
                     " in every argument, got " + got);
  }

  // A name of usual length costs no allocation, for states are walked in real time.
  std::byte memory_[256];
  std::pmr::monotonic_buffer_resource room_{memory_, sizeof memory_};
  std::pmr::string path_{&room_};
  Role role_ = Role::weight;
  Each each_ = nullptr;
  void* context_ = nullptr;
  std::string_view where_;
};

/// Walks through values of type T.
template <class T>
void walk_through(Walk& walk, const Values& values) {
  [[maybe_unused]] T& first = *static_cast<T*>(values.at[0]);
  if constexpr (Visitable<T>) {
    std::apply(
        [&](const auto&... field) {
          (walk.member(field.name, field.role, values, &(first.*field.pointer),
                       &walk_through<std::remove_cvref_t<decltype(first.*field.pointer)>>),
           ...);
        },
        T::fields());
  } else if constexpr (is_sequence<T>) {
    using Element = typename T::value_type;
    walk.list(
        values,
        [](void* list) -> Contents {
          return {static_cast<T*>(list)->data(), static_cast<T*>(list)->size()};
        },
        sizeof(Element), &walk_through<Element>);
  } else if constexpr (is_optional<T>) {
    walk.optional(
        values,
        [](void* optional) -> Contents {
          auto& value = *static_cast<T*>(optional);
          return {value ? &*value : nullptr, value ? 1u : 0u};
        },
        &walk_through<typename T::value_type>);
  } else if constexpr (is_variant<T>) {
    [&]<class... Held>(std::type_identity<std::variant<Held...>>) {
      static constexpr WalkThrough alternatives[] = {&walk_through<Held>...};
      walk.variant(
          values,
          [](void* variant) -> Contents {
            auto& value = *static_cast<T*>(variant);
            return {std::visit([](auto& held) -> void* { return &held; }, value), value.index()};
          },
          alternatives);
    }(std::type_identity<T>{});
  } else {
    walk.tensor(values, tensor_kind<T>);
  }
}

}  // namespace detail

}  // namespace sluice
