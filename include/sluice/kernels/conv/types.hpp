// SPDX-License-Identifier: MIT
/// \file
/// Vocabulary of the short causal convolution: every channel by itself, over its last W tokens.
///
///     y_t = act(bias + sum_i weight_i (.) x_{t - W + 1 + i}),   i = 0 .. W - 1,   act silu or none
///
/// The state is what lies before the first token: the last W - 1 inputs, the oldest first.
///
/// Sizes: B batch, T time, D channels, W width of the window. Published implementations that keep W
/// inputs as their state keep one too many: the oldest is never read.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/sequences.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/activation/kind.hpp>
#include <sluice/kernels/common/operand.hpp>
#include <sluice/kernels/common/tokens.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace sluice::conv {

/// The operands.
template <class Scalar>
struct Inputs {
  View<const Scalar, 3> x;                       ///< [B, T, D]
  View<const Scalar, 2> weight;                  ///< [D, W]; tap W - 1 meets the token itself
  View<const Scalar, 1> bias{};                  ///< [D], or absent
  Activation activation = Activation::identity;  ///< or silu
  /// Starts of sequences packed into one batch row (B = 1), and the end: [0, ..., T].
  std::span<const Index> cu_seqlens{};

  bool silu() const noexcept { return activation == Activation::silu; }
  Index width() const noexcept { return weight.dim(1); }
  /// Number of independent sequences: B, or that of the packed ones.
  Index sequences() const noexcept { return count_sequences(cu_seqlens, x.dim(0)); }
};

/// Where the gradients go; views without data are skipped.
template <class Scalar>
struct Gradients {
  View<Scalar, 3> dx{};       ///< as x
  View<Scalar, 2> dweight{};  ///< as weight; added to
  View<Scalar, 1> dbias{};    ///< as bias; added to
  bool accumulate = false;    ///< whether dx is added to instead of overwritten
};

using common::Part;

/// Calls f(part) for what of every sequence lies in tokens [from, to) of a batch row, if anything.
template <class Scalar, class F>
void for_each_part(const Inputs<Scalar>& in, Index row, Index from, Index to, F&& f) {
  common::for_each_part(in.cu_seqlens, in.x.dim(1), row, from, to, f);
}

/// What the arguments of a kernel are called where they do not agree.
struct Names {
  std::string_view state = "state", y = "y";
};

/// Throws ShapeError or ArgumentError unless inputs, state [sequences, W - 1, D] and output
/// [B, T, D] agree.
template <class Scalar>
void require_shapes(std::string_view where, const Inputs<Scalar>& in,
                    const std::type_identity_t<View<const Scalar, 3>>& state,
                    const std::type_identity_t<View<const Scalar, 3>>& y, const Names& names = {}) {
  const Index B = in.x.dim(0), T = in.x.dim(1), D = in.x.dim(2), W = in.width();
  require_shape(where, "weight", in.weight.shape(), {D, W}, "to match x");
  require(W >= 1, where, "the width of the window", "at least 1", W);
  require(in.activation == Activation::identity || in.activation == Activation::silu, where,
          "activation", "identity or silu", "another");
  if (in.bias) require_shape(where, "bias", in.bias.shape(), {D}, "to match x");
  require_cu_seqlens(where, in.cu_seqlens, B, T);
  require_shape(where, names.state, state.shape(), {in.sequences(), W - 1, D},
                "to match x and weight");
  require_shape(where, names.y, y.shape(), in.x.shape(), "to match x");
}

/// Throws ShapeError unless every gradient that is asked for has the shape of its input.
template <class Scalar>
void require_gradients(std::string_view where, const Inputs<Scalar>& in,
                       const View<const Scalar, 3>& state, const View<Scalar, 3>& dstate,
                       const Gradients<Scalar>& grads) {
  if (dstate) require_shape(where, "dstate", dstate.shape(), state.shape(), "to match state");
  if (grads.dx) require_shape(where, "dx", grads.dx.shape(), in.x.shape(), "to match x");
  if (grads.dweight)
    require_shape(where, "dweight", grads.dweight.shape(), in.weight.shape(), "to match weight");
  if (grads.dbias) require_shape(where, "dbias", grads.dbias.shape(), {in.x.dim(2)}, "to match x");
}

}  // namespace sluice::conv
