// SPDX-License-Identifier: MIT
/// \file
/// Rotary position embedding as an operation on variables.
#pragma once

#include <sluice/core/operation.hpp>
#include <sluice/kernels/rotary/rotary.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>

namespace sluice {

/// The angles of one pass, on its tape; queries and keys of all heads share them.
template <class Scalar>
struct RotaryAngles {
  View<const Scalar, 3> cosine, sine;  ///< [B or 1, T, K / 2]; 1: the same for all of a batch
};

/// The angles of T tokens of every sequence, for heads of width K.
///
/// \param positions  of the first token of each sequence: one for all, or [B or packed sequences].
/// \throws ArgumentError  if K is odd, base is not above 0, or the positions are of another number.
template <class Scalar>
RotaryAngles<Scalar> rotary_angles(Tape<Scalar>& tape, Index B, Index T, Index K,
                                   std::span<const std::int64_t> positions, double base = 10000) {
  const auto where = "rotary_angles";
  require(K % 2 == 0, where, "the width of a head", "even", K);
  require(base > 0, where, "base", "above 0", base);
  const auto packed = tape.cu_seqlens();
  const Index n = count_sequences(packed, B), given = Index(positions.size());
  require(given == n || given == 1, where, "positions", text("1 or ", n, ", one a sequence"),
          given);
  const bool alike = packed.empty() && std::adjacent_find(positions.begin(), positions.end(),
                                                          std::not_equal_to<>{}) == positions.end();
  const Shape<3> shape{alike ? 1 : B, T, K / 2};
  const auto cosine = room(tape, shape), sine = room(tape, shape);
  const auto matrix = [](const View<Scalar, 3>& x, const Span& part) {
    return rows(slice(slice(x, 0, part.row, 1), 1, part.begin, part.end - part.begin));
  };
  for (Index i = 0; i < (alike ? shape[0] : n); ++i) {
    const Span part = sequence(packed, T, i);
    kernels::rotary_angles(Index(positions[given == 1 ? 0 : std::size_t(i)]), base,
                           matrix(cosine, part), matrix(sine, part));
  }
  return {cosine, sine};
}

/// x [B, T, H, K] turned by angles that depend on the token; see `kernels::rotary`.
///
/// \throws ShapeError  if the angles are of other sizes.
///
/// Source: Su et al., RoFormer, 2021 (arXiv:2104.09864).
template <class Scalar>
Variable<Scalar, 4> rotary(const Variable<Scalar, 4>& x, const RotaryAngles<Scalar>& angles) {
  const Index B = angles.cosine.dim(0);
  require(B == 1 || B == x.dim(0), "rotary", "angles", text("for 1 or ", x.dim(0), " sequences"),
          B);
  // Sequences that turn alike are turned at once.
  const auto each = [=](const auto& turn) {
    for (Index b = 0; b < B; ++b)
      turn([=](const auto& v) { return B == 1 ? v : slice(v, 0, b, 1); },
           rows(slice(angles.cosine, 0, b, 1)), rows(slice(angles.sine, 0, b, 1)));
  };
  return operation(
      x.shape(),
      [&](const View<Scalar, 4>& y) {
        each([&](const auto& of, const auto& cosine, const auto& sine) {
          kernels::rotary(of(x.value), cosine, sine, of(y));
        });
      },
      [=](auto, const View<const Scalar, 4>& dy) {
        each([&](const auto& of, const auto& cosine, const auto& sine) {
          kernels::rotary_backward(of(dy), cosine, sine, of(x.gradient));
        });
      },
      x);
}

/// The same, token 0 of every sequence being at `position`.
template <class Scalar>
Variable<Scalar, 4> rotary(const Variable<Scalar, 4>& x, std::int64_t position,
                           double base = 10000) {
  return rotary(x, rotary_angles(*x.tape, x.dim(0), x.dim(1), x.dim(3), {&position, 1}, base));
}

}  // namespace sluice
