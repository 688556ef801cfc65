// SPDX-License-Identifier: MIT
/// \file
/// The owning tensor of sluice: Eigen's, row-major. Used as a container; loops over it are ours.
#pragma once

#include <sluice/core/view.hpp>

#include <unsupported/Eigen/CXX11/Tensor>

namespace sluice {

/// A dense, row-major tensor that owns its elements.
template <class Scalar, int Rank>
using Tensor = Eigen::Tensor<Scalar, Rank, Eigen::RowMajor, Index>;

/// The shape of a tensor, as views and errors spell it.
template <class Scalar, int Rank>
Shape<Rank> shape_of(const Tensor<Scalar, Rank>& x) noexcept {
  Shape<Rank> shape;
  for (std::size_t i = 0; i < Rank; ++i) shape[i] = x.dimension(i);
  return shape;
}

/// A tensor of the given shape, every element 0.
template <class Scalar, std::size_t Rank>
Tensor<Scalar, int(Rank)> zeros(const std::array<Index, Rank>& shape) {
  Tensor<Scalar, int(Rank)> x(shape);
  x.setZero();
  return x;
}

template <class Scalar, int Rank, int Options>
View(const Eigen::Tensor<Scalar, Rank, Options, Index>&) -> View<const Scalar, Rank>;
template <class Scalar, int Rank, int Options>
View(Eigen::Tensor<Scalar, Rank, Options, Index>&) -> View<Scalar, Rank>;

}  // namespace sluice
