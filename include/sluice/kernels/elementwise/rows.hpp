// SPDX-License-Identifier: MIT
/// \file
/// Every row of a tensor with one row: biases and scales, and their gradients.
///
/// The functions with y overwrite it, and y may be x itself; the others add to what is there, row
/// after row in order. All throw ShapeError if the shapes do not agree; nothing has been written
/// then.
#pragma once

#include <sluice/kernels/elementwise/arithmetic.hpp>

namespace sluice::kernels {

namespace detail {

template <class Arch, class Scalar, int Rank>
void combine_row(std::string_view where, Combination kind, const View<const Scalar, Rank>& x,
                 const View<const Scalar, 1>& row, const View<Scalar, Rank>& y,
                 const Workspace& workspace) {
  require_shape(where, "row", row.shape(), {row_length(x)}, "to match x");
  require_shape(where, "y", y.shape(), x.shape(), "to match x");
  combine<Arch, Scalar>(kind, common::spans_of(x, repeated(row, x), y), x.data(), row.data(),
                        y.data(), workspace.executor);
}

}  // namespace detail

/// y = x + row. x [.., D], row [D], y as x.
template <class Arch = simd::DefaultArch, Operand Y>
void add_row(const ConstViewOf<Y>& x, const ConstViewOf<Y, 1>& row, Y&& y,
             const Workspace& workspace = {}) {
  detail::combine_row<Arch>("add_row", detail::Combination::sum, x, row, ViewOf<Y>(y), workspace);
}

/// y = x (.) row. x [.., D], row [D], y as x.
template <class Arch = simd::DefaultArch, Operand Y>
void multiply_row(const ConstViewOf<Y>& x, const ConstViewOf<Y, 1>& row, Y&& y,
                  const Workspace& workspace = {}) {
  detail::combine_row<Arch>("multiply_row", detail::Combination::product, x, row, ViewOf<Y>(y),
                            workspace);
}

/// y += x (.) row; nothing when y has no data. x [.., D], row [D], y as x.
template <class Arch = simd::DefaultArch, Operand Y>
void add_product_row(const ConstViewOf<Y>& x, const ConstViewOf<Y, 1>& row, Y&& y,
                     const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  if (!out) return;
  require_shape("add_product_row", "row", row.shape(), {row_length(x)}, "to match x");
  require_shape("add_product_row", "y", out.shape(), x.shape(), "to match x");
  detail::add_product_rows<Arch, ElementOf<Y>>(common::spans_of(x, detail::repeated(row, x), out),
                                               x.data(), row.data(), out.data(),
                                               workspace.executor);
}

/// sum += all rows of x; nothing when sum has no data. x [.., D], sum [D].
template <class Arch = simd::DefaultArch, Operand X>
void add_rows(const X& x, const ViewOf<X, 1>& sum, const Workspace& workspace = {}) {
  if (!sum) return;
  const ConstViewOf<X> in(x);
  require_shape("add_rows", "sum", sum.shape(), {row_length(in)}, "to match x");
  detail::add_scaled_rows<Arch, ElementOf<X>>(common::spans_of(in, detail::repeated(sum, in)),
                                              in.data(), 1, sum.data(), workspace.executor);
}

/// sum += all rows of a (.) b; nothing when sum has no data. a, b [.., D], sum [D].
template <class Arch = simd::DefaultArch, Operand X>
void add_row_products(const X& a, const ConstViewOf<X>& b, const ViewOf<X, 1>& sum,
                      const Workspace& workspace = {}) {
  if (!sum) return;
  const ConstViewOf<X> in(a);
  require_shape("add_row_products", "b", b.shape(), in.shape(), "to match a");
  require_shape("add_row_products", "sum", sum.shape(), {row_length(in)}, "to match a");
  detail::add_product_rows<Arch, ElementOf<X>>(common::spans_of(in, b, detail::repeated(sum, in)),
                                               in.data(), b.data(), sum.data(), workspace.executor);
}

}  // namespace sluice::kernels
