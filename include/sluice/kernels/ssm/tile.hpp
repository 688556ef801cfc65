// SPDX-License-Identifier: MIT
/// \file
/// The inner loop of every forward form: some states of one vector of channels, carried over the
/// tokens of a block in registers.
///
///     a = exp(dt_t A_n),   h_n <- a h_n + B_tn input_t,   sum_t += Re(C_tn h_n)
///
/// It is bound by the exponential: ten multiply-adds, or as much, for every vector.
#pragma once

#include <sluice/kernels/ssm/block.hpp>
#include <sluice/kernels/ssm/number.hpp>
#include <sluice/simd/gemm.hpp>

#include <algorithm>
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

/// What a tile works on. Rows of tokens are `stride` apart, rows of the state `pitch`.
template <class Scalar>
struct Tile {
  Index tokens, stride;
  const Scalar *time, *input;
  Scalar* sum;
  Column<Scalar> A, B, C;
  Scalar* state;
  Index pitch, imaginary;
  bool first;  ///< whether the sum begins here
};

template <class V, int Count, bool Complex, bool TokenB, bool TokenC>
void run_tile(const Tile<simd::ScalarOf<V>>& x) noexcept {
  using Scalar = simd::ScalarOf<V>;
  using Ops = Numbers<V, Complex>;
  Number<V, Complex> h[Count];
  simd::unroll<Count>(
      [&](auto i) SLUICE_INLINE_LAMBDA { h[i] = Ops::load(x.state + i * x.pitch, x.imaginary); });
  for (Index t = 0; t < x.tokens; ++t) {
    const V time = simd::load<V>(x.time + t * x.stride);
    const V input = simd::load<V>(x.input + t * x.stride);
    V sum = x.first ? V(Scalar{0}) : simd::load<V>(x.sum + t * x.stride);
    simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
      const auto a = Ops::decay(time, x.A.template at<false, V, Complex>(t, i));
      const auto in = Ops::scaled(input, x.B.template at<TokenB, V, Complex>(t, i));
      h[i] = Ops::madd(a, h[i], in);
      sum = Ops::real_product(x.C.template at<TokenC, V, Complex>(t, i), h[i], sum);
    });
    simd::store(x.sum + t * x.stride, sum);
  }
  simd::unroll<Count>(
      [&](auto i) SLUICE_INLINE_LAMBDA { Ops::store(x.state + i * x.pitch, x.imaginary, h[i]); });
}

/// States that a tile of the fast kind holds; the others are rare, and small.
template <class V, bool Fast>
inline constexpr int tile_states = !Fast                                          ? 4
                                   : simd::registers<typename V::arch_type> == 32 ? 16
                                                                                  : 8;

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
  for (Index i = 0; i < Count; ++i) {
    const Scalar* from = data + (n + i) * pitch + s.first;
    Ops::store(room.data + i * W, room.imaginary,
               data ? Ops::load_part(from, imaginary * pitch, s.count) : Ops::one());
  }
  return {room.data, W, 0, room.imaginary};
}

/// B or C for a tile, from the first token of a block on.
template <class V, int Count, bool Complex, bool ByToken, class Scalar>
Column<Scalar> coupling_column(const Coupling<const Scalar>& c, const Block& block, Index imaginary,
                               Index n, const Slice& s, ColumnRoom<V, Count>& room) noexcept {
  const View<const Scalar, 4>& view = c.view();
  if constexpr (ByToken)
    return {view.row(block.row, block.begin, s.group) + n, 1, view.stride(1), imaginary};
  else
    return column<V, Count, Complex>(view.data(), view.stride(2), imaginary, n, s, room);
}

/// The state of a slice for a tile: in place where it fills whole vectors, else copied.
template <class V, int Count, bool Complex, class Scalar, class F>
void with_state(Scalar* own, Index pitch, Index imaginary, const Slice& s, F&& run) noexcept {
  using Ops = Numbers<V, Complex>;
  constexpr Index W = simd::lanes<V>;
  if (s.count == W) return run(own, pitch, imaginary);
  ColumnRoom<V, Count> h;
  for (Index i = 0; i < Count; ++i)
    Ops::store(h.data + i * W, h.imaginary, Ops::load_part(own + i * pitch, imaginary, s.count));
  run(h.data, W, h.imaginary);
  for (Index i = 0; i < Count; ++i)
    Ops::store_part(own + i * pitch, imaginary, Ops::load(h.data + i * W, h.imaginary), s.count);
}

/// One token of several vectors: state by state, so that A and the state are read in order and
/// where they are. Every number is computed as in `run_tile`.
template <class V, bool Complex, bool TokenB, bool TokenC, class Scalar>
void scan_token(const Inputs<Scalar>& in, const Block& block, const Vectors& vectors,
                BlockRows<V>& rows, Scalar* state, Index pitch) noexcept {
  using Ops = Numbers<V, Complex>;
  constexpr Index W = simd::lanes<V>;
  const Index states = in.states() / (Complex ? 2 : 1);
  Slice slices[block_size];
  for (Index v = 0; v < block.vectors; ++v) slices[v] = vectors[block.vector + v];
  std::fill_n(rows.sum, block.vectors * W, Scalar{0});
  const auto coupling = [&]<bool ByToken>(std::bool_constant<ByToken>, const auto& c, Index n,
                                          const Slice& s) SLUICE_INLINE_LAMBDA {
    const View<const Scalar, 4>& x = c.view();
    if constexpr (ByToken)
      return Ops::broadcast(x.row(block.row, block.begin, s.group) + n, states);
    else
      return x ? Ops::load_part(x.row(0, 0, n) + s.first, states * x.stride(2), s.count)
               : Ops::one();
  };
  for (Index n = 0; n < states; ++n)
    for (Index v = 0; v < block.vectors; ++v) {
      const Slice& s = slices[v];
      Scalar* const own = state + n * pitch + s.first;
      const auto pole =
          in.A ? Ops::load_part(in.A.row(n) + s.first, states * in.A.stride(0), s.count)
               : Ops::one();
      const auto a = Ops::decay(simd::load<V>(rows.time + v * W), pole);
      const auto b = coupling(std::bool_constant<TokenB>{}, in.B, n, s);
      const auto h = Ops::madd(a, Ops::load_part(own, states * pitch, s.count),
                               Ops::scaled(simd::load<V>(rows.input + v * W), b));
      Ops::store_part(own, states * pitch, h, s.count);
      const auto c = coupling(std::bool_constant<TokenC>{}, in.C, n, s);
      simd::store(rows.sum + v * W, Ops::real_product(c, h, simd::load<V>(rows.sum + v * W)));
    }
}

/// The recurrence of a block; `state` [states, channels] has rows `pitch` apart.
template <class V, class Scalar>
void scan(const Inputs<Scalar>& in, const Block& block, const Vectors& vectors, BlockRows<V>& rows,
          Scalar* state, Index pitch) {
  constexpr Index W = simd::lanes<V>;
  with_kinds(in, [&]<class Complex, class TokenB, class TokenC>(Complex, TokenB, TokenC) {
    constexpr bool complex = Complex::value, by_token = TokenB::value && TokenC::value;
    if (block.tokens == 1)
      return scan_token<V, complex, TokenB::value, TokenC::value>(in, block, vectors, rows, state,
                                                                  pitch);
    const Index states = in.states() / (complex ? 2 : 1);
    for (Index v = 0; v < block.vectors; ++v) {
      const Slice s = vectors[block.vector + v];
      for_each_tile<tile_states<V, by_token && !complex>>(states, [&](auto count, Index n) {
        constexpr int size = decltype(count)::value;
        ColumnRoom<V, size> A, B, C;
        Tile<Scalar> tile{
            block.tokens,
            block.vectors * W,
            rows.time + v * W,
            rows.input + v * W,
            rows.sum + v * W,
            column<V, size, complex>(in.A.data(), in.A.stride(0), states, n, s, A),
            coupling_column<V, size, complex, TokenB::value>(in.B, block, states, n, s, B),
            coupling_column<V, size, complex, TokenC::value>(in.C, block, states, n, s, C),
            nullptr,
            0,
            0,
            n == 0};
        with_state<V, size, complex>(
            state + n * pitch + s.first, pitch, states * pitch, s,
            [&](Scalar* own, Index own_pitch, Index imaginary) {
              tile.state = own, tile.pitch = own_pitch, tile.imaginary = imaginary;
              run_tile<V, size, complex, TokenB::value, TokenC::value>(tile);
            });
      });
    }
  });
}

/// Whole: dt and input, the recurrence, and y unless it is absent.
template <class V, class Scalar>
void run_block(const Inputs<Scalar>& in, const Block& block, const Vectors& vectors, Scalar* state,
               Index pitch, const View<Scalar, 3>& y) {
  BlockRows<V> rows;
  prepare(in, block, vectors, rows, y);
  scan(in, block, vectors, rows, state, pitch);
  if (y) finish(in, block, vectors, rows, y);
}

}  // namespace sluice::ssm::detail
