// SPDX-License-Identifier: MIT
/// \file
/// Rotary position embedding as an operation on variables.
#pragma once

#include <sluice/core/tape.hpp>
#include <sluice/kernels/rotary/rotary.hpp>

#include <string>

namespace sluice {

/// The angles of one pass, on its tape; queries and keys of all heads share them.
template <class Scalar>
struct RotaryAngles {
  View<const Scalar, 2> cosine, sine;  ///< [T, K / 2]
};

/// The angles of T tokens from `position` on, for heads of width K.
///
/// \throws ArgumentError  if K is odd or base is not above 0.
template <class Scalar>
RotaryAngles<Scalar> rotary_angles(Tape<Scalar>& tape, Index T, Index K, Index position,
                                   double base = 10000) {
  if (K % 2 != 0)  // texts are made only when needed: a warm step must not allocate
    require(false, "rotary_angles", "the width of a head", "even", std::to_string(K));
  if (!(base > 0)) require(false, "rotary_angles", "base", "above 0", std::to_string(base));
  const Shape<2> shape{T, K / 2};
  const View<Scalar, 2> cosine(tape.allocate(shape), shape), sine(tape.allocate(shape), shape);
  kernels::rotary_angles(position, base, cosine, sine);
  return {cosine, sine};
}

/// x [B, T, H, K] turned by angles that depend on the token; see `kernels::rotary`.
///
/// \throws ShapeError  if the angles are of other sizes.
///
/// Source: Su et al., RoFormer, 2021 (arXiv:2104.09864).
template <class Scalar>
Variable<Scalar, 4> rotary(const Variable<Scalar, 4>& x, const RotaryAngles<Scalar>& angles) {
  const auto y = x.tape->result(x.shape(), x);
  kernels::rotary(x.value, angles.cosine, angles.sine, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, angles] {
      kernels::rotary_backward(View<const Scalar, 4>(y.gradient), angles.cosine, angles.sine,
                               x.gradient);
    });
  return y;
}

/// The same, token 0 of x being at `position`.
template <class Scalar>
Variable<Scalar, 4> rotary(const Variable<Scalar, 4>& x, Index position, double base = 10000) {
  return rotary(x, rotary_angles(*x.tape, x.dim(1), x.dim(3), position, base));
}

}  // namespace sluice
