// SPDX-License-Identifier: MIT
/// \file
/// A function of one number whose type has been forgotten, so that the loops around it are compiled
/// once and only its formula for every function.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/kernels/activation/functions.hpp>
#include <sluice/simd/batch.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <type_traits>

namespace sluice::kernels {

/// Any object of functions.hpp, or the function of a name.
template <std::floating_point Scalar, class Arch = simd::DefaultArch>
class Function {
 public:
  /// Numbers that are handed over at a time: a piece of a row in the first-level cache.
  static constexpr Index tile = 256;

  template <ElementFunction F>
  Function(const F& f) noexcept  // NOLINT: an object is a function
      : identity_(std::same_as<F, Identity>), values_(values_of<F>), jets_(jets_of<F>) {
    static_assert(sizeof(F) <= sizeof object_ && std::is_trivially_copyable_v<F>);
    std::memcpy(object_, &f, sizeof(F));
  }
  Function(Activation kind) noexcept;  // NOLINT: so is a name

  /// Whether f(x) is x.
  bool identity() const noexcept { return identity_; }

  /// Calls each(i, m, y) for pieces of m numbers that follow each other, with y = f(x) from x[i]
  /// on.
  template <class Each>
  void for_each_value(Index n, const Scalar* x, const Each& each) const {
    alignas(64) Scalar y[tile];
    for_each_tile(n, x, [&](Index i, Index m, const Scalar* from) {
      values_(object_, m, from, y);
      each(i, m, static_cast<const Scalar*>(y));
    });
  }

  /// The same with the slope: each(i, m, y, slope).
  template <class Each>
  void for_each_jet(Index n, const Scalar* x, const Each& each) const {
    alignas(64) Scalar y[tile], slope[tile];
    for_each_tile(n, x, [&](Index i, Index m, const Scalar* from) {
      jets_(object_, m, from, y, slope);
      each(i, m, static_cast<const Scalar*>(y), static_cast<const Scalar*>(slope));
    });
  }

 private:
  using B = simd::Batch<Scalar, Arch>;
  using Values = void (*)(const void* f, Index n, const Scalar* x, Scalar* y) noexcept;
  using Jets = void (*)(const void* f, Index n, const Scalar* x, Scalar* y, Scalar* slope) noexcept;

  /// Both compute whole vectors, so there must be room for the last.
  template <class F>
  static void values_of(const void* object, Index n, const Scalar* x, Scalar* y) noexcept {
    const F f = *static_cast<const F*>(object);
    for (Index i = 0; i < n; i += simd::lanes<B>) simd::store(y + i, f.value(simd::load<B>(x + i)));
  }
  template <class F>
  static void jets_of(const void* object, Index n, const Scalar* x, Scalar* y,
                      Scalar* slope) noexcept {
    const F f = *static_cast<const F*>(object);
    for (Index i = 0; i < n; i += simd::lanes<B>) {
      const auto jet = f.jet(simd::load<B>(x + i));
      simd::store(y + i, jet.value);
      simd::store(slope + i, jet.slope);
    }
  }

  /// What does not fill a vector is copied to where it does.
  template <class Each>
  static void for_each_tile(Index n, const Scalar* x, const Each& each) {
    Scalar copy[std::size_t(simd::lanes<B>)] = {};
    for (Index i = 0, m = 0; i < n; i += m) {
      const Index left = n - i;
      m = std::min(tile, left - left % simd::lanes<B>);
      const Scalar* from = x + i;
      if (m == 0) from = std::copy(from, from + left, copy) - left, m = left;
      each(i, m, from);
    }
  }

  bool identity_;
  Values values_;
  Jets jets_;
  alignas(Scalar) std::byte object_[16];
};

namespace detail {
template <class Arch, std::floating_point Scalar>
Function<Scalar, Arch> function_of(Activation kind) noexcept {
  switch (kind) {
    case Activation::identity:
      break;
    case Activation::relu:
      return Relu{};
    case Activation::squared_relu:
      return SquaredRelu{};
    case Activation::sigmoid:
      return Sigmoid{};
    case Activation::log_sigmoid:
      return LogSigmoid<Scalar>{};
    case Activation::tanh:
      return Tanh{};
    case Activation::silu:
      return Silu{};
    case Activation::gelu:
      return Gelu{};
    case Activation::gelu_tanh:
      return GeluTanh{};
    case Activation::elu_plus_one:
      return EluPlusOne{};
    case Activation::softplus:
      return Softplus{};
  }
  return Identity{};
}
SLUICE_COMPILED_KERNEL(function_of);
}  // namespace detail

template <std::floating_point Scalar, class Arch>
Function<Scalar, Arch>::Function(Activation kind) noexcept
    : Function(detail::function_of<Arch, Scalar>(kind)) {}

}  // namespace sluice::kernels
