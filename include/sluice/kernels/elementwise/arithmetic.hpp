// SPDX-License-Identifier: MIT
/// \file
/// Sums and products of tensors, and of a tensor and a number, of any rank up to 5.
///
/// Strides are free: an operand whose leading strides are 0 repeats its rows, and a result of that
/// kind, where numbers are added to what is there, sums them in order. What overwrites y may be
/// given y as an input. All throw ShapeError if the shapes do not agree; nothing has been written
/// then. Gradients are made of the same: that of a sum is `add_scaled`, that of a product
/// `add_product`, that of a repeated row `add_rows` or `add_row_products`.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/elementwise/detail/combine.hpp>

#include <string_view>

namespace sluice::kernels {

namespace detail {

template <class Arch, class Scalar, int Rank>
void combine(std::string_view where, Combination kind, const View<const Scalar, Rank>& a,
             const View<const Scalar, Rank>& b, const View<Scalar, Rank>& y,
             const Workspace& workspace) {
  require_shape(where, "b", b.shape(), a.shape(), "to match a");
  require_shape(where, "y", y.shape(), a.shape(), "to match a");
  combine<Arch, Scalar>(kind, common::spans_of(a, b, y), a.data(), b.data(), y.data(),
                        workspace.executor);
}

}  // namespace detail

/// y = a + b. All of one shape.
template <class Arch = simd::DefaultArch, Operand Y>
void add(const ConstViewOf<Y>& a, const ConstViewOf<Y>& b, Y&& y, const Workspace& workspace = {}) {
  detail::combine<Arch>("add", detail::Combination::sum, a, b, ViewOf<Y>(y), workspace);
}

/// y = a - b. All of one shape.
template <class Arch = simd::DefaultArch, Operand Y>
void subtract(const ConstViewOf<Y>& a, const ConstViewOf<Y>& b, Y&& y,
              const Workspace& workspace = {}) {
  detail::combine<Arch>("subtract", detail::Combination::difference, a, b, ViewOf<Y>(y), workspace);
}

/// y = a (.) b. All of one shape.
template <class Arch = simd::DefaultArch, Operand Y>
void multiply(const ConstViewOf<Y>& a, const ConstViewOf<Y>& b, Y&& y,
              const Workspace& workspace = {}) {
  detail::combine<Arch>("multiply", detail::Combination::product, a, b, ViewOf<Y>(y), workspace);
}

/// y = factor x + offset.
template <class Arch = simd::DefaultArch, Operand Y>
void affine(const ConstViewOf<Y>& x, double factor, double offset, Y&& y,
            const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  require_shape("affine", "y", out.shape(), x.shape(), "to match x");
  detail::affine_rows<Arch, ElementOf<Y>>(common::spans_of(x, out), x.data(), ElementOf<Y>(factor),
                                          ElementOf<Y>(offset), out.data(), workspace.executor);
}

/// y += factor x, of one shape; nothing when y has no data.
template <class Arch = simd::DefaultArch, Operand Y>
void add_scaled(const ConstViewOf<Y>& x, double factor, Y&& y, const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  if (!out) return;
  require_shape("add_scaled", "y", out.shape(), x.shape(), "to match x");
  detail::add_scaled_rows<Arch, ElementOf<Y>>(common::spans_of(x, out), x.data(),
                                              ElementOf<Y>(factor), out.data(), workspace.executor);
}

/// y += a (.) b, all of one shape; nothing when y has no data.
template <class Arch = simd::DefaultArch, Operand Y>
void add_product(const ConstViewOf<Y>& a, const ConstViewOf<Y>& b, Y&& y,
                 const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  if (!out) return;
  require_shape("add_product", "b", b.shape(), a.shape(), "to match a");
  require_shape("add_product", "y", out.shape(), a.shape(), "to match a");
  detail::add_product_rows<Arch, ElementOf<Y>>(common::spans_of(a, b, out), a.data(), b.data(),
                                               out.data(), workspace.executor);
}

}  // namespace sluice::kernels
