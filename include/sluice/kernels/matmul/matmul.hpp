// SPDX-License-Identifier: MIT
/// \file
/// Products of batches of matrices, either side transposed, and their gradients, which are products
/// of the same kind.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/matmul/detail/product.hpp>

#include <concepts>
#include <string_view>

namespace sluice {

/// Which sides of a product are given transposed in memory.
struct MatmulOptions {
  bool transpose_a = false;  ///< a is [.., K, M]
  bool transpose_b = false;  ///< b is [.., N, K]
};

}  // namespace sluice

namespace sluice::kernels {

namespace detail {

/// c (+)= op(a) op(b), batch by batch; where c repeats its batches, their sum in order. Shapes are
/// [batch, .., ..] and agree. Every element is summed in the same order whatever the threads.
template <class Arch, std::floating_point Scalar>
void products(const View<const Scalar, 3>& a, bool transpose_a, const View<const Scalar, 3>& b,
              bool transpose_b, const View<Scalar, 3>& c, simd::Write write,
              const Workspace& workspace) {
  const Index batch = c.dim(0);
  const Product<Scalar> one{.M = c.dim(1),
                            .N = c.dim(2),
                            .K = a.dim(transpose_a ? 1 : 2),
                            .a_stride = a.stride(1),
                            .b_stride = b.stride(1),
                            .c_stride = c.stride(1),
                            .transpose_a = transpose_a,
                            .transpose_b = transpose_b,
                            .write = write};
  if (batch == 0 || one.M == 0 || one.N == 0) return;
  Scratch scratch(workspace);
  const Index size = packed_size<Scalar, Arch>(one.K, one.N);
  const Index workers = std::min(batch, workspace.executor.concurrency());
  if (workers == workspace.executor.concurrency() && (batch == 1 || c.stride(0) != 0)) {
    Scalar* const packed = scratch.template allocate<Scalar>(size * workers);
    share(workspace.executor, batch, workers, [&](Index i, Index worker) {
      multiply<Arch>(one, a.row(i, 0), b.row(i, 0), c.row(i, 0), packed + worker * size,
                     Executor{});
    });
  } else {
    // Fewer matrices than threads, or one that all are added to: they share the rows of each.
    Scalar* const packed = scratch.template allocate<Scalar>(size);
    for (Index i = 0; i < batch; ++i)
      multiply<Arch>(one, a.row(i, 0), b.row(i, 0), c.row(i, 0), packed, workspace.executor);
  }
}
SLUICE_COMPILED_KERNEL(products);

/// Throws ShapeError unless a, b and y, or what has its shape, agree.
template <class Scalar>
void require_matmul(std::string_view where, const View<const Scalar, 3>& a,
                    const View<const Scalar, 3>& b, const MatmulOptions& options,
                    std::string_view name, const Shape<3>& y) {
  const Index batch = a.dim(0), M = a.dim(options.transpose_a ? 2 : 1),
              K = a.dim(options.transpose_a ? 1 : 2), N = b.dim(options.transpose_b ? 1 : 2);
  require_shape(where, "b", b.shape(),
                options.transpose_b ? Shape<3>{batch, N, K} : Shape<3>{batch, K, N}, "to match a");
  require_shape(where, name, y, {batch, M, N}, "to match a and b");
}

}  // namespace detail

/// y = op(a) op(b) for every matrix of a batch, where op transposes what the options name.
///
/// \param a  [batch, M, K], or transposed; a batch of stride 0 repeats one matrix.
/// \param b  [batch, K, N], or transposed; likewise.
/// \param y  [batch, M, N]; overwritten. Must not overlap an input.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void matmul(const ConstViewOf<Y, 3>& a, const ConstViewOf<Y, 3>& b, const MatmulOptions& options,
            Y&& y, const Workspace& workspace = {}) {
  const ViewOf<Y, 3> out(y);
  detail::require_matmul("matmul", a, b, options, "y", out.shape());
  detail::products<Arch, ElementOf<Y>>(a, options.transpose_a, b, options.transpose_b, out,
                                       simd::Write::replace, workspace);
}

/// Adjoint of `matmul`, added to what is there; a gradient without data is skipped. Where a
/// gradient repeats its matrix by stride 0, the parts of the batch are added to it in order.
///
///     d op(a) += dy op(b)^T        d op(b) += op(a)^T dy
///
/// \param dy  [batch, M, N].
/// \param da  as a, \param db as b.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void matmul_backward(const ConstViewOf<Y, 3>& a, const ConstViewOf<Y, 3>& b,
                     const MatmulOptions& options, const Y& dy, const ViewOf<Y, 3>& da,
                     const ViewOf<Y, 3>& db, const Workspace& workspace = {}) {
  const auto where = "matmul_backward";
  const ConstViewOf<Y, 3> grad(dy);
  detail::require_matmul(where, a, b, options, "dy", grad.shape());
  if (da) require_shape(where, "da", da.shape(), a.shape(), "to match a");
  if (db) require_shape(where, "db", db.shape(), b.shape(), "to match b");
  const auto [ta, tb] = options;
  const auto add = [&](const auto& l, bool tl, const auto& r, bool tr, const auto& to) {
    detail::products<Arch, ElementOf<Y>>(l, tl, r, tr, to, simd::Write::add, workspace);
  };
  // A gradient of what is transposed in memory is the transposed product.
  if (da && ta) add(b, tb, grad, true, da);
  if (da && !ta) add(grad, false, b, !tb, da);
  if (db && tb) add(grad, true, a, ta, db);
  if (db && !tb) add(a, !ta, grad, false, db);
}

}  // namespace sluice::kernels
