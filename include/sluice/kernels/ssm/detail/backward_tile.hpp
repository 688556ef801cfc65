// SPDX-License-Identifier: MIT
/// \file
/// The inner loops of the backward pass: some states of one vector of channels over the tokens
/// between two saved states, first forward once more, then in reverse.
///
/// With G the gradient of the state, r_t that of sum_t, and u_t the input of the recurrence,
///
///   1. G_n   += r_t conj(C_tn)
///   2. dC_tn += r_t conj(h_tn)              dB_tn += u_t G_n
///   3. by u_t: sum_n Re(G_n conj(B_tn))
///   4. G_n   <- conj(a_tn) G_n              and with it the gradient of the exponent dt_t A_n,
///   5. E_n    = conj(h_(t-1)n) G_n:         dA_n += dt_t E_n,  by dt_t: sum_n Re(E_n conj(A_n))
///
/// (gradients of complex numbers are d / d Re + i d / d Im). Sums over channels stay vectors here;
/// the lanes are added once a block.
#pragma once

#include <sluice/kernels/ssm/chunkwise.hpp>
#include <sluice/kernels/ssm/detail/tile.hpp>

namespace sluice::ssm::detail {

/// Gradients by B or C of some tokens, a vector of channels each; `token` is 0 where they are
/// constant in time.
template <class Scalar>
struct LaneSums {
  Scalar* data;
  Index token, imaginary;
};

/// What a tile works on. Rows of tokens are a vector apart.
template <class Scalar>
struct BackwardTile {
  Index tokens;
  const Scalar *time, *input, *dt, *read;  ///< `read` is r
  Scalar *sum, *by_input, *by_decay;
  bool first;  ///< whether these sums begin here
  Column<Scalar> A, B, C;
  LaneSums<Scalar> dB, dC;
  StateRows<const Scalar> state;   ///< the saved one
  StateRows<Scalar> gradient, dA;  ///< G, and what is added to
};

/// Steps 1 to 5.
template <class V, int Count, bool Complex, bool TokenB, bool TokenC>
void run_tile_backward(const BackwardTile<simd::ScalarOf<V>>& x) noexcept {
  using Scalar = simd::ScalarOf<V>;
  using Ops = Numbers<V, Complex>;
  constexpr Index W = simd::lanes<V>, imaginary = Count * W;
  constexpr Index numbers = (Complex ? 2 : 1) * imaginary;  // of one token
  alignas(64) Scalar decays[std::size_t(saved_every * numbers)];
  alignas(64) Scalar states[std::size_t((saved_every + 1) * numbers)];

  Number<V, Complex> h[std::size_t(Count)];
  simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
    h[i] = Ops::load(x.state.data + i * x.state.pitch, x.state.imaginary);
    Ops::store(states + i * W, imaginary, h[i]);
  });
  for (Index t = 0; t < x.tokens; ++t) {
    const V time = simd::load<V>(x.time + t * W), input = simd::load<V>(x.input + t * W);
    V sum = x.first ? V(Scalar{0}) : simd::load<V>(x.sum + t * W);
    simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
      const auto a = Ops::decay(time, x.A.template at<false, V, Complex>(t, i));
      const auto in = Ops::scaled(input, x.B.template at<TokenB, V, Complex>(t, i));
      h[i] = Ops::madd(a, h[i], in);
      sum = Ops::real_product(x.C.template at<TokenC, V, Complex>(t, i), h[i], sum);
      Ops::store(decays + t * numbers + i * W, imaginary, a);
      Ops::store(states + (t + 1) * numbers + i * W, imaginary, h[i]);
    });
    simd::store(x.sum + t * W, sum);
  }

  Number<V, Complex> G[std::size_t(Count)], dA[std::size_t(Count)];
  simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
    G[i] = Ops::load(x.gradient.data + i * x.gradient.pitch, x.gradient.imaginary);
    dA[i] = Ops::zero();
  });
  for (Index t = x.tokens; t-- > 0;) {
    const V input = simd::load<V>(x.input + t * W), read = simd::load<V>(x.read + t * W);
    const V dt = simd::load<V>(x.dt + t * W);
    V by_input = x.first ? V(Scalar{0}) : simd::load<V>(x.by_input + t * W);
    V by_decay = x.first ? V(Scalar{0}) : simd::load<V>(x.by_decay + t * W);
    Scalar* const to_B = x.dB.data + t * x.dB.token;
    Scalar* const to_C = x.dC.data + t * x.dC.token;
    simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
      const auto after = Ops::load(states + (t + 1) * numbers + i * W, imaginary);
      const auto before = Ops::load(states + t * numbers + i * W, imaginary);
      G[i] = Ops::madd(read, Ops::conj(x.C.template at<TokenC, V, Complex>(t, i)), G[i]);
      Ops::store(to_C + i * W, x.dC.imaginary,
                 Ops::madd(read, Ops::conj(after), Ops::load(to_C + i * W, x.dC.imaginary)));
      Ops::store(to_B + i * W, x.dB.imaginary,
                 Ops::madd(input, G[i], Ops::load(to_B + i * W, x.dB.imaginary)));
      by_input = Ops::dot(G[i], x.B.template at<TokenB, V, Complex>(t, i), by_input);
      G[i] = Ops::conj_product(Ops::load(decays + t * numbers + i * W, imaginary), G[i]);
      const auto E = Ops::conj_product(before, G[i]);
      dA[i] = Ops::madd(dt, E, dA[i]);
      by_decay = Ops::dot(E, x.A.template at<false, V, Complex>(t, i), by_decay);
    });
    simd::store(x.by_input + t * W, by_input);
    simd::store(x.by_decay + t * W, by_decay);
  }
  simd::unroll<Count>([&](auto i) SLUICE_INLINE_LAMBDA {
    const V one(Scalar{1});
    Scalar* const sum = x.dA.data + i * x.dA.pitch;
    Ops::store(x.gradient.data + i * x.gradient.pitch, x.gradient.imaginary, G[i]);
    Ops::store(sum, x.dA.imaginary, Ops::madd(one, dA[i], Ops::load(sum, x.dA.imaginary)));
  });
}

/// States that a tile holds; every one needs a register for G and one for dA.
template <class V, bool Fast>
inline constexpr int backward_tile_states =
    Fast&& simd::registers<typename V::arch_type> == 32 ? 8 : 4;

}  // namespace sluice::ssm::detail
