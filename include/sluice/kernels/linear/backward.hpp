// SPDX-License-Identifier: MIT
/// \file
/// The gradients of the linear layer.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/kernels/linear/linear.hpp>

namespace sluice::kernels {

/// `linear_backward` below for a scalar that is named: linear_backward<Arch, float>(...).
template <class Arch, std::floating_point Scalar>
void linear_backward(const std::type_identity_t<View<const Scalar, 2>>& x,
                     const std::type_identity_t<View<const Scalar, 2>>& weight,
                     const std::type_identity_t<View<const Scalar, 2>>& dy,
                     const std::type_identity_t<View<Scalar, 2>>& dx,
                     const std::type_identity_t<View<Scalar, 2>>& dweight,
                     const std::type_identity_t<View<Scalar, 1>>& dbias,
                     const Workspace& workspace = {}) {
  detail::require_linear<Scalar>("linear_backward", x, weight, dbias, dy.shape());
  if (dx) require_shape("linear_backward", "dx", dx.shape(), x.shape(), "to match x");
  if (dweight)
    require_shape("linear_backward", "dweight", dweight.shape(), weight.shape(), "to match weight");
  const Index M = x.dim(0), in = x.dim(1), out = weight.dim(0);
  constexpr Index block = detail::block_rows;
  if (dx) {
    Scratch scratch(workspace);
    Scalar* packed = scratch.allocate<Scalar>(detail::packed_size<Scalar, Arch>(out, in));
    detail::pack<Arch, Scalar>(out, in, {weight.data(), weight.stride(0), 1}, packed);
    workspace.executor.for_each((M + block - 1) / block, [&](Index task) {
      const Index i = task * block;
      detail::times_packed<Arch, Scalar>(std::min(block, M - i), in, out,
                                         {dy.row(i), dy.stride(0), 1}, packed, dx.row(i),
                                         dx.stride(0), simd::Write::add);
    });
  }
  if (dweight) {
    // A task owns one panel of columns of dweight and runs down all tokens.
    constexpr Index width = detail::panel_width<Scalar, Arch>;
    const Index panels = (in + width - 1) / width;
    Scratch scratch(workspace);
    Scalar* packed = scratch.allocate<Scalar>(panels * width * detail::slice_rows);
    workspace.executor.for_each(panels, [&](Index task) {
      const Index j = task * width;
      Scalar* panel = packed + task * width * detail::slice_rows;
      for (Index k = 0; k < M; k += detail::slice_rows) {
        const Index rows = std::min(detail::slice_rows, M - k);
        detail::pack_panel<Arch, Scalar>(rows, in, j, {x.row(k), x.stride(0), 1}, panel);
        detail::transposed_times_panel<Arch>(out, in - j, rows, dy.row(k), dy.stride(0), panel,
                                             dweight.data() + j, dweight.stride(0));
      }
    });
  }
  if (dbias)
    for (Index i = 0; i < M; ++i)
      for (Index j = 0; j < out; ++j) dbias.data()[j] += dy.row(i)[j];
}

SLUICE_COMPILED_KERNEL(linear_backward);

/// Gradients of `linear`, all added to what is there; targets without data are skipped.
///
///     dx += dy weight        dweight += dy^T x        dbias += sum over rows of dy
///
/// Every element is summed in the same order whatever the number of threads.
///
/// \param x        [N, in], \param weight [out, in], \param dy [N, out].
/// \param dx       [N, in], \param dweight [out, in], \param dbias [out].
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void linear_backward(const ConstViewOf<Y>& x, const ConstViewOf<Y>& weight, const Y& dy,
                     const ViewOf<Y>& dx, const ViewOf<Y>& dweight, const ViewOf<Y, 1>& dbias,
                     const Workspace& workspace = {}) {
  linear_backward<Arch, ElementOf<Y>>(x, weight, dy, dx, dweight, dbias, workspace);
}

}  // namespace sluice::kernels
