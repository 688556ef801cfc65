// SPDX-License-Identifier: MIT
/// \file
/// What the register tiles of the scan read: A, B, C and states, for some states of one vector of
/// channels, whatever their kinds and however ragged the vector.
#pragma once

#include <sluice/kernels/ssm/detail/block.hpp>
#include <sluice/kernels/ssm/detail/number.hpp>

#include <cstddef>
#include <type_traits>

namespace sluice::ssm::detail {

/// Numbers by state: a vector each, or one for all lanes (and then by token too).
template <class Scalar>
struct Column {
  const Scalar* data;
  Index state, token, imaginary;  ///< distances of states, of tokens, of the imaginary part

  template <bool ByToken, class V, bool Complex>
  SLUICE_INLINE Number<V, Complex> at(Index t, Index n) const noexcept {
    if constexpr (ByToken)
      return Numbers<V, Complex>::broadcast(data + t * token + n, imaginary);
    else
      return Numbers<V, Complex>::load(data + n * state, imaginary);
  }
};

/// Numbers by state that belong to the channels of a tile, `pitch` apart.
template <class T>
struct StateRows {
  T* data;
  Index pitch, imaginary;
};

/// Calls f(std::integral_constant<int, Count>{}, first) until all states are taken.
template <int Largest, class F>
SLUICE_INLINE void for_each_tile(Index states, F&& f) noexcept {
  Index n = 0;
  for (; n + Largest <= states; n += Largest) f(std::integral_constant<int, Largest>{}, n);
  if constexpr (Largest > 4)
    for (; n + 4 <= states; n += 4) f(std::integral_constant<int, 4>{}, n);
  for (; n < states; ++n) f(std::integral_constant<int, 1>{}, n);
}

/// Calls f with what the kinds of poles and couplings are, as constants of the compiler.
template <class Scalar, class F>
void with_kinds(const Inputs<Scalar>& in, F&& f) {
  const auto decide = [](bool condition, auto&& then) {
    return condition ? then(std::true_type{}) : then(std::false_type{});
  };
  decide(in.complex, [&](auto complex) {
    decide(in.B.kind() == CouplingKind::token, [&](auto b) {
      decide(in.C.kind() == CouplingKind::token, [&](auto c) { f(complex, b, c); });
    });
  });
}

/// Room for `Count` numbers that do not vary in time, as vectors one behind the other.
template <class V, int Count>
struct ColumnRoom {
  static constexpr Index W = simd::lanes<V>, imaginary = Count * W;
  alignas(64) simd::ScalarOf<V> data[std::size_t(2 * Count * W)];
};

/// Rows n, n + 1, ... of a matrix [states, channels] for a slice, copied: in place they would lie
/// in the same sets of the cache. 1 where there is no matrix.
template <class V, int Count, bool Complex, class Scalar>
Column<Scalar> column(const Scalar* data, Index pitch, Index imaginary, Index n, const Slice& s,
                      ColumnRoom<V, Count>& room) noexcept {
  using Ops = Numbers<V, Complex>;
  constexpr Index W = simd::lanes<V>;
  for (Index i = 0; i < Count; ++i)
    Ops::store(room.data + i * W, room.imaginary,
               data ? Ops::load_part(data + (n + i) * pitch + s.first, imaginary * pitch, s.count)
                    : Ops::one());
  return {room.data, W, 0, room.imaginary};
}

/// B or C for a tile, from the first token of a block on.
template <class V, int Count, bool Complex, bool ByToken, class Scalar>
Column<Scalar> coupling_column(const Coupling<const Scalar>& c, const Block& block, Index imaginary,
                               Index n, const Slice& s, ColumnRoom<V, Count>& room) noexcept {
  const View<const Scalar, 4>& view = c.view();
  if constexpr (ByToken)
    return {view.row(block.tokens.row, block.tokens.begin, s.group) + n, 1, view.stride(1),
            imaginary};
  else
    return column<V, Count, Complex>(view.data(), view.stride(2), imaginary, n, s, room);
}

/// Calls run(rows) with the numbers of a slice: in place where it fills whole vectors, else copied
/// there and, unless they are constant, back.
template <class V, int Count, bool Complex, class T, class F>
void with_rows(const StateRows<T>& own, const Slice& s, F&& run) {
  using Ops = Numbers<V, Complex>;
  constexpr Index W = simd::lanes<V>;
  if (s.count == W) return run(own);
  ColumnRoom<V, Count> copy;
  for (Index i = 0; i < Count; ++i)
    Ops::store(copy.data + i * W, copy.imaginary,
               Ops::load_part(own.data + i * own.pitch, own.imaginary, s.count));
  run(StateRows<T>{copy.data, W, copy.imaginary});
  if constexpr (!std::is_const_v<T>)
    for (Index i = 0; i < Count; ++i)
      Ops::store_part(own.data + i * own.pitch, own.imaginary,
                      Ops::load(copy.data + i * W, copy.imaginary), s.count);
}

}  // namespace sluice::ssm::detail
