// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/core/random.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/sqrt.hpp>
#include <sluice/simd/stream.hpp>
#include <sluice/simd/sums.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace sluice;

namespace {

template <class S>
using Native = simd::Batch<S, simd::DefaultArch>;

/// Random numbers in [low, high).
template <class S>
std::vector<S> numbers(Index n, unsigned seed, double low = -2, double high = 2) {
  Rng rng(seed);
  std::vector<S> x(static_cast<std::size_t>(n));
  for (S& value : x) value = S(low + (high - low) * rng.uniform<double>());
  return x;
}

/// The lanes of a batch, or the one of a scalar.
template <class B>
std::vector<simd::ScalarOf<B>> lanes_of(const B& b) {
  std::vector<simd::ScalarOf<B>> out(static_cast<std::size_t>(simd::lanes<B>));
  simd::store(out.data(), b);
  return out;
}

/// Checks f(a, b) lane by lane against `expected`, as a vector and as a scalar.
template <class S, class F, class Expected>
void check_pairs(const F& f, const Expected& expected) {
  using B = Native<S>;
  const auto a = numbers<S>(simd::lanes<B>, 1), b = numbers<S>(simd::lanes<B>, 2);
  const auto y = lanes_of<B>(f(simd::load<B>(a.data()), simd::load<B>(b.data())));
  for (std::size_t i = 0; i < y.size(); ++i) {
    CAPTURE(i, a[i], b[i]);
    CHECK(y[i] == expected(a[i], b[i]));
    CHECK(f(a[i], b[i]) == expected(a[i], b[i]));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("the vocabulary of batches", "[simd]", float, double) {
  using S = TestType;
  using B = Native<S>;
  STATIC_REQUIRE(simd::is_batch<B>);
  STATIC_REQUIRE_FALSE(simd::is_batch<S>);
  STATIC_REQUIRE(std::is_same_v<simd::ScalarOf<B>, S>);
  STATIC_REQUIRE(sizeof(simd::IntegerOf<S>) == sizeof(S));
  STATIC_REQUIRE(sizeof(simd::IntegerOf<B>) == sizeof(B));
  STATIC_REQUIRE(simd::lanes<S> == 1);
  STATIC_REQUIRE(simd::lanes<B> * Index(sizeof(S)) == Index(sizeof(B)));
  constexpr Index W = simd::width<S, simd::DefaultArch>;
  STATIC_REQUIRE(W == simd::lanes<B>);
  for (const Index n : {Index(0), Index(1), W - 1, W, W + 1, 5 * W}) {
    const Index p = simd::padded<S, simd::DefaultArch>(n);
    CHECK(p % W == 0);
    CHECK((p >= n && p < n + W));
  }
}

TEMPLATE_TEST_CASE("arithmetic is the machine's", "[simd]", float, double) {
  using S = TestType;
  check_pairs<S>([](const auto& a, const auto& b) { return simd::divide(a, b); },
                 [](S a, S b) { return a / b; });
  check_pairs<S>([](const auto& a, const auto& b) { return simd::max(a, b); },
                 [](S a, S b) { return std::max(a, b); });
  check_pairs<S>([](const auto& a, const auto& b) { return simd::min(a, b); },
                 [](S a, S b) { return std::min(a, b); });
  check_pairs<S>([](const auto& a, const auto& b) { return simd::copysign(a, b); },
                 [](S a, S b) { return std::copysign(a, b); });
  check_pairs<S>([](const auto& a, const auto& b) { return simd::select(a < b, a, b); },
                 [](S a, S b) { return a < b ? a : b; });
  check_pairs<S>([](const auto& a, const auto&) { return simd::abs(a); },
                 [](S a, S) { return std::abs(a); });
  check_pairs<S>([](const auto& a, const auto& b) { return simd::sqrt(simd::abs(a - b)); },
                 [](S a, S b) { return std::sqrt(std::abs(a - b)); });
  check_pairs<S>([](const auto& a, const auto&) { return simd::clamp(a, S(-0.5), S(1)); },
                 [](S a, S) { return std::clamp(a, S(-0.5), S(1)); });
  check_pairs<S>(
      [](const auto& a, const auto& b) {
        auto sum = a + b;
        simd::fence(sum);
        return sum;
      },
      [](S a, S b) { return a + b; });
}

TEMPLATE_TEST_CASE("products with sums round once or twice", "[simd]", float, double) {
  using S = TestType;
  using B = Native<S>;
  constexpr Index W = simd::lanes<B>;
  const auto a = numbers<S>(W, 1), b = numbers<S>(W, 2), c = numbers<S>(W, 3);
  const B x = simd::load<B>(a.data()), y = simd::load<B>(b.data()), z = simd::load<B>(c.data());
  const auto plus = lanes_of<B>(simd::madd(x, y, z)), minus = lanes_of<B>(simd::nmadd(x, y, z));
  for (std::size_t i = 0; i < a.size(); ++i) {
    const long double product = static_cast<long double>(a[i]) * static_cast<long double>(b[i]);
    const long double addend = c[i];
    const long double bound = (std::abs(product) + std::abs(addend)) *
                              static_cast<long double>(std::numeric_limits<S>::epsilon());
    for (const S got : {plus[i], simd::madd(a[i], b[i], c[i])})
      CHECK(std::abs(static_cast<long double>(got) - (product + addend)) <= bound);
    for (const S got : {minus[i], simd::nmadd(a[i], b[i], c[i])})
      CHECK(std::abs(static_cast<long double>(got) - (addend - product)) <= bound);
  }
}

TEMPLATE_TEST_CASE("a reciprocal is right to two places", "[simd]", float, double) {
  using S = TestType;
  using B = Native<S>;
  for (const double size : {1e-30, 1e-3, 1.0, 1e30})
    for (const S x : numbers<S>(1000, 4, size, 3 * size)) {
      const long double exact = 1 / static_cast<long double>(x);
      const long double bound = 2 * static_cast<long double>(std::numeric_limits<S>::epsilon());
      const S vector = lanes_of<B>(simd::reciprocal(B(x)))[0];
      for (const S got : {vector, simd::reciprocal(x)})
        REQUIRE(std::abs(static_cast<long double>(got) / exact - 1) <= bound);
    }
}

TEMPLATE_TEST_CASE("the sum of the lanes, and bits as integers", "[simd]", float, double) {
  using S = TestType;
  using B = Native<S>;
  std::vector<S> x(static_cast<std::size_t>(simd::lanes<B>));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = S(1 << i);
  CHECK(simd::sum(simd::load<B>(x.data())) == S((1 << x.size()) - 1));
  CHECK(simd::sum(S(7)) == 7);

  using I = simd::IntegerOf<B>;
  const I one(sizeof(S) == 4 ? 0x3f800000u : 0x3ff0000000000000u);
  for (const S lane : lanes_of<B>(simd::bit_cast<B>(one))) CHECK(lane == 1);
  CHECK(simd::bit_cast<S>(simd::bit_cast<simd::IntegerOf<S>>(S(-2.5))) == S(-2.5));
  for (const S lane : lanes_of<B>(simd::bit_cast<B>(simd::bit_cast<I>(B(S(-2.5))))))
    CHECK(lane == S(-2.5));
}

TEMPLATE_TEST_CASE("every element is visited once, the tail one by one", "[simd]", float, double) {
  constexpr Index W = simd::width<TestType, simd::DefaultArch>;
  for (const Index n : {Index(0), Index(1), W - 1, W, W + 1, 3 * W + 2}) {
    std::vector<int> seen(static_cast<std::size_t>(n), 0);
    Index scalars = 0;
    simd::for_each_lane<simd::DefaultArch, TestType>(n,
                                                     [&]<class B>(std::type_identity<B>, Index i) {
                                                       for (Index l = 0; l < simd::lanes<B>; ++l)
                                                         ++seen.at(static_cast<std::size_t>(i + l));
                                                       scalars += !simd::is_batch<B>;
                                                     });
    CHECK(seen == std::vector<int>(static_cast<std::size_t>(n), 1));
    CHECK(scalars == n % W);
  }
}

TEMPLATE_TEST_CASE("several sums in one pass", "[simd]", float, double) {
  using S = TestType;
  constexpr Index W = simd::width<S, simd::DefaultArch>;
  for (const Index n : {Index(0), Index(1), W - 1, W, 4 * W - 1, 4 * W, 5 * W + 3, 9 * W + 1}) {
    const auto x = numbers<S>(n, 5);
    double plain = 0, squares = 0, weighted = 0;
    for (Index i = 0; i < n; ++i) {
      const double v = double(x[static_cast<std::size_t>(i)]);
      plain += v, squares += v * v, weighted += v * double(i);
    }
    const std::array<S, 3> got = simd::sums<simd::DefaultArch, S, 3>(
        n, [&]<class B>(std::type_identity<B>, Index i, B* sum) {
          std::vector<S> places(static_cast<std::size_t>(simd::lanes<B>));
          for (std::size_t l = 0; l < places.size(); ++l) places[l] = S(i) + S(l);
          const B v = simd::load<B>(x.data() + i);
          sum[0] += v;
          sum[1] = simd::madd(v, v, sum[1]);
          sum[2] = simd::madd(v, simd::load<B>(places.data()), sum[2]);
        });
    CAPTURE(n);
    // Each term is at most 4 n in size.
    const double bound = 4 * double(n * n + 1) * double(std::numeric_limits<S>::epsilon());
    CHECK(std::abs(double(got[0]) - plain) <= bound);
    CHECK(std::abs(double(got[1]) - squares) <= bound);
    CHECK(std::abs(double(got[2]) - weighted) <= bound);
  }
}

TEMPLATE_TEST_CASE("streamed stores arrive where ordinary ones would", "[simd]", float, double) {
  using S = TestType;
  using B = Native<S>;
  constexpr Index W = simd::lanes<B>;
  alignas(64) S to[std::size_t(6 * W)];
  std::fill(std::begin(to), std::end(to), S(-1));
  const auto x = numbers<S>(2 * W, 6);
  for (Index i = 0; i < 2; ++i) simd::stream(to + (2 * i + 1) * W, simd::load<B>(x.data() + i * W));
  simd::finish_streaming();
  for (Index i = 0; i < 6 * W; ++i) {
    const bool written = i / W == 1 || i / W == 3;
    CHECK(to[i] == (written ? x[std::size_t(i / W == 1 ? i - W : i - 2 * W)] : S(-1)));
  }
  CHECK(simd::streamable<B>(to, 2 * W, 3 * W));
  CHECK(simd::streamable<B>(to + W, W, 0));
  CHECK(simd::streamable<B>(to + 1, 2 * W, 2 * W) == (W == 1));
  CHECK(simd::streamable<B>(to, 2 * W + 1, 2 * W) == (W == 1));
  CHECK(simd::streamable<B>(to, 2 * W, 2 * W + 1) == (W == 1));
}
