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
  simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
    h[i] = Ops::load(x.state + i * x.pitch, x.imaginary);
  });
  for (Index t = 0; t < x.tokens; ++t) {
    const V time = simd::load<V>(x.time + t * x.stride);
    const V input = simd::load<V>(x.input + t * x.stride);
    V sum[2] = {x.first ? V(Scalar{0}) : simd::load<V>(x.sum + t * x.stride), V(Scalar{0})};
    simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
      const auto a = Ops::decay(time, x.A.template at<false, V, Complex>(t, i));
      const auto in = Ops::scaled(input, x.B.template at<TokenB, V, Complex>(t, i));
      h[i] = Ops::madd(a, h[i], in);
      sum[i % 2] = Ops::real_product(x.C.template at<TokenC, V, Complex>(t, i), h[i], sum[i % 2]);
    });
    simd::store(x.sum + t * x.stride, V(sum[0] + sum[1]));
  }
  simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
    Ops::store(x.state + i * x.pitch, x.imaginary, h[i]);
  });
}

/// States that a tile of the fast kind holds; the others are rare, and small.
template <class V, bool Fast>
inline constexpr int tile_states = !Fast                                         ? 4
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

/// Room for the parts of `Count` numbers that do not vary in time, as vectors one behind the other.
template <class V, int Count>
struct ColumnRoom {
  alignas(64) simd::ScalarOf<V> data[std::size_t(2 * Count * simd::lanes<V>)];
};

/// Rows n, n + 1, ... of a matrix [states, channels] for a slice; 1 where there is none. They are
/// copied unless a single token reads them, from whole vectors.
template <class V, int Count, bool Complex, class Scalar>
Column<Scalar> column(const Scalar* data, Index pitch, Index imaginary, Index n, const Slice& s,
                      bool in_place, ColumnRoom<V, Count>& room) noexcept {
  constexpr Index W = simd::lanes<V>;
  const Column<Scalar> copied{room.data, W, 0, Count * W};
  if (!data) {
    std::fill_n(room.data, Count * W, Scalar{1});
    std::fill_n(room.data + Count * W, Count * W, Scalar{0});
    return copied;
  }
  data += n * pitch + s.first;
  if (in_place && s.count == W) return {data, pitch, 0, imaginary * pitch};
  gather<V>(data, pitch, Count, s.count, room.data);
  if (Complex) gather<V>(data + imaginary * pitch, pitch, Count, s.count, room.data + Count * W);
  return copied;
}

/// B or C for a tile, from the first token of a block on.
template <class V, int Count, bool Complex, bool ByToken, class Scalar>
Column<Scalar> coupling_column(const Coupling<const Scalar>& c, const Block& block, Index imaginary,
                               Index n, const Slice& s, ColumnRoom<V, Count>& room) noexcept {
  const View<const Scalar, 4>& view = c.view();
  if constexpr (ByToken) {
    return {view.row(block.row, block.begin, s.group) + n, 1, view.stride(1), imaginary};
  } else {
    return column<V, Count, Complex>(view.data(), view.stride(2), imaginary, n, s,
                                     block.tokens == 1, room);
  }
}

/// The recurrence of a block; `state` [states, channels] has rows `pitch` apart.
template <class V, class Scalar>
void scan(const Inputs<Scalar>& in, const Block& block, const Vectors& vectors, BlockRows<V>& rows,
          Scalar* state, Index pitch) {
  constexpr Index W = simd::lanes<V>;
  with_kinds(in, [&]<class Complex, class TokenB, class TokenC>(Complex, TokenB, TokenC) {
    constexpr bool complex = Complex::value, by_token = TokenB::value && TokenC::value;
    const Index states = in.states() / (complex ? 2 : 1);
    for (Index v = 0; v < block.vectors; ++v) {
      const Slice s = vectors[block.vector + v];
      for_each_tile<tile_states<V, by_token && !complex>>(states, [&](auto count, Index n) {
        constexpr int size = decltype(count)::value;
        ColumnRoom<V, size> A, B, C, h;
        Scalar* const own = state + n * pitch + s.first;
        Scalar* const own_imaginary = own + states * pitch;
        Tile<Scalar> tile{
            block.tokens, block.vectors * W, rows.time + v * W, rows.input + v * W,
            rows.sum + v * W,
            column<V, size, complex>(in.A.data(), in.A.stride(0), states, n, s, block.tokens == 1,
                                     A),
            coupling_column<V, size, complex, TokenB::value>(in.B, block, states, n, s, B),
            coupling_column<V, size, complex, TokenC::value>(in.C, block, states, n, s, C),
            own, pitch, states * pitch, n == 0};
        if (s.count < W) {
          tile.state = h.data, tile.pitch = W, tile.imaginary = size * W;
          gather<V>(own, pitch, size, s.count, h.data);
          if (complex) gather<V>(own_imaginary, pitch, size, s.count, h.data + size * W);
        }
        run_tile<V, size, complex, TokenB::value, TokenC::value>(tile);
        if (s.count < W) {
          scatter<V>(h.data, size, s.count, own, pitch);
          if (complex) scatter<V>(h.data + size * W, size, s.count, own_imaginary, pitch);
        }
      });
    }
  });
}

/// Whole: dt and input, the recurrence, and y unless it is absent.
template <class V, class Scalar>
void run_block(const Inputs<Scalar>& in, const Block& block, const Vectors& vectors, Scalar* state,
               Index pitch, const View<Scalar, 3>& y) {
  BlockRows<V> rows;
  prepare(in, block, vectors, rows);
  scan(in, block, vectors, rows, state, pitch);
  if (y) finish(in, block, vectors, rows, y);
}

}  // namespace sluice::ssm::detail
