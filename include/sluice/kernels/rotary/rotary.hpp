// SPDX-License-Identifier: MIT
/// \file
/// Rotary position embedding: a head is turned by angles that grow with its position, so that the
/// product of a query and a key depends on how far apart they are.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/common/rows.hpp>
#include <sluice/simd/batch.hpp>

#include <cmath>
#include <concepts>
#include <string_view>
#include <type_traits>

namespace sluice::kernels {

/// Cosine and sine of the angles of T tokens from `position` on.
///
///     angle of token t and pair i = (position + t) base^(-i / P)
///
/// Computed in double, for a position of a million times its rounding in float is a turn of 3
/// degrees.
///
/// \param cosine, sine  [T, P]; overwritten. P is half the width of a head.
/// \throws ShapeError  if the shapes do not agree; nothing has been written then.
template <Operand Output>
void rotary_angles(Index position, double base, Output&& to_cosine, const ViewOf<Output>& sine,
                   const Workspace& = {}) {
  using Scalar = ElementOf<Output>;
  const View<Scalar, 2> cosine(to_cosine);
  require_shape("rotary_angles", "sine", sine.shape(), cosine.shape(), "to match cosine");
  const Index T = cosine.dim(0), P = cosine.dim(1);
  for (Index i = 0; i < P; ++i) {
    const double frequency = std::pow(base, -double(i) / double(P));
    for (Index t = 0; t < T; ++t) {
      const double angle = double(position + t) * frequency;
      cosine.row(t)[i] = Scalar(std::cos(angle));
      sine.row(t)[i] = Scalar(std::sin(angle));
    }
  }
}

namespace detail {

template <class Scalar, int Rank>
void require_rotary(std::string_view where, const View<const Scalar, Rank>& x,
                    const View<const Scalar, 2>& cosine, const View<const Scalar, 2>& sine,
                    std::string_view name, const View<Scalar, Rank>& y) {
  static_assert(Rank >= 3, "heads of tokens, [.., T, H, K]");
  const Index T = x.dim(Rank - 3), K = x.dim(Rank - 1);
  require(K % 2 == 0, where, "the width of a head", "even", K);
  require_shape(where, "cosine", cosine.shape(), {T, K / 2}, "to match x");
  require_shape(where, "sine", sine.shape(), {T, K / 2}, "to match x");
  require_shape(where, name, y.shape(), x.shape(), "to match x");
}

/// Angles [T, P] as the rows of x [.., T, H, 2 P]: those of a token for all its heads.
template <int Rank, class T>
View<T, Rank> angle_rows(const View<T, 2>& angles, const View<T, Rank>& x) noexcept {
  Shape<Rank> stride{};
  stride[std::size_t(Rank - 3)] = angles.stride(0);
  stride[std::size_t(Rank - 1)] = 1;
  return {angles.data(), x.shape(), stride};
}

template <class Arch, std::floating_point Scalar>
void rotary_rows(const common::Rows<4>& rows, const Scalar* x, Scalar* y, const Scalar* cosine,
                 const Scalar* sine, const Executor& executor) {
  const Index P = rows.width / 2;
  common::share_each_row(
      executor, rows,
      [P](const Scalar* in, Scalar* out, const Scalar* c, const Scalar* s) {
        simd::for_each_lane<Arch, Scalar>(P, [=]<class L>(std::type_identity<L>, Index i) {
          const L a = simd::load<L>(in + i), b = simd::load<L>(in + P + i);
          const L cos = simd::load<L>(c + i), sin = simd::load<L>(s + i);
          simd::store(out + i, simd::nmadd(b, sin, L(a * cos)));
          simd::store(out + P + i, simd::madd(a, sin, L(b * cos)));
        });
      },
      x, y, cosine, sine);
}
SLUICE_COMPILED_KERNEL(rotary_rows);

template <class Arch, std::floating_point Scalar>
void rotary_rows_backward(const common::Rows<4>& rows, const Scalar* dy, Scalar* dx,
                          const Scalar* cosine, const Scalar* sine, const Executor& executor) {
  const Index P = rows.width / 2;
  common::share_each_row(
      executor, rows,
      [P](const Scalar* in, Scalar* out, const Scalar* c, const Scalar* s) {
        simd::for_each_lane<Arch, Scalar>(P, [=]<class L>(std::type_identity<L>, Index i) {
          const L a = simd::load<L>(in + i), b = simd::load<L>(in + P + i);
          const L cos = simd::load<L>(c + i), sin = simd::load<L>(s + i);
          const L da = simd::madd(a, cos, simd::load<L>(out + i));
          const L db = simd::madd(b, cos, simd::load<L>(out + P + i));
          simd::store(out + i, simd::madd(b, sin, da));
          simd::store(out + P + i, simd::nmadd(a, sin, db));
        });
      },
      dy, dx, cosine, sine);
}
SLUICE_COMPILED_KERNEL(rotary_rows_backward);

}  // namespace detail

/// Turns channels i and i + K / 2 of every head together, the form of published checkpoints.
///
///     y_i = x_i cos - x_{i + K/2} sin,   y_{i + K/2} = x_{i + K/2} cos + x_i sin
///
/// \param x             [.., T, H, K], K even, of rank 5 at most.
/// \param cosine, sine  [T, K / 2], of `rotary_angles`.
/// \param y             as x; overwritten. May be x itself.
/// \throws ShapeError, ArgumentError  if the shapes do not agree or K is odd; nothing has been
///                                    written then.
///
/// Source: Su et al., RoFormer, 2021, eq. 34 (arXiv:2104.09864).
template <class Arch = simd::DefaultArch, Operand Y>
void rotary(const ConstViewOf<Y>& x, const ConstViewOf<Y, 2>& cosine, const ConstViewOf<Y, 2>& sine,
            Y&& y, const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  detail::require_rotary("rotary", x, cosine, sine, "y", out);
  const auto rows =
      common::rows_of(x, out, detail::angle_rows(cosine, x), detail::angle_rows(sine, x));
  detail::rotary_rows<Arch, ElementOf<Y>>(rows, x.data(), out.data(), cosine.data(), sine.data(),
                                          workspace.executor);
}

/// Adjoint of `rotary`: turned back, and added to dx. Skipped when dx has no data.
///
/// \param dy  [.., T, H, K], gradient by y.
template <class Arch = simd::DefaultArch, Operand Y>
void rotary_backward(const Y& dy, const ConstViewOf<Y, 2>& cosine, const ConstViewOf<Y, 2>& sine,
                     const ViewOf<Y>& dx, const Workspace& workspace = {}) {
  if (!dx) return;
  const ConstViewOf<Y> grad(dy);
  detail::require_rotary("rotary_backward", grad, cosine, sine, "dx", dx);
  const auto rows =
      common::rows_of(grad, dx, detail::angle_rows(cosine, grad), detail::angle_rows(sine, grad));
  detail::rotary_rows_backward<Arch, ElementOf<Y>>(rows, grad.data(), dx.data(), cosine.data(),
                                                   sine.data(), workspace.executor);
}

}  // namespace sluice::kernels
