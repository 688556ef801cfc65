// SPDX-License-Identifier: MIT
/// \file
/// Root-mean-square normalisation with an output gate, fused: the last step of most gated mixers.
/// Published models differ in which comes first; the two orders agree only where the gate is the
/// same for a whole group.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/activation/functions.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/common/rows.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/sums.hpp>

#include <cmath>
#include <concepts>
#include <string_view>
#include <type_traits>

namespace sluice {

/// How `gated_rms_norm` works.
struct GatedRMSNormOptions {
  double eps = 1e-5;                         ///< at least 0; keeps a row of zeros finite
  std::ptrdiff_t group_size = 0;             ///< channels normalised together; 0: the whole row
  bool norm_before_gate = true;              ///< false: gate first, as Mamba-2 does by default
  Activation activation = Activation::silu;  ///< or sigmoid
};

}  // namespace sluice

namespace sluice::kernels {

namespace detail {

template <class Scalar, int Rank>
void require_gated_rms_norm(std::string_view where, const View<const Scalar, Rank>& x,
                            const View<const Scalar, Rank>& z, const View<const Scalar, 1>& weight,
                            const GatedRMSNormOptions& options) {
  const Index D = row_length(x), G = options.group_size == 0 ? D : options.group_size;
  require_shape(where, "z", z.shape(), x.shape(), "to match x");
  if (weight) require_shape(where, "weight", weight.shape(), {D}, "to match x");
  require(options.activation == Activation::silu || options.activation == Activation::sigmoid,
          where, "activation", "silu or sigmoid", "another");
  require(G > 0 ? D % G == 0 : D == 0, where, "group_size", text("0 or a divisor of ", D),
          options.group_size);
}

/// Calls run(f) with the gate of the options.
template <class Run>
void with_gate(const GatedRMSNormOptions& options, const Run& run) {
  options.activation == Activation::silu ? run(Silu{}) : run(Sigmoid{});
}

template <class Arch, std::floating_point Scalar>
void gated_rms_norm_rows(const common::Rows<3>& rows, const GatedRMSNormOptions& options,
                         const Scalar* x, const Scalar* z, const Scalar* w, Scalar* y,
                         const Executor& executor) {
  const Index D = rows.width, G = options.group_size == 0 ? D : options.group_size;
  const bool norm_first = options.norm_before_gate;
  const Scalar eps = Scalar(options.eps);
  const auto group = [=](const auto& act, const Scalar* in, const Scalar* gate, const Scalar* part,
                         Scalar* out) {
    const auto [squares] =
        simd::sums<Arch, Scalar, 1>(G, [=]<class B>(std::type_identity<B>, Index i, B* acc) {
          B u = simd::load<B>(in + i);
          if (!norm_first) {
            u = u * act.value(simd::load<B>(gate + i));
            simd::store(out + i, u);  // y keeps u until it is normalised
          }
          acc[0] = simd::madd(u, u, acc[0]);
        });
    const Scalar r = 1 / std::sqrt(squares / Scalar(G) + eps);
    simd::for_each_lane<Arch, Scalar>(G, [=]<class B>(std::type_identity<B>, Index i) {
      B normal = simd::load<B>((norm_first ? in : out) + i) * B(r);
      if (norm_first) normal = normal * act.value(simd::load<B>(gate + i));
      simd::store(out + i, part ? B(normal * simd::load<B>(part + i)) : normal);
    });
  };
  with_gate(options, [&](const auto& act) {
    common::share_each_row(
        executor, rows,
        [&](const Scalar* in, const Scalar* gate, Scalar* out) {
          for (Index g = 0; g < D; g += G)
            group(act, in + g, gate + g, w ? w + g : nullptr, out + g);
        },
        x, z, y);
  });
}
SLUICE_COMPILED_KERNEL(gated_rms_norm_rows);

/// One thread where dw is wanted: it is summed in the order of the rows.
template <class Arch, std::floating_point Scalar>
void gated_rms_norm_rows_backward(const common::Rows<5>& rows, const GatedRMSNormOptions& options,
                                  const Scalar* x, const Scalar* z, const Scalar* w,
                                  const Scalar* dy, Scalar* dx, Scalar* dz, Scalar* dw,
                                  const Executor& executor) {
  const Index D = rows.width, G = options.group_size == 0 ? D : options.group_size;
  const bool norm_first = options.norm_before_gate;
  const Scalar eps = Scalar(options.eps);
  const auto group = [=](const auto& act, const Scalar* in, const Scalar* gate, const Scalar* part,
                         const Scalar* grad, Scalar* out, Scalar* gate_out, Scalar* dpart) {
    const auto weighted = [=]<class B>(std::type_identity<B>, Index i) {  // w (.) dy
      return part ? B(simd::load<B>(part + i) * simd::load<B>(grad + i)) : simd::load<B>(grad + i);
    };
    const auto [squares, product] =
        simd::sums<Arch, Scalar, 2>(G, [=]<class B>(std::type_identity<B> b, Index i, B* acc) {
          const B value = simd::load<B>(in + i);
          const B gated = value * act.value(simd::load<B>(gate + i));
          const B u = norm_first ? value : gated;
          acc[0] = simd::madd(u, u, acc[0]);
          acc[1] = simd::madd(gated, weighted(b, i), acc[1]);  // h (.) u in either order
        });
    const Scalar r = 1 / std::sqrt(squares / Scalar(G) + eps);
    const Scalar along = -r * r * r * (product / Scalar(G));
    simd::for_each_lane<Arch, Scalar>(G, [=]<class B>(std::type_identity<B> b, Index i) {
      const B value = simd::load<B>(in + i), h = weighted(b, i);
      const auto a = act.jet(simd::load<B>(gate + i));
      if (norm_first) {
        const B du = simd::madd(B(r), B(h * a.value), B(B(along) * value));
        const B da = h * value * B(r);
        if (out) simd::store(out + i, B(simd::load<B>(out + i) + du));
        if (gate_out)
          simd::store(gate_out + i, simd::madd(da, a.slope, simd::load<B>(gate_out + i)));
      } else {
        const B du = simd::madd(B(r), h, B(B(along) * value * a.value));
        if (out) simd::store(out + i, simd::madd(du, a.value, simd::load<B>(out + i)));
        if (gate_out)
          simd::store(gate_out + i,
                      simd::madd(B(du * value), a.slope, simd::load<B>(gate_out + i)));
      }
      if (dpart)
        simd::store(dpart + i, simd::madd(simd::load<B>(grad + i), B(value * a.value * B(r)),
                                          simd::load<B>(dpart + i)));
    });
  };
  with_gate(options, [&](const auto& act) {
    common::share_each_row(
        dw ? Executor{} : executor, rows,
        [&](const Scalar* in, const Scalar* gate, const Scalar* grad, Scalar* out,
            Scalar* gate_out) {
          for (Index g = 0; g < D; g += G)
            group(act, in + g, gate + g, w ? w + g : nullptr, grad + g, out ? out + g : nullptr,
                  gate_out ? gate_out + g : nullptr, dw ? dw + g : nullptr);
        },
        x, z, dy, dx, dz);
  });
}
SLUICE_COMPILED_KERNEL(gated_rms_norm_rows_backward);

}  // namespace detail

/// Root-mean-square normalisation of groups of the last axis, gated by act(z).
///
///     y = w (.) rms(x) (.) act(z)        norm_before_gate
///     y = w (.) rms(x (.) act(z))        otherwise
///     rms(u) = u / sqrt(mean(u^2) + eps), the mean over a group; act is silu or sigmoid
///
/// \param x, z    [.., D], of rank 5 at most.
/// \param weight  [D]; without data, 1.
/// \param y       as x; overwritten. May be x itself, not z.
/// \throws ShapeError, ArgumentError  if the shapes do not agree or the groups do not fit; nothing
///                                    has been written then.
///
/// Source: norm before gate: Yang et al., Gated Linear Attention Transformers with
/// Hardware-Efficient Training, ICML 2024, section 4 (arXiv:2312.06635); gate before norm: Dao and
/// Gu, Transformers are SSMs, ICML 2024, section 7 (arXiv:2405.21060).
template <class Arch = simd::DefaultArch, Operand Y>
void gated_rms_norm(const ConstViewOf<Y>& x, const ConstViewOf<Y>& z,
                    const ConstViewOf<Y, 1>& weight, const GatedRMSNormOptions& options, Y&& y,
                    const Workspace& workspace = {}) {
  const ViewOf<Y> out(y);
  detail::require_gated_rms_norm("gated_rms_norm", x, z, weight, options);
  require_shape("gated_rms_norm", "y", out.shape(), x.shape(), "to match x");
  detail::gated_rms_norm_rows<Arch, ElementOf<Y>>(common::rows_of(x, z, out), options, x.data(),
                                                  z.data(), weight.data(), out.data(),
                                                  workspace.executor);
}

/// Adjoint of `gated_rms_norm`; every gradient is added to, and skipped when it has no data.
///
/// With a = act(z), u = x (norm first) or x (.) a (gate first), r = (mean(u^2) + eps)^(-1/2):
///
///     norm first:  h = w (.) dy (.) a,   dx += R(h),   dz += dy (.) w (.) u r (.) act'(z)
///                  dw += sum over rows of dy (.) u r (.) a
///     gate first:  h = w (.) dy,  du = R(h),   dx += du (.) a,   dz += du (.) x (.) act'(z)
///                  dw += sum over rows of dy (.) u r
///     R(h) = r h - u r^3 mean(h (.) u)
///
/// \param dy       [.., D], gradient by y.
/// \param dx, dz   as x.
/// \param dweight  [D]; rows are added in order, so the sum is the same however x was made.
/// \throws ShapeError, ArgumentError  as `gated_rms_norm`.
template <class Arch = simd::DefaultArch, Operand Y>
void gated_rms_norm_backward(const ConstViewOf<Y>& x, const ConstViewOf<Y>& z,
                             const ConstViewOf<Y, 1>& weight, const GatedRMSNormOptions& options,
                             const Y& dy, const ViewOf<Y>& dx, const ViewOf<Y>& dz,
                             const ViewOf<Y, 1>& dweight, const Workspace& workspace = {}) {
  const std::string_view where = "gated_rms_norm_backward";
  const ConstViewOf<Y> grad(dy);
  detail::require_gated_rms_norm(where, x, z, weight, options);
  require_shape(where, "dy", grad.shape(), x.shape(), "to match x");
  if (dx) require_shape(where, "dx", dx.shape(), x.shape(), "to match x");
  if (dz) require_shape(where, "dz", dz.shape(), x.shape(), "to match x");
  if (dweight) require_shape(where, "dweight", dweight.shape(), {row_length(x)}, "to match x");
  detail::gated_rms_norm_rows_backward<Arch, ElementOf<Y>>(
      common::rows_of(x, z, grad, dx, dz), options, x.data(), z.data(), weight.data(), grad.data(),
      dx.data(), dz.data(), dweight.data(), workspace.executor);
}

}  // namespace sluice::kernels
