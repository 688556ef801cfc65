// SPDX-License-Identifier: MIT
/// \file
/// Activation functions, each with its slope, for a vector and for the scalar of its tail.
///
/// A function is a small object with
///
///     B value(const B& x) const;      // f(x)
///     Jet<B> jet(const B& x) const;   // f(x) and f'(x)
///
/// What infinities and far tails give is stated with the vector functions in simd/math.hpp.
#pragma once

#include <sluice/kernels/activation/kind.hpp>
#include <sluice/simd/math.hpp>

#include <concepts>

namespace sluice::kernels {

/// A function's value and slope at one point.
template <class B>
struct Jet {
  B value, slope;
};

/// One of the functions of this file.
template <class F>
concept ElementFunction = requires(const F& f, float x) {
  { f.value(x) } -> std::same_as<float>;
  { f.jet(x) } -> std::same_as<Jet<float>>;
};

/// x.
struct Identity {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return x;
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    return {x, B(simd::ScalarOf<B>(1))};
  }
};

/// x^2.
struct Square {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return x * x;
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    return {x * x, x + x};
  }
};

/// max(x, 0), with slope 0 at 0.
struct Relu {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::max(B(simd::ScalarOf<B>(0)), x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    using S = simd::ScalarOf<B>;
    return {value(x), simd::select(x > B(S(0)), B(S(1)), B(S(0)))};
  }
};

/// max(x, 0)^2.
struct SquaredRelu {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    const B r = Relu{}.value(x);
    return r * r;
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    const B r = Relu{}.value(x);
    return {r * r, r + r};
  }
};

/// x + 1 for positive x, else e^x: the positive feature map of linear attention.
struct EluPlusOne {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return jet(x).value;
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    using S = simd::ScalarOf<B>;
    const B e = simd::exp_in_range(simd::clamp(x, simd::exp_lowest<S>, S(0)));
    return {simd::max(B(S(0)), x) + e, e};  // e is 1 for positive x
  }
};

/// e^x.
struct Exp {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::exp(x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    const B e = simd::exp(x);
    return {e, e};
  }
};

/// 1 / (1 + e^-x).
struct Sigmoid {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::sigmoid(x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    const simd::Logistic<B> s(x);
    return {s.value, s.slope()};
  }
};

/// tanh(x).
struct Tanh {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::tanh(x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    const B y = simd::tanh(x);
    return {y, simd::nmadd(y, y, B(simd::ScalarOf<B>(1)))};
  }
};

/// x sigmoid(x).
struct Silu {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::silu(x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    using S = simd::ScalarOf<B>;
    constexpr S lowest = simd::exp_lowest<S>;
    const B bounded = simd::clamp(x, lowest, -lowest);
    const simd::Logistic<B> s(bounded);
    return {simd::max(B(lowest), x) * s.value,
            s.value * simd::madd(bounded, s.complement, B(S(1)))};
  }
};

/// x Phi(x) with the normal distribution Phi.
struct Gelu {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::gelu(x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    return {simd::gelu(x), simd::gelu_slope(x)};
  }
};

/// The approximation of Gelu by tanh.
struct GeluTanh {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::gelu_tanh(x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    return {simd::gelu_tanh(x), simd::gelu_tanh_slope(x)};
  }
};

/// log(1 + e^x).
struct Softplus {
  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::softplus(x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    return {simd::softplus(x), simd::sigmoid(x)};
  }
};

/// factor log(sigmoid(x)).
template <class Scalar>
struct LogSigmoid {
  Scalar factor = 1;

  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return B(factor) * simd::log_sigmoid(x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    return {value(x), B(factor) * simd::sigmoid(B(-x))};
  }
};

/// max(x, low), with slope 1 at `low`.
template <class Scalar>
struct AtLeast {
  Scalar low;

  template <class B>
  SLUICE_INLINE B value(const B& x) const noexcept {
    return simd::max(B(low), x);
  }
  template <class B>
  SLUICE_INLINE Jet<B> jet(const B& x) const noexcept {
    using S = simd::ScalarOf<B>;
    return {value(x), simd::select(x < B(low), B(S(0)), B(S(1)))};
  }
};

}  // namespace sluice::kernels
