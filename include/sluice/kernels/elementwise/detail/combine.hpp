// SPDX-License-Identifier: MIT
/// \file
/// The loops of sums and products, over rows of any rank. A row that meets all others is an operand
/// whose leading strides are 0; a sum over rows, a result of that kind.
#pragma once

#include <sluice/core/compiled.hpp>
#include <sluice/core/executor.hpp>
#include <sluice/core/view.hpp>
#include <sluice/kernels/common/rows.hpp>
#include <sluice/simd/batch.hpp>

#include <concepts>
#include <type_traits>

namespace sluice::kernels::detail {

/// [D] as the rows of x [.., D], all the same.
template <class T, class X, int Rank>
View<T, Rank> repeated(const View<T, 1>& row, const View<X, Rank>& x) noexcept {
  if constexpr (Rank == 0) {
    return {row.data(), {}, {}};
  } else {
    Shape<Rank> stride{};
    stride[std::size_t(Rank - 1)] = 1;
    return {row.data(), x.shape(), stride};
  }
}

/// What `combine` does with two numbers.
enum class Combination { sum, difference, product };

/// y = a o b.
template <class Arch, std::floating_point Scalar>
void combine(Combination kind, const common::Rows<3>& rows, const Scalar* a, const Scalar* b,
             Scalar* y, const Executor& executor) {
  const auto run = [&](const auto& f) {
    common::share_each_span(
        executor, rows, 2,
        [&](Index n, const Scalar* p, const Scalar* q, Scalar* out) {
          simd::for_each_lane<Arch, Scalar>(
              n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
                simd::store(out + i, B(f(simd::load<B>(p + i), simd::load<B>(q + i))));
              });
        },
        a, b, y);
  };
  switch (kind) {
    case Combination::sum:
      return run([](const auto& p, const auto& q) SLUICE_INLINE_LAMBDA { return p + q; });
    case Combination::difference:
      return run([](const auto& p, const auto& q) SLUICE_INLINE_LAMBDA { return p - q; });
    case Combination::product:
      return run([](const auto& p, const auto& q) SLUICE_INLINE_LAMBDA { return p * q; });
  }
}
SLUICE_COMPILED_KERNEL(combine);

/// y = factor x + offset.
template <class Arch, std::floating_point Scalar>
void affine_rows(const common::Rows<2>& rows, const Scalar* x, Scalar factor, Scalar offset,
                 Scalar* y, const Executor& executor) {
  common::share_each_span(
      executor, rows, 1,
      [=](Index n, const Scalar* in, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, simd::madd(B(factor), simd::load<B>(in + i), B(offset)));
            });
      },
      x, y);
}
SLUICE_COMPILED_KERNEL(affine_rows);

/// y += factor x.
template <class Arch, std::floating_point Scalar>
void add_scaled_rows(const common::Rows<2>& rows, const Scalar* x, Scalar factor, Scalar* y,
                     const Executor& executor) {
  common::share_each_span(
      executor, rows, 1,
      [=](Index n, const Scalar* in, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i,
                          simd::madd(B(factor), simd::load<B>(in + i), simd::load<B>(out + i)));
            });
      },
      x, y);
}
SLUICE_COMPILED_KERNEL(add_scaled_rows);

/// y += a (.) b.
template <class Arch, std::floating_point Scalar>
void add_product_rows(const common::Rows<3>& rows, const Scalar* a, const Scalar* b, Scalar* y,
                      const Executor& executor) {
  common::share_each_span(
      executor, rows, 2,
      [](Index n, const Scalar* p, const Scalar* q, Scalar* out) {
        simd::for_each_lane<Arch, Scalar>(
            n, [=]<class B>(std::type_identity<B>, Index i) SLUICE_INLINE_LAMBDA {
              simd::store(out + i, simd::madd(simd::load<B>(p + i), simd::load<B>(q + i),
                                              simd::load<B>(out + i)));
            });
      },
      a, b, y);
}
SLUICE_COMPILED_KERNEL(add_product_rows);

}  // namespace sluice::kernels::detail
