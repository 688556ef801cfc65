// SPDX-License-Identifier: MIT
/// \file
/// Softmax of rows and its logarithm, shifted by the largest element so that nothing overflows.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/reduce/sum.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/exp.hpp>
#include <sluice/simd/sums.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <string_view>
#include <type_traits>

namespace sluice::kernels {

namespace detail {

/// The largest of a row; 0 if there is nothing above minus infinity.
template <class Arch, class Scalar>
Scalar top_of(Index n, const Scalar* x) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  constexpr Scalar least = -std::numeric_limits<Scalar>::infinity();
  B most[2] = {B(least), B(least)};
  Index i = 0;
  for (; i + 2 * simd::lanes<B> <= n; i += 2 * simd::lanes<B>)
    for (Index k = 0; k < 2; ++k)
      most[k] = simd::max(most[k], simd::load<B>(x + i + k * simd::lanes<B>));
  Scalar lane[std::size_t(simd::lanes<B>)], top = least;
  simd::store(lane, B(simd::max(most[0], most[1])));
  for (const Scalar l : lane) top = simd::max(top, l);
  for (; i < n; ++i) top = simd::max(top, x[i]);
  return top == least ? Scalar{0} : top;
}

/// sum(exp(x - top)), the terms written to `y` if there is one. Minus infinity counts for nothing.
template <class Arch, class Scalar>
Scalar sum_of_exponentials(Index n, const Scalar* x, Scalar top, Scalar* y) noexcept {
  return sum_in_blocks<Arch, Scalar>(
      n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
        const B e = simd::exp_or_zero(B(simd::load<B>(x + i) - B(top)));
        if (y) simd::store(y + i, e);
        return e;
      });
}

/// Rows of numbers that make it worth while to call another thread.
inline constexpr Index softmax_work = Index{1} << 14;

/// Calls f(r) for every row, a few at a time on the threads of `executor`.
template <class F>
void share_softmax(const Executor& executor, Index rows, Index width, const F& f) {
  const Index few = std::max<Index>(1, softmax_work / std::max<Index>(1, width));
  executor.for_each((rows + few - 1) / few, [&](Index task) {
    for (Index r = task * few; r < std::min(rows, (task + 1) * few); ++r) f(r);
  });
}

template <class Arch, std::floating_point Scalar>
void softmax_rows(bool logarithm, const View<const Scalar, 2>& x, const View<Scalar, 2>& y,
                  const Executor& executor) {
  const Index n = x.dim(1);
  share_softmax(executor, x.dim(0), n, [&](Index r) {
    const Scalar* const in = x.row(r);
    Scalar* const out = y.row(r);
    const Scalar top = top_of<Arch>(n, in);
    const Scalar sum = sum_of_exponentials<Arch, Scalar>(n, in, top, logarithm ? nullptr : out);
    if (logarithm) {
      // Of a row without weight every probability is 0, and so its logarithm minus infinity.
      const Scalar shift = sum == 0 ? Scalar{0} : Scalar(std::log(sum));
      simd::for_each_lane<Arch, Scalar>(
          n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
            simd::store(out + i, B(B(simd::load<B>(in + i) - B(top)) - B(shift)));
          });
    } else {
      const Scalar factor = sum == 0 ? Scalar{0} : 1 / sum;
      simd::for_each_lane<Arch, Scalar>(
          n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
            simd::store(out + i, B(simd::load<B>(out + i) * B(factor)));
          });
    }
  });
}
SLUICE_COMPILED_KERNEL(softmax_rows);

template <class Arch, std::floating_point Scalar>
void softmax_rows_backward(bool logarithm, const View<const Scalar, 2>& y,
                           const View<const Scalar, 2>& dy, const View<Scalar, 2>& dx,
                           const Executor& executor) {
  const Index n = y.dim(1);
  share_softmax(executor, y.dim(0), n, [&](Index r) {
    const Scalar *const out = y.row(r), *const grad = dy.row(r);
    Scalar* const to = dx.row(r);
    const auto each = [=](const auto& body) { simd::for_each_lane<Arch, Scalar>(n, body); };
    if (logarithm) {
      const Scalar sum = sum_in_blocks<Arch, Scalar>(
          n, [=]<class B>(std::type_identity<B>, Index i)
                 SLUICE_INLINE_LAMBDA { return simd::load<B>(grad + i); });
      each([=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
        const B p = simd::exp_or_zero(simd::load<B>(out + i));
        const B part = simd::nmadd(p, B(sum), simd::load<B>(grad + i));
        simd::store(to + i, B(simd::load<B>(to + i) + part));
      });
    } else {
      const Scalar along = sum_in_blocks<Arch, Scalar>(
          n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
            return B(simd::load<B>(grad + i) * simd::load<B>(out + i));
          });
      each([=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
        const B difference = simd::load<B>(grad + i) - B(along);
        simd::store(to + i, simd::madd(simd::load<B>(out + i), difference, simd::load<B>(to + i)));
      });
    }
  });
}
SLUICE_COMPILED_KERNEL(softmax_rows_backward);

template <class Arch, class Y>
void softmax_backward(std::string_view where, bool logarithm, const ConstViewOf<Y>& y, const Y& dy,
                      const ViewOf<Y>& dx, const Workspace& workspace) {
  if (!dx) return;
  const ConstViewOf<Y> grad(dy);
  require_shape(where, "dy", grad.shape(), y.shape(), "to match y");
  require_shape(where, "dx", dx.shape(), y.shape(), "to match y");
  softmax_rows_backward<Arch, ElementOf<Y>>(logarithm, y, grad, dx, workspace.executor);
}

}  // namespace detail

/// Softmax of every row.
///
///     y_i = exp(x_i - max(x)) / sum_j exp(x_j - max(x))
///
/// An element of minus infinity, as a mask writes it, gives exactly 0, and a row of nothing else
/// gives zeros rather than NaN: it attends to nothing.
///
/// \param x  [N, D].
/// \param y  as x; overwritten. May be x itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void softmax(const ConstViewOf<Y, 2>& x, Y&& y, const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  require_shape("softmax", "y", out.shape(), x.shape(), "to match x");
  detail::softmax_rows<Arch, ElementOf<Y>>(false, x, out, workspace.executor);
}

/// Adjoint of `softmax`, added to what is there; nothing when dx has no data.
///
///     dx += y (.) (dy - sum(dy (.) y))
///
/// \param y  the result of `softmax`; all [N, D].
template <class Arch = simd::DefaultArch, Operand Y>
void softmax_backward(const ConstViewOf<Y, 2>& y, const Y& dy, const ViewOf<Y, 2>& dx,
                      const Workspace& workspace = {}) {
  detail::softmax_backward<Arch, Y>("softmax_backward", false, y, dy, dx, workspace);
}

/// The logarithm of `softmax`, without its underflow.
///
///     y_i = x_i - max(x) - log(sum_j exp(x_j - max(x)))
///
/// Minus infinity stays so, alone or with others.
///
/// \param x  [N, D].
/// \param y  as x; overwritten. May be x itself.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <class Arch = simd::DefaultArch, Operand Y>
void log_softmax(const ConstViewOf<Y, 2>& x, Y&& y, const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  require_shape("log_softmax", "y", out.shape(), x.shape(), "to match x");
  detail::softmax_rows<Arch, ElementOf<Y>>(true, x, out, workspace.executor);
}

/// Adjoint of `log_softmax`, added to what is there; nothing when dx has no data.
///
///     dx += dy - exp(y) sum(dy)
///
/// \param y  the result of `log_softmax`; all [N, D].
template <class Arch = simd::DefaultArch, Operand Y>
void log_softmax_backward(const ConstViewOf<Y, 2>& y, const Y& dy, const ViewOf<Y, 2>& dx,
                          const Workspace& workspace = {}) {
  detail::softmax_backward<Arch, Y>("log_softmax_backward", true, y, dy, dx, workspace);
}

}  // namespace sluice::kernels
