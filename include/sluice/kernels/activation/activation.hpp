// SPDX-License-Identifier: MIT
/// \file
/// An activation function, or a gate made of one, over whole tensors of any rank and any strides.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/activation/detail/apply.hpp>
#include <sluice/kernels/common/operand.hpp>

#include <type_traits>

namespace sluice::kernels {

/// A function for the elements of Y.
template <class Y, class Arch>
using FunctionOn = std::type_identity_t<Function<ElementOf<Y>, Arch>>;

/// y = f(x), element by element.
///
/// \param f  an object of functions.hpp, or a name of kind.hpp.
/// \param x  any shape of rank 5 at most.
/// \param y  as x; overwritten. May be x itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void activation(const FunctionOn<Y, Arch>& f, const ConstViewOf<Y>& x, Y&& y,
                const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  require_shape("activation", "y", out.shape(), x.shape(), "to match x");
  const ConstViewOf<Y> none;
  detail::gate(f, common::spans_of(x, none, out), x.data(), none.data(), out.data(),
               workspace.executor);
}

/// Adjoint of `activation`: dx += dy f'(x).
///
/// \param dy  as x, gradient by y.
/// \param dx  as x; added to, skipped when it has no data.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void activation_backward(const FunctionOn<Y, Arch>& f, const ConstViewOf<Y>& x, const Y& dy,
                         const ViewOf<Y>& dx, const Workspace& workspace = {}) {
  const ConstViewOf<Y> grad(dy);
  if (!detail::require_activation_backward(x, grad, dx)) return;
  const ConstViewOf<Y> none;
  const ViewOf<Y> dnone;
  detail::gate_backward(f, common::spans_of(x, none, grad, dx, dnone), x.data(), none.data(),
                        grad.data(), dx.data(), dnone.data(), workspace.executor);
}

/// y = f(a) (.) b in one pass: SwiGLU with Silu, GEGLU with Gelu, GLU with Sigmoid.
///
/// \param a, b  any shape of rank 5 at most, the same.
/// \param y     as a; overwritten. May be a or b itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
///
/// Source: Shazeer, GLU Variants Improve Transformer, 2020, eq. 5 (arXiv:2002.05202).
template <class Arch = simd::DefaultArch, Operand Y>
void gated(const FunctionOn<Y, Arch>& f, const ConstViewOf<Y>& a, const ConstViewOf<Y>& b, Y&& y,
           const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  detail::require_gated(a, b, out);
  detail::gate(f, common::spans_of(a, b, out), a.data(), b.data(), out.data(), workspace.executor);
}

/// Adjoint of `gated`: da += dy (.) b (.) f'(a) and db += dy (.) f(a).
///
/// \param dy      as a, gradient by y.
/// \param da, db  as a; added to, skipped when they have no data. May be the same memory.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void gated_backward(const FunctionOn<Y, Arch>& f, const ConstViewOf<Y>& a, const ConstViewOf<Y>& b,
                    const Y& dy, const ViewOf<Y>& da, const ViewOf<Y>& db,
                    const Workspace& workspace = {}) {
  const ConstViewOf<Y> grad(dy);
  detail::require_gated_backward(a, b, grad, da, db);
  detail::gate_backward(f, common::spans_of(a, b, grad, da, db), a.data(), b.data(), grad.data(),
                        da.data(), db.data(), workspace.executor);
}

}  // namespace sluice::kernels
