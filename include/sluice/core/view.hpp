// SPDX-License-Identifier: MIT
/// \file
/// A non-owning, strided, row-major window on a dense tensor.
#pragma once

#include <sluice/core/assert.hpp>
#include <sluice/core/error.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <type_traits>

namespace sluice {

using Index = std::ptrdiff_t;  // the same type as Eigen::Index

template <int Rank>
using Shape = std::array<Index, static_cast<std::size_t>(Rank)>;

/// A row-major dense tensor of run-time shape: Eigen::Tensor, Eigen::TensorMap, and look-alikes.
/// Stated by shape rather than by name, so that this header need not include Eigen.
template <class X, class T, int Rank>
concept DenseTensor = requires(X& x) {
  { x.data() } -> std::convertible_to<T*>;
  { x.dimensions()[0] } -> std::convertible_to<Index>;
  requires static_cast<int>(std::remove_cvref_t<X>::NumDimensions) == Rank;
  requires static_cast<int>(std::remove_cvref_t<X>::Layout) == 1;  // Eigen::RowMajor
};

/// One that owns its elements, and takes them with it when it dies.
template <class X>
concept OwningTensor = requires(std::remove_cvref_t<X>& x) {
  x.dimensions();
  x.resize(x.dimensions());
};

/// The argument type of every kernel. Cheap to copy; never owns, never allocates.
/// The innermost stride is 1; outer strides are free, so one head of a fused projection is a view,
/// and an axis of stride 0 repeats its elements. A view without data stands for an absent optional
/// argument. A temporary tensor has no view: it would dangle.
template <class T, int Rank>
class View {
 public:
  using Shape = sluice::Shape<Rank>;
  using Scalar = std::remove_const_t<T>;
  static constexpr int rank = Rank;

  View() = default;

  View(T* data, const Shape& shape) noexcept : data_(data), shape_(shape) {
    Index stride = 1;
    for (std::size_t i = Rank; i-- > 0;) {
      stride_[i] = stride;
      stride *= shape_[i];
    }
  }

  View(T* data, const Shape& shape, const Shape& stride) noexcept
      : data_(data), shape_(shape), stride_(stride) {
    if constexpr (Rank > 0) SLUICE_ASSERT(stride[Rank - 1] == 1);
  }

  template <class X>
  requires(Rank > 0 && DenseTensor<X, T, Rank> &&
           (std::is_lvalue_reference_v<X> || !OwningTensor<X>)) View(X&& x)
  noexcept : View(x.data(), shape_of(x)) {}

  template <class X>
  requires(DenseTensor<X, T, Rank>&& OwningTensor<X> && !std::is_lvalue_reference_v<X>)
      View(X&& temporary)
  = delete;  // would dangle

  /// A read-only view of the same elements, strides included.
  template <class U>
  requires(std::is_const_v<T>&& std::same_as<U, std::remove_const_t<T>>)
      View(const View<U, Rank>& other)
  noexcept : data_(other.data_), shape_(other.shape_), stride_(other.stride_) {}

  explicit operator bool() const noexcept { return data_ != nullptr; }
  T* data() const noexcept { return data_; }
  Index dim(int i) const noexcept { return shape_[static_cast<std::size_t>(i)]; }
  Index stride(int i) const noexcept { return stride_[static_cast<std::size_t>(i)]; }
  const Shape& shape() const noexcept { return shape_; }
  const Shape& strides() const noexcept { return stride_; }

  /// Number of elements.
  Index size() const noexcept {
    Index n = 1;
    for (const Index d : shape_) n *= d;
    return n;
  }

  /// Whether the elements lie one behind the other without gaps.
  bool contiguous() const noexcept {
    Index expected = 1;
    for (std::size_t i = Rank; i-- > 0;) {
      if (shape_[i] != 1 && stride_[i] != expected) return false;
      expected *= shape_[i];
    }
    return true;
  }

  /// The element at the given indices, one an axis: `loss.value()`, `y.value(b, t, d)`.
  template <std::integral... I>
  requires(sizeof...(I) == Rank) T& operator()(I... i) const noexcept {
    Index offset = 0;
    std::size_t axis = 0;
    ((SLUICE_ASSERT(Index(i) >= 0 && Index(i) < shape_[axis]),
      offset += static_cast<Index>(i) * stride_[axis++]),
     ...);
    return data_[offset];
  }

  /// Address of the contiguous innermost row at the given leading indices.
  template <std::integral... I>
  T* row(I... i) const noexcept {
    static_assert(sizeof...(I) == Rank - 1);
    Index offset = 0;
    std::size_t axis = 0;
    ((offset += static_cast<Index>(i) * stride_[axis++]), ...);
    return data_ + offset;
  }

 private:
  template <class, int>
  friend class View;

  template <class X>
  static Shape shape_of(const X& x) noexcept {
    Shape shape;
    for (std::size_t i = 0; i < Rank; ++i) shape[i] = static_cast<Index>(x.dimensions()[i]);
    return shape;
  }

  T* data_ = nullptr;
  Shape shape_{};
  Shape stride_{};
};

/// A view for an argument that is read during the call alone, so that a temporary tensor will do.
template <class T, int Rank>
struct Borrowed {
  View<T, Rank> view;

  Borrowed(const View<T, Rank>& x) noexcept : view(x) {}
  Borrowed(const View<std::remove_const_t<T>, Rank>& x) noexcept requires(std::is_const_v<T>)
      : view(x) {}
  template <class X>
  requires(DenseTensor<const X, T, Rank>) Borrowed(const X& x)
  noexcept : view(x) {}
};

/// Whether all leading axes can be walked with one stride, as `rows` does.
template <class T, int Rank>
bool has_rows(const View<T, Rank>& x) noexcept {
  Index inner = 0, expected = 0;  // 0 until an axis longer than 1 has been met
  for (int i = Rank - 1; i-- > 0;) {
    if (x.dim(i) == 1) continue;
    if (inner == 0) inner = x.stride(i), expected = inner;
    if (x.stride(i) != expected) return false;
    expected *= x.dim(i);
  }
  return true;
}

/// The same elements as a matrix: every leading axis folded into one, [..., D] -> [N, D].
///
/// \throws ShapeError  unless one stride walks all leading axes, as `has_rows` tells.
template <class T, int Rank>
View<T, 2> rows(const View<T, Rank>& x) {
  if (!has_rows(x))
    throw ShapeError("rows: a view of shape " + to_string(x.shape()) +
                     " must have leading axes that one stride walks, got strides " +
                     to_string(x.strides()));
  if constexpr (Rank == 0) {
    return {x.data(), {1, 1}};
  } else {
    const Index width = x.dim(Rank - 1);
    Index n = 1, stride = width;
    for (int i = Rank - 1; i-- > 0;) {
      if (n == 1 && x.dim(i) != 1) stride = x.stride(i);
      n *= x.dim(i);
    }
    return {x.data(), {n, width}, {stride, 1}};
  }
}

/// The part [from, from + count) of one axis, as a view of the same elements.
template <class T, int Rank>
View<T, Rank> slice(const View<T, Rank>& x, int axis, Index from, Index count) noexcept {
  SLUICE_ASSERT(from >= 0 && count >= 0 && from + count <= x.dim(axis));
  auto shape = x.shape();
  shape[static_cast<std::size_t>(axis)] = count;
  return {x.data() + from * x.stride(axis), shape, x.strides()};
}

}  // namespace sluice
