// SPDX-License-Identifier: MIT
/// \file
/// The only door to xsimd. One spelling for a vector and for the scalar of its tail.
///
/// Everything that touches a vector takes the instruction set as a template parameter `Arch`. What
/// leaves it at the default has one name in sources that are compiled with different -m flags, and
/// the linker keeps one of them: such sources need a namespace each, by -Dsluice=sluice_avx2 among
/// the flags of one. README.md says the rest.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/simd/fence.hpp>
#include <sluice/simd/inline.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <xsimd/xsimd.hpp>

namespace sluice::simd {

/// The best instruction set of the flags this unit is compiled with.
using DefaultArch = xsimd::default_arch;

template <class Scalar, class Arch>
using Batch = xsimd::batch<Scalar, Arch>;

template <class B>
inline constexpr bool is_batch = !std::is_arithmetic_v<B>;

namespace detail {
template <class B>
struct BatchTraits {
  using Scalar = B;
  using Integer = std::conditional_t<sizeof(B) == 4, std::uint32_t, std::uint64_t>;
  static constexpr Index lanes = 1;
};
template <class S, class Arch>
struct BatchTraits<xsimd::batch<S, Arch>> {
  using Scalar = S;
  using Integer = xsimd::batch<typename BatchTraits<S>::Integer, Arch>;
  static constexpr Index lanes = static_cast<Index>(xsimd::batch<S, Arch>::size);
};
}  // namespace detail

/// The scalar of a batch; of a scalar, itself.
template <class B>
using ScalarOf = typename detail::BatchTraits<B>::Scalar;

/// As many unsigned integers of the same size.
template <class B>
using IntegerOf = typename detail::BatchTraits<B>::Integer;

/// Number of scalars in a batch; 1 for a scalar.
template <class B>
inline constexpr Index lanes = detail::BatchTraits<B>::lanes;

/// Number of lanes of the widest vector of an instruction set.
template <class Scalar, class Arch>
inline constexpr Index width = lanes<Batch<Scalar, Arch>>;

/// Vector registers of an instruction set: how large a register tile may be.
template <class Arch>
inline constexpr int registers =
    std::is_base_of_v<xsimd::avx512f, Arch> || std::is_base_of_v<xsimd::neon64, Arch> ? 32 : 16;

/// The least multiple of the vector width that holds n scalars.
template <class Scalar, class Arch>
constexpr Index padded(Index n) noexcept {
  constexpr Index w = width<Scalar, Arch>;
  return (n + w - 1) / w * w;
}

template <class B>
SLUICE_INLINE B load(const auto* p) noexcept {
  if constexpr (is_batch<B>)
    return B::load_unaligned(p);
  else
    return *p;
}

namespace detail {
struct Store {
  template <class B>
  SLUICE_INLINE void operator()(auto* p, const B& b) const noexcept {
    if constexpr (is_batch<B>)
      b.store_unaligned(p);
    else
      *p = b;
  }
};
}  // namespace detail

/// store(p, b): to any address. An object, so that argument-dependent lookup cannot find
/// xsimd::store in its place, which wants an aligned one.
inline constexpr detail::Store store{};

/// As many of the lanes as `count` says from p, the rest 0.
template <class B>
SLUICE_INLINE B load_part(const ScalarOf<B>* p, Index count) noexcept {
  if (count >= lanes<B>) return load<B>(p);
  ScalarOf<B> all[static_cast<std::size_t>(lanes<B>)] = {};
  for (Index i = 0; i < count; ++i) all[i] = p[i];
  return load<B>(all);
}

/// As many of the lanes as `count` says to p.
template <class B>
SLUICE_INLINE void store_part(ScalarOf<B>* p, const B& b, Index count) noexcept {
  if (count >= lanes<B>) return store(p, b);
  ScalarOf<B> all[static_cast<std::size_t>(lanes<B>)];
  store(all, b);
  for (Index i = 0; i < count; ++i) p[i] = all[i];
}

/// a * b + c with one rounding wherever the instruction set can, on every compiler.
/// xsimd 8 has no AVX-512 form, and clang does not contract the product and sum it falls back to.
template <class B>
SLUICE_INLINE B madd(const B& a, const B& b, const B& c) noexcept {
  if constexpr (!is_batch<B>) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return std::fma(a, b, c);
#else
    return a * b + c;
#endif
  } else {
#if defined(__AVX512F__)
    if constexpr (std::is_base_of_v<xsimd::avx512f, typename B::arch_type>) {
      if constexpr (sizeof(ScalarOf<B>) == 4)
        return _mm512_fmadd_ps(a, b, c);
      else
        return _mm512_fmadd_pd(a, b, c);
    } else
#endif
      return xsimd::fma(a, b, c);
  }
}

/// -a * b + c, as `madd`.
template <class B>
SLUICE_INLINE B nmadd(const B& a, const B& b, const B& c) noexcept {
  return madd(-a, b, c);
}

/// Keeps x as it was rounded: under -ffast-math compilers make a of (a + b) - b, whose rounding may
/// be what was wanted. Costs nothing.
template <class B>
SLUICE_INLINE void fence([[maybe_unused]] B& x) noexcept {
#if defined(SLUICE_FENCE)
  if constexpr (is_batch<B>) {
    typename B::register_type whole = x;
    SLUICE_FENCE(whole);
    x = B(whole);
  } else {
    SLUICE_FENCE(x);
  }
#endif
}

namespace detail {
/// Whether xsimd only approximates the division and the square root that the machine does exactly:
/// in float on 64-bit Arm, where it takes those of the 32-bit one.
template <class B>
inline constexpr bool approximated = false;
template <class Arch>
inline constexpr bool approximated<xsimd::batch<float, Arch>> =
    std::is_base_of_v<xsimd::neon64, Arch>;
}  // namespace detail

/// a / b, correctly rounded.
template <class B>
SLUICE_INLINE B divide(const B& a, const B& b) noexcept {
#if defined(__aarch64__)
  if constexpr (detail::approximated<B>) return vdivq_f32(a, b);
#endif
  return a / b;
}

/// 1 / a to within 2 ulp for a far from zero, infinity and the subnormals; cheaper than a division.
template <class B>
SLUICE_INLINE B reciprocal(const B& a) noexcept {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<B, Batch<float, DefaultArch>>) {
    const B guess = _mm512_rcp14_ps(a);
    return madd(guess, nmadd(a, guess, B(1.f)), guess);
  }
#endif
  return divide(B(ScalarOf<B>{1}), a);
}

/// Asks for the cache line at p, into the second-level cache, long before it is needed.
SLUICE_INLINE void prefetch([[maybe_unused]] const void* p) noexcept {
#if defined(__GNUC__)
  __builtin_prefetch(p, 0, 2);
#endif
}

/// Sum of the lanes. xsimd 8 calls it hadd, xsimd 9 and later reduce_add.
template <class B>
SLUICE_INLINE ScalarOf<B> sum(const B& b) noexcept {
  if constexpr (!is_batch<B>) return b;
#if XSIMD_VERSION_MAJOR >= 9
  else
    return xsimd::reduce_add(b);
#else
  else
    return xsimd::hadd(b);
#endif
}

/// The larger; b if either is NaN and the machine is an x86. (xsimd 14 exchanged the arguments.)
template <class B>
SLUICE_INLINE B max(const B& a, const B& b) noexcept {
#if XSIMD_VERSION_MAJOR >= 14
  if constexpr (is_batch<B>) return xsimd::max(b, a);
#else
  if constexpr (is_batch<B>) return xsimd::max(a, b);
#endif
  else
    return a > b ? a : b;
}

/// The smaller; of NaN as `max`.
template <class B>
SLUICE_INLINE B min(const B& a, const B& b) noexcept {
#if XSIMD_VERSION_MAJOR >= 14
  if constexpr (is_batch<B>) return xsimd::min(b, a);
#else
  if constexpr (is_batch<B>) return xsimd::min(a, b);
#endif
  else
    return a < b ? a : b;
}

template <class B>
SLUICE_INLINE B abs(const B& a) noexcept {
  if constexpr (is_batch<B>)
    return xsimd::abs(a);
  else
    return std::abs(a);
}

/// low <= x <= high by force; NaN stays NaN.
template <class B>
SLUICE_INLINE B clamp(const B& x, ScalarOf<B> low, ScalarOf<B> high) noexcept {
  return simd::min(B(high), simd::max(B(low), x));
}

/// The same bits as another type: `To` is `IntegerOf<B>`, or the way back.
/// xsimd 11 names the scalar of the target where earlier ones named the batch.
template <class To, class From>
SLUICE_INLINE To bit_cast(const From& x) noexcept {
  if constexpr (!is_batch<To>) return std::bit_cast<To>(x);
#if XSIMD_VERSION_MAJOR >= 11
  else
    return xsimd::bitwise_cast<ScalarOf<To>>(x);
#else
  else
    return xsimd::bitwise_cast<To>(x);
#endif
}

/// The magnitude of a with the sign of b, that of -0 included.
template <class B>
SLUICE_INLINE B copysign(const B& a, const B& b) noexcept {
  if constexpr (is_batch<B>)
    return xsimd::copysign(a, b);
  else
    return std::copysign(a, b);
}

/// where `condition` holds `a`, else `b`; lane by lane.
template <class M, class B>
SLUICE_INLINE B select(const M& condition, const B& a, const B& b) noexcept {
  if constexpr (is_batch<B>)
    return xsimd::select(condition, a, b);
  else
    return condition ? a : b;
}

/// Calls `body(std::type_identity<B>{}, i)` over [0, n): first with B = Batch<Scalar, Arch>, then
/// with B = Scalar for the tail. Write the body once, in terms of `load<B>`, `store`, `madd`.
template <class Arch, class Scalar, class Body>
SLUICE_INLINE void for_each_lane(Index n, Body&& body) noexcept {
  using B = Batch<Scalar, Arch>;
  Index i = 0;
  for (; i + lanes<B> <= n; i += lanes<B>) body(std::type_identity<B>{}, i);
  for (; i < n; ++i) body(std::type_identity<Scalar>{}, i);
}

}  // namespace sluice::simd
