// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/simd/transpose.hpp>

#include <vector>

using namespace sluice;

// Squares of every vector width, and what is left over on either side.
TEMPLATE_TEST_CASE("a transposed matrix has its rows as columns", "[simd]", float, double) {
  const Index sizes[] = {1, 2, 3, 4, 8, 16, 17, 33};
  for (const Index M : sizes)
    for (const Index N : sizes) {
      CAPTURE(M, N);
      const Index from_stride = N + 3, to_stride = M + 2;
      std::vector<TestType> from(std::size_t(M * from_stride)), to(std::size_t(N * to_stride), -1);
      for (std::size_t i = 0; i < from.size(); ++i) from[i] = TestType(i);
      simd::transpose(M, N, from.data(), from_stride, to.data(), to_stride);
      int wrong = 0;
      for (Index j = 0; j < N; ++j)
        for (Index i = 0; i < to_stride; ++i) {
          const auto expected = i < M ? from[std::size_t(i * from_stride + j)]
                                      : TestType(-1);  // the gap is untouched
          wrong += to[std::size_t(j * to_stride + i)] != expected;
        }
      CHECK(wrong == 0);
    }
}
