// SPDX-License-Identifier: MIT
/// \file
/// Root-mean-square normalisation with an output gate, fused: the last step of most gated mixers.
/// Published models differ in which comes first; the two orders agree only where the gate is the
/// same for a whole group.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/math.hpp>
#include <sluice/simd/sums.hpp>

#include <cmath>
#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice {

/// How `gated_rms_norm` works.
struct GatedRMSNormOptions {
  enum class Activation { silu, sigmoid };

  double eps = 1e-5;              ///< at least 0; keeps a row of zeros finite
  std::ptrdiff_t group_size = 0;  ///< channels normalised together; 0: the whole row
  bool norm_before_gate = true;   ///< false: gate first, as Mamba-2 does by default
  Activation activation = Activation::silu;
};

}  // namespace sluice

namespace sluice::kernels {

namespace detail {

template <class Scalar, int Rank>
Index require_gated_rms_norm(std::string_view where, const View<const Scalar, Rank>& x,
                             const View<const Scalar, Rank>& z, const View<const Scalar, 1>& weight,
                             const GatedRMSNormOptions& options) {
  const Index D = row_length(x), G = options.group_size == 0 ? D : options.group_size;
  require_shape(where, "z", z.shape(), x.shape(), "to match x");
  if (weight) require_shape(where, "weight", weight.shape(), {D}, "to match x");
  if (G > 0 ? D % G != 0 : D != 0)  // texts are made only when needed
    require(false, where, "group_size", "0 or a divisor of " + std::to_string(D),
            std::to_string(options.group_size));
  return G;
}

/// The gate of z and, as `slope`, its derivative.
template <class B>
struct Gated {
  B gate, slope;
};

template <class B>
SLUICE_INLINE Gated<B> gate_of(const B& z, bool silu) noexcept {
  using S = simd::ScalarOf<B>;
  const B bounded = simd::max(B(simd::exp_lowest<S>), z);  // minus infinity shuts the gate
  const simd::Logistic<B> s(bounded);
  if (!silu) return {s.value, s.slope()};
  return {bounded * s.value, s.value * simd::madd(bounded, s.complement, B(S{1}))};
}

}  // namespace detail

/// Root-mean-square normalisation of groups of the last axis, gated by act(z).
///
///     y = w (.) rms(x) (.) act(z)        norm_before_gate
///     y = w (.) rms(x (.) act(z))        otherwise
///     rms(u) = u / sqrt(mean(u^2) + eps), the mean over a group; act is silu or sigmoid
///
/// \param x, z    [.., D].
/// \param weight  [D]; without data, 1.
/// \param y       as x; overwritten. May be x itself, not z.
/// \throws ShapeError, ArgumentError  if the shapes do not agree or the groups do not fit; nothing
///                                    has been written then.
///
/// Source: norm before gate: Yang et al., Gated Linear Attention Transformers with
/// Hardware-Efficient Training, ICML 2024, section 4 (arXiv:2312.06635); gate before norm: Dao and
/// Gu, Transformers are SSMs, ICML 2024, section 7 (arXiv:2405.21060).
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void gated_rms_norm(const View<const Scalar, Rank>& x,
                    const std::type_identity_t<View<const Scalar, Rank>>& z,
                    const std::type_identity_t<View<const Scalar, 1>>& weight,
                    const GatedRMSNormOptions& options,
                    const std::type_identity_t<View<Scalar, Rank>>& y) {
  const Index G = detail::require_gated_rms_norm("gated_rms_norm", x, z, weight, options);
  require_shape("gated_rms_norm", "y", y.shape(), x.shape(), "to match x");
  const Index D = row_length(x);
  const bool silu = options.activation == GatedRMSNormOptions::Activation::silu;
  const bool norm_first = options.norm_before_gate;
  const Scalar eps = Scalar(options.eps);
  const auto group = [=](const Scalar* in, const Scalar* gate, const Scalar* w, Scalar* out) {
    const auto [squares] =
        simd::sums<Arch, Scalar, 1>(G, [=]<class B>(std::type_identity<B>, Index i, B* acc) {
          B u = simd::load<B>(in + i);
          if (!norm_first) {
            u = u * detail::gate_of(simd::load<B>(gate + i), silu).gate;
            simd::store(out + i, u);  // y keeps u until it is normalised
          }
          acc[0] = simd::madd(u, u, acc[0]);
        });
    const Scalar r = 1 / std::sqrt(squares / Scalar(G) + eps);
    simd::for_each_lane<Arch, Scalar>(G, [=]<class B>(std::type_identity<B>, Index i) {
      B normal = simd::load<B>((norm_first ? in : out) + i) * B(r);
      if (norm_first) normal = normal * detail::gate_of(simd::load<B>(gate + i), silu).gate;
      simd::store(out + i, w ? B(normal * simd::load<B>(w + i)) : normal);
    });
  };
  for_each_row(
      [&](const Scalar* in, const Scalar* gate, Scalar* out) {
        for (Index g = 0; g < D; g += G)
          group(in + g, gate + g, weight ? weight.data() + g : nullptr, out + g);
      },
      x, z, y);
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
template <class Arch = simd::DefaultArch, std::floating_point Scalar, int Rank>
void gated_rms_norm_backward(const View<const Scalar, Rank>& x,
                             const std::type_identity_t<View<const Scalar, Rank>>& z,
                             const std::type_identity_t<View<const Scalar, 1>>& weight,
                             const GatedRMSNormOptions& options,
                             const std::type_identity_t<View<const Scalar, Rank>>& dy,
                             const std::type_identity_t<View<Scalar, Rank>>& dx,
                             const std::type_identity_t<View<Scalar, Rank>>& dz,
                             const std::type_identity_t<View<Scalar, 1>>& dweight) {
  const std::string_view where = "gated_rms_norm_backward";
  const Index G = detail::require_gated_rms_norm(where, x, z, weight, options);
  const Index D = row_length(x);
  require_shape(where, "dy", dy.shape(), x.shape(), "to match x");
  if (dx) require_shape(where, "dx", dx.shape(), x.shape(), "to match x");
  if (dz) require_shape(where, "dz", dz.shape(), x.shape(), "to match x");
  if (dweight) require_shape(where, "dweight", dweight.shape(), {D}, "to match x");
  const bool silu = options.activation == GatedRMSNormOptions::Activation::silu;
  const bool norm_first = options.norm_before_gate;
  const Scalar eps = Scalar(options.eps);
  const auto group = [=](const Scalar* in, const Scalar* gate, const Scalar* w, const Scalar* grad,
                         Scalar* out, Scalar* gate_out, Scalar* dw) {
    const auto weighted = [=]<class B>(std::type_identity<B>, Index i) {  // w (.) dy
      return w ? B(simd::load<B>(w + i) * simd::load<B>(grad + i)) : simd::load<B>(grad + i);
    };
    const auto [squares, product] =
        simd::sums<Arch, Scalar, 2>(G, [=]<class B>(std::type_identity<B> b, Index i, B* acc) {
          const B value = simd::load<B>(in + i);
          const B gated = value * detail::gate_of(simd::load<B>(gate + i), silu).gate;
          const B u = norm_first ? value : gated;
          acc[0] = simd::madd(u, u, acc[0]);
          acc[1] = simd::madd(gated, weighted(b, i), acc[1]);  // h (.) u in either order
        });
    const Scalar r = 1 / std::sqrt(squares / Scalar(G) + eps);
    const Scalar along = -r * r * r * (product / Scalar(G));
    simd::for_each_lane<Arch, Scalar>(G, [=]<class B>(std::type_identity<B> b, Index i) {
      const B value = simd::load<B>(in + i), h = weighted(b, i);
      const auto a = detail::gate_of(simd::load<B>(gate + i), silu);
      if (norm_first) {
        const B du = simd::madd(B(r), B(h * a.gate), B(B(along) * value));
        const B da = h * value * B(r);
        if (out) simd::store(out + i, B(simd::load<B>(out + i) + du));
        if (gate_out)
          simd::store(gate_out + i, simd::madd(da, a.slope, simd::load<B>(gate_out + i)));
      } else {
        const B du = simd::madd(B(r), h, B(B(along) * value * a.gate));
        if (out) simd::store(out + i, simd::madd(du, a.gate, simd::load<B>(out + i)));
        if (gate_out)
          simd::store(gate_out + i,
                      simd::madd(B(du * value), a.slope, simd::load<B>(gate_out + i)));
      }
      if (dw)
        simd::store(dw + i, simd::madd(simd::load<B>(grad + i), B(value * a.gate * B(r)),
                                       simd::load<B>(dw + i)));
    });
  };
  for_each_row(
      [&](const Scalar* in, const Scalar* gate, const Scalar* grad, Scalar* out, Scalar* gate_out) {
        for (Index g = 0; g < D; g += G)
          group(in + g, gate + g, weight ? weight.data() + g : nullptr, grad + g,
                out ? out + g : nullptr, gate_out ? gate_out + g : nullptr,
                dweight ? dweight.data() + g : nullptr);
      },
      x, z, dy, dx, dz);
}

}  // namespace sluice::kernels
