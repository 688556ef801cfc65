// SPDX-License-Identifier: MIT
/// \file
/// Vocabulary of the selective scan, the elementwise recurrence of state-space models.
///
///     dt   <- clamp(softplus(dt + dt_bias))                       each part optional
///     h_tn  = exp(dt_t A_n) h_(t-1)n + dt_t B_tn x_t              for every channel
///     y_t   = (sum_n C_tn h_tn + D x_t) silu(z_t)
///
/// Sizes: batch, T tokens, channels, states a channel. Whatever belongs to a state and a channel
/// has the channels innermost: A and constant B and C are [states, channels], the state is
/// [batch, states, channels]. So a vector holds neighbouring channels, no form converts a layout,
/// and a step reads and writes the state where it is.
///
/// With complex poles (`complex`), A, B, C and h hold the real parts of all states, then the
/// imaginary parts: their `states` axis is twice as long. One of each conjugate pair is stored,
/// and y reads 2 Re(C h).
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/sequences.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/common/operand.hpp>

#include <cmath>
#include <limits>
#include <span>
#include <string_view>

namespace sluice::ssm {

/// What B or C depends on.
enum class CouplingKind {
  one,      ///< nothing: all 1
  channel,  ///< state and channel, constant in time: S4D
  token     ///< state and token, for all channels of a group: Mamba
};

/// B or C, or a gradient of it. Made from nothing, from [states, channels], from [batch, T, states]
/// or from [batch, T, groups, states]; the rank says the kind.
template <class T>
class Coupling {
 public:
  Coupling() = default;

  template <class X>
  requires(DenseTensor<X, T, 4> || std::convertible_to<X, View<T, 4>>) Coupling(X&& x)
  noexcept : Coupling(CouplingKind::token, View<T, 4>(x)) {}
  template <class X>
  requires(DenseTensor<X, T, 3> || std::convertible_to<X, View<T, 3>>) Coupling(X&& x)
  noexcept : Coupling(CouplingKind::token, with_one_group(View<T, 3>(x))) {}
  template <class X>
  requires(DenseTensor<X, T, 2> || std::convertible_to<X, View<T, 2>>) Coupling(X&& x)
  noexcept : Coupling(CouplingKind::channel, with_one_token(View<T, 2>(x))) {}

  CouplingKind kind() const noexcept { return kind_; }
  /// As [batch, T, groups, states], or [1, 1, states, channels].
  const View<T, 4>& view() const noexcept { return view_; }

 private:
  Coupling(CouplingKind kind, const View<T, 4>& view) noexcept : kind_(kind), view_(view) {
    if (!view_ && view_.size() != 0) kind_ = CouplingKind::one;
  }
  static View<T, 4> with_one_group(const View<T, 3>& x) noexcept {
    return {x.data(), {x.dim(0), x.dim(1), 1, x.dim(2)}, {x.stride(0), x.stride(1), x.dim(2), 1}};
  }
  static View<T, 4> with_one_token(const View<T, 2>& x) noexcept {
    return {x.data(), {1, 1, x.dim(0), x.dim(1)}, {0, 0, x.stride(0), 1}};
  }

  CouplingKind kind_ = CouplingKind::one;
  View<T, 4> view_;
};

/// The operands of the scan.
template <class Scalar>
struct Inputs {
  View<const Scalar, 3> x;          ///< [batch, T, channels]
  View<const Scalar, 3> dt;         ///< [batch, T, channels], before bias, softplus and limits
  View<const Scalar, 2> A{};        ///< poles [states, channels], negative; absent: one state, of 1
  Coupling<const Scalar> B{}, C{};  ///< see `Coupling`
  View<const Scalar, 1> D{};        ///< skip [channels]; absent: 0
  View<const Scalar, 3> z{};        ///< gate [batch, T, channels]; absent: y is not gated
  View<const Scalar, 1> dt_bias{};  ///< [channels]
  bool softplus = false;            ///< of dt, behind the bias
  bool complex = false;             ///< see the file comment
  bool dt_scales_x = true;          ///< whether dt multiplies x as well, or the decay alone
  Scalar dt_min = -std::numeric_limits<Scalar>::infinity();  ///< limits of dt, behind softplus
  Scalar dt_max = std::numeric_limits<Scalar>::infinity();
  /// Starts of sequences packed into one batch row, and the end: [0, ..., T].
  std::span<const Index> cu_seqlens{};

  /// Whether there are poles; those of no states or no channels have no data either.
  bool has_poles() const noexcept { return A || (A.size() == 0 && A.shape() != Shape<2>{}); }
  /// Rows of the state of a sequence: its states, twice as many if they are complex.
  Index states() const noexcept { return has_poles() ? A.dim(0) : 1; }
  Index channels() const noexcept { return x.dim(2); }
  /// Groups of channels with B and C of their own.
  Index groups() const noexcept {
    if (B.kind() == CouplingKind::token) return B.view().dim(2);
    return C.kind() == CouplingKind::token ? C.view().dim(2) : 1;
  }
  /// Number of independent sequences: the batch, or that of the packed ones.
  Index sequences() const noexcept { return count_sequences(cu_seqlens, x.dim(0)); }
};

/// The operands of the elementwise gated recurrence, one state a channel:
///
///     h_t = exp(g_t) h_(t-1) + x_t,   y_t = h_t
///
/// \param x, g  [batch, T, channels]; g is a natural logarithm, at most 0.
///
/// Source: Qin et al., Hierarchically Gated Recurrent Network, NeurIPS 2023 (arXiv:2311.04823).
template <Operand X>
Inputs<ElementOf<X>> gated_recurrence(const X& x, ConstViewOf<X> g) noexcept {
  Inputs<ElementOf<X>> in{.x = x, .dt = g};
  in.dt_scales_x = false;
  return in;
}

/// Where the gradients go; views without data are skipped.
template <class Scalar>
struct Gradients {
  View<Scalar, 3> dx{};         ///< as x
  View<Scalar, 3> ddt{};        ///< as dt
  View<Scalar, 2> dA{};         ///< as A
  Coupling<Scalar> dB{}, dC{};  ///< of the kinds and shapes of B and C
  View<Scalar, 1> dD{};         ///< as D
  View<Scalar, 3> dz{};         ///< as z
  View<Scalar, 1> ddt_bias{};   ///< as dt_bias
  /// Whether gradients that vary in time are added to instead of overwritten; those of A, D,
  /// dt_bias and of constant B and C, being gradients of parameters, are always added to.
  bool accumulate = false;
};

/// Where the n-th sequence lies.
template <class Scalar>
Span sequence(const Inputs<Scalar>& in, Index n) noexcept {
  return sluice::sequence(in.cu_seqlens, in.x.dim(1), n);
}

/// What the arguments of a kernel are called where they do not agree.
struct Names {
  std::string_view state = "state", y = "y";
};

/// Throws unless inputs, state [sequences, states, channels] and output [batch, T, channels] agree.
template <class Scalar>
void require_shapes(std::string_view where, const Inputs<Scalar>& in,
                    const std::type_identity_t<View<const Scalar, 3>>& state,
                    const std::type_identity_t<View<const Scalar, 3>>& y, const Names& names = {}) {
  const auto& x = in.x.shape();
  const Index batch = x[0], T = x[1], channels = x[2];
  const Index states = in.states(), groups = in.groups();
  require_shape(where, "dt", in.dt.shape(), x, "to match x");
  if (in.has_poles()) require_shape(where, "A", in.A.shape(), {states, channels}, "to match x");
  require(!in.complex || states % 2 == 0, where, "A", "real and imaginary parts, an even number",
          text(states, " rows"));
  const auto coupling = [&](const char* name, const Coupling<const Scalar>& c) {
    if (c.kind() == CouplingKind::token)
      require_shape(where, name, c.view().shape(), {batch, T, groups, states}, "to match x and A");
    if (c.kind() == CouplingKind::channel)
      require_shape(where, name, c.view().shape(), {1, 1, states, channels}, "to match A");
  };
  coupling("B", in.B), coupling("C", in.C);
  require(groups == 0 ? channels == 0 : channels % groups == 0, where, "channels",
          text("a multiple of the ", groups, " groups"), channels);
  if (in.D) require_shape(where, "D", in.D.shape(), {channels}, "to match x");
  if (in.z) require_shape(where, "z", in.z.shape(), x, "to match x");
  if (in.dt_bias) require_shape(where, "dt_bias", in.dt_bias.shape(), {channels}, "to match x");
  require(in.dt_min <= in.dt_max, where, "dt_min", "at most dt_max",
          text(in.dt_min, " above ", in.dt_max));
  require_cu_seqlens(where, in.cu_seqlens, batch, T);
  require_shape(where, names.state, state.shape(), {in.sequences(), states, channels},
                "to match x and A");
  require_shape(where, names.y, y.shape(), x, "to match x");
}

/// Throws ShapeError unless every gradient that is asked for has the shape of its input.
template <class Scalar>
void require_gradients(std::string_view where, const Inputs<Scalar>& in,
                       const Gradients<Scalar>& grads) {
  const auto same = [&](const char* name, const auto& gradient, const auto& input) {
    if (gradient) require_shape(where, name, gradient.shape(), input.shape(), "as its input");
  };
  same("dx", grads.dx, in.x), same("ddt", grads.ddt, in.dt), same("dz", grads.dz, in.z);
  same("dA", grads.dA, in.A), same("dD", grads.dD, in.D);
  same("ddt_bias", grads.ddt_bias, in.dt_bias);
  same("dB", grads.dB.view(), in.B.view()), same("dC", grads.dC.view(), in.C.view());
}

}  // namespace sluice::ssm
