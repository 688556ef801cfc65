// SPDX-License-Identifier: MIT
/// \file
/// The inner loop of every forward form: some states of one vector of channels, carried over the
/// tokens of a block in registers.
///
///     a = exp(dt_t A_n),   h_n <- a h_n + B_tn input_t,   sum_t += Re(C_tn h_n)
///
/// It is bound by the exponential: ten multiply-adds, or as much, for every vector.
#pragma once

#include <sluice/kernels/ssm/detail/columns.hpp>
#include <sluice/simd/gemm.hpp>

#include <algorithm>

namespace sluice::ssm::detail {

/// What a tile works on. Rows of tokens are `stride` apart.
template <class Scalar>
struct Tile {
  Index tokens, stride;
  const Scalar *time, *input;
  Scalar* sum;
  Column<Scalar> A, B, C;
  StateRows<Scalar> state;
  bool first;  ///< whether the sum begins here
};

template <class V, int Count, bool Complex, bool TokenB, bool TokenC>
void run_tile(const Tile<simd::ScalarOf<V>>& x) noexcept {
  using Scalar = simd::ScalarOf<V>;
  using Ops = Numbers<V, Complex>;
  Number<V, Complex> h[std::size_t(Count)];
  simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
    h[i] = Ops::load(x.state.data + i * x.state.pitch, x.state.imaginary);
  });
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
  simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
    Ops::store(x.state.data + i * x.state.pitch, x.state.imaginary, h[i]);
  });
}

/// States that a tile of the fast kind holds; the others are rare, and small.
template <class V, bool Fast>
inline constexpr int tile_states = !Fast                                          ? 4
                                   : simd::registers<typename V::arch_type> == 32 ? 16
                                                                                  : 8;

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
      return Ops::broadcast(x.row(block.tokens.row, block.tokens.begin, s.group) + n, states);
    else
      return x ? Ops::load_part(x.row(0, 0, n) + s.first, states * x.stride(2), s.count)
               : Ops::one();
  };
  for (Index n = 0; n < states; ++n)
    for (Index v = 0; v < block.vectors; ++v) {
      const Slice& s = slices[v];
      Scalar* const own = state + n * pitch + s.first;
      const auto pole =
          in.has_poles() ? Ops::load_part(in.A.row(n) + s.first, states * in.A.stride(0), s.count)
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
    const Index tokens = length(block.tokens);
    if (tokens == 1)
      return scan_token<V, complex, TokenB::value, TokenC::value>(in, block, vectors, rows, state,
                                                                  pitch);
    const Index states = in.states() / (complex ? 2 : 1);
    if (states == 0) std::fill_n(rows.sum, tokens * block.vectors * W, Scalar{0});
    for (Index v = 0; v < block.vectors; ++v) {
      const Slice s = vectors[block.vector + v];
      for_each_tile<tile_states<V, by_token && !complex>>(states, [&](auto count, Index n) {
        constexpr int size = decltype(count)::value;
        ColumnRoom<V, size> A, B, C;
        with_rows<V, size, complex>(
            StateRows<Scalar>{state + n * pitch + s.first, pitch, states * pitch}, s,
            [&](const StateRows<Scalar>& h) {
              run_tile<V, size, complex, TokenB::value, TokenC::value>(Tile<Scalar>{
                  tokens, block.vectors * W, rows.time + v * W, rows.input + v * W,
                  rows.sum + v * W,
                  column<V, size, complex>(in.A.data(), in.A.stride(0), states, n, s, A),
                  coupling_column<V, size, complex, TokenB::value>(in.B, block, states, n, s, B),
                  coupling_column<V, size, complex, TokenC::value>(in.C, block, states, n, s, C), h,
                  n == 0});
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
