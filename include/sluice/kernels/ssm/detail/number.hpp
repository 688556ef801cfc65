// SPDX-License-Identifier: MIT
/// \file
/// A vector of real or of complex numbers, so that one text serves both kinds of poles.
#pragma once

#include <sluice/simd/batch.hpp>
#include <sluice/simd/exp2.hpp>
#include <sluice/simd/trigonometry.hpp>

namespace sluice::ssm::detail {

/// The parts of a number lie `imaginary` elements apart in memory; a real one has no other part.
template <class V, bool Complex>
struct Number {
  V re;
};
template <class V>
struct Number<V, true> {
  V re, im;
};

/// Decays are exactly 0 below this power of 2: bare products with them, and with each other, would
/// be subnormal, at some hundred cycles a vector, long before they matter to a sum.
template <class Scalar>
inline constexpr Scalar lowest_power = sizeof(Scalar) == 4 ? Scalar(-60) : Scalar(-500);

/// The operations on numbers over V.
template <class V, bool Complex>
struct Numbers {
  using Scalar = simd::ScalarOf<V>;
  using N = Number<V, Complex>;

  SLUICE_INLINE static N zero() noexcept {
    N z;
    z.re = V(Scalar{0});
    if constexpr (Complex) z.im = z.re;
    return z;
  }
  SLUICE_INLINE static N load(const Scalar* p, [[maybe_unused]] Index imaginary) noexcept {
    N z;
    z.re = simd::load<V>(p);
    if constexpr (Complex) z.im = simd::load<V>(p + imaginary);
    return z;
  }
  SLUICE_INLINE static void store(Scalar* p, [[maybe_unused]] Index imaginary,
                                  const N& z) noexcept {
    simd::store(p, z.re);
    if constexpr (Complex) simd::store(p + imaginary, z.im);
  }
  /// As `load` and `store`, of as many lanes as `count` says.
  SLUICE_INLINE static N load_part(const Scalar* p, [[maybe_unused]] Index imaginary,
                                   Index count) noexcept {
    N z;
    z.re = simd::load_part<V>(p, count);
    if constexpr (Complex) z.im = simd::load_part<V>(p + imaginary, count);
    return z;
  }
  SLUICE_INLINE static void store_part(Scalar* p, [[maybe_unused]] Index imaginary, const N& z,
                                       Index count) noexcept {
    simd::store_part(p, z.re, count);
    if constexpr (Complex) simd::store_part(p + imaginary, z.im, count);
  }
  SLUICE_INLINE static N one() noexcept {
    N z = zero();
    z.re = V(Scalar{1});
    return z;
  }
  /// One number for all lanes.
  SLUICE_INLINE static N broadcast(const Scalar* p, [[maybe_unused]] Index imaginary) noexcept {
    N z;
    z.re = V(*p);
    if constexpr (Complex) z.im = V(p[imaginary]);
    return z;
  }
  /// What dt must be multiplied by for `decay`: powers of 2 are cheaper, but turns are by dt
  /// itself, lest a rounded factor let them drift.
  static constexpr Scalar time_unit = Complex ? Scalar(1) : Scalar(1.44269504088896341);

  /// exp(dt A), where `time` is dt times `time_unit`.
  SLUICE_INLINE static N decay(const V& time, const N& pole) noexcept {
    N a;
    if constexpr (Complex) {
      const V power = time * (V(Scalar(1.44269504088896341)) * pole.re), angle = time * pole.im;
      const V size = simd::exp2_or_zero(power, lowest_power<Scalar>);
      a.re = size * simd::cos(angle);
      a.im = size * simd::sin(angle);
    } else {
      a.re = simd::exp2_or_zero(V(time * pole.re), lowest_power<Scalar>);
    }
    return a;
  }
  /// a b + c.
  SLUICE_INLINE static N madd(const N& a, const N& b, const N& c) noexcept {
    N z;
    z.re = simd::madd(a.re, b.re, c.re);
    if constexpr (Complex) {
      z.re = simd::nmadd(a.im, b.im, z.re);
      z.im = simd::madd(a.im, b.re, simd::madd(a.re, b.im, c.im));
    }
    return z;
  }
  /// a b + c, where a is real.
  SLUICE_INLINE static N madd(const V& a, const N& b, const N& c) noexcept {
    N z;
    z.re = simd::madd(a, b.re, c.re);
    if constexpr (Complex) z.im = simd::madd(a, b.im, c.im);
    return z;
  }
  /// a b, where a is real.
  SLUICE_INLINE static N scaled(const V& a, const N& b) noexcept {
    N z;
    z.re = a * b.re;
    if constexpr (Complex) z.im = a * b.im;
    return z;
  }
  SLUICE_INLINE static N conj(N z) noexcept {
    if constexpr (Complex) z.im = -z.im;
    return z;
  }
  /// conj(a) b.
  SLUICE_INLINE static N conj_product(const N& a, const N& b) noexcept {
    N z;
    z.re = a.re * b.re;
    if constexpr (Complex) {
      z.re = simd::madd(a.im, b.im, z.re);
      z.im = simd::nmadd(a.im, b.re, V(a.re * b.im));
    }
    return z;
  }
  /// Re(a conj(b)) + c.
  SLUICE_INLINE static V dot(const N& a, const N& b, const V& c) noexcept {
    V sum = simd::madd(a.re, b.re, c);
    if constexpr (Complex) sum = simd::madd(a.im, b.im, sum);
    return sum;
  }
  /// Re(a b) + c.
  SLUICE_INLINE static V real_product(const N& a, const N& b, const V& c) noexcept {
    V sum = simd::madd(a.re, b.re, c);
    if constexpr (Complex) sum = simd::nmadd(a.im, b.im, sum);
    return sum;
  }
};

}  // namespace sluice::ssm::detail
