// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/simd/gemm.hpp>
#include <sluice/simd/transpose.hpp>

using namespace sluice;
using namespace sluice::testing;

namespace {

// A sum of up to 300 products in another order.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-14 : 5e-6;

}  // namespace

TEMPLATE_TEST_CASE("the small product equals the triple loop", "[simd][gemm]", float, double) {
  for (const Index M : {1, 2, 3, 5, 6, 7, 16, 17})
    for (const Index N : {1, 3, 7, 8, 16, 17, 31, 64, 83, 130})
      for (const Index K : {0, 1, 5, 64, 300})
        for (const bool transposed : {false, true})
          for (const auto write : {simd::Write::replace, simd::Write::add}) {
            CAPTURE(M, N, K, transposed, int(write));
            const auto a = uniform<TestType, 2>({transposed ? K : M, transposed ? M : K}, -1, 1, 1);
            const auto b = uniform<TestType, 2>({K, N + 3}, -1, 1, 2);
            const auto before = uniform<TestType, 2>({M, N + 5}, -1, 1, 3);
            auto c = before;
            const simd::Strided<TestType> view{a.data(), transposed ? 1 : K, transposed ? M : 1};
            simd::product<simd::DefaultArch>(M, N, K, view, b.data(), N + 3, c.data(), N + 5,
                                             write);
            for (Index i = 0; i < M; ++i) {
              for (Index j = 0; j < N; ++j) {
                double sum = write == simd::Write::add ? double(before(i, j)) : 0;
                for (Index k = 0; k < K; ++k) sum += double(*view.at(i, k)) * double(b(k, j));
                REQUIRE(std::abs(sum - double(c(i, j))) <= tolerance<TestType> * double(K + 1));
              }
              for (Index j = N; j < N + 5; ++j) REQUIRE(c(i, j) == before(i, j));
            }
          }
}

TEMPLATE_TEST_CASE("a transposed matrix holds the same numbers", "[simd]", float, double) {
  for (const Index M : {1, 3, 16, 32, 37})
    for (const Index N : {1, 5, 16, 33, 64}) {
      CAPTURE(M, N);
      const auto a = uniform<TestType, 2>({M, N + 2}, -1, 1, 4);
      Tensor<TestType, 2> b(N, M + 1);
      b.setConstant(9);
      simd::transpose(M, N, a.data(), N + 2, b.data(), M + 1);
      for (Index i = 0; i < M; ++i)
        for (Index j = 0; j < N; ++j) REQUIRE(b(j, i) == a(i, j));
      for (Index j = 0; j < N; ++j) REQUIRE(b(j, M) == 9);
    }
}

TEMPLATE_TEST_CASE("multiply-add rounds once where the hardware can", "[simd]", float, double) {
  using B = simd::Batch<TestType, simd::DefaultArch>;
  constexpr TestType eps = std::numeric_limits<TestType>::epsilon();
  const TestType x = 1 + eps,
                 expected = std::fma(x, x, -(1 + 2 * eps));  // eps^2, lost by two roundings
  TestType lanes[16];
  simd::store(lanes, simd::madd(B(x), B(x), B(-(1 + 2 * eps))));
#if defined(__FMA__) || defined(__aarch64__)
  CHECK(lanes[0] == expected);
  CHECK(simd::madd(x, x, -(1 + 2 * eps)) == expected);
#else
  CHECK((lanes[0] == expected || lanes[0] == 0));
#endif
}
