// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/core/random.hpp>
#include <sluice/simd/exp2.hpp>
#include <sluice/simd/math.hpp>
#include <sluice/simd/trigonometry.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

using namespace sluice;

namespace {

// Largest errors in units of the last place, as the doc comments state them. They were measured on
// 10^7 points for each function and rounded up; without fused multiply-add the reduction of
// the argument and, in the tail of the normal distribution, the square lose more.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
constexpr bool fused = true;
#else
constexpr bool fused = false;
#endif
constexpr double exp_limit = fused ? 0.95 : 1.25;
constexpr double expm1_limit = 2.4;
constexpr double log1p_limit = 2;
constexpr double sigmoid_limit = 2.5;
constexpr double silu_limit = 2.6;
constexpr double softplus_limit = 2.9;
constexpr double slope_limit = 3.2;
constexpr double tanh_limit = 3.5;
constexpr double erf_limit = 2.6;
template <class S>
constexpr double normal_centre_limit = sizeof(S) == 4 ? 6.6 : 8.6;
template <class S>
constexpr double normal_tail_limit = fused            ? normal_centre_limit<S>
                                     : sizeof(S) == 4 ? 70
                                                      : 530;

// Calls of generic lambdas: what is tested is the same text for vectors and scalars.
#define SLUICE_FUNCTION(name) [](const auto& argument) { return simd::name(argument); }

/// Distance of `got` from `exact` in units of the last place of `exact`.
template <class S>
double ulps(S got, long double exact) {
  if (!std::isfinite(got)) return HUGE_VAL;
  int exponent = 0;
  std::frexp(exact, &exponent);
  using Limits = std::numeric_limits<S>;
  const int place = std::max(exponent, Limits::min_exponent) - Limits::digits;
  return double(std::abs((static_cast<long double>(got) - exact) / std::ldexp(1.0L, place)));
}

template <class S>
bool same_bits(S a, S b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0;
}

/// Every lane of a vector filled with x must agree with the scalar function, which is returned.
template <class S, class F>
S both_ways(const F& f, S x) {
  using B = simd::Batch<S, simd::DefaultArch>;
  S lanes[simd::lanes<B>];
  simd::store(lanes, B(f(B(x))));
  const S scalar = f(x);
  for (const S lane : lanes) REQUIRE(same_bits(lane, scalar));
  return scalar;
}

/// Compares f with its reference at random points of [low, high], uniform ones and others whose
/// magnitudes go down to 2^-30 of theirs: error, agreement of vector and scalar, no subnormals.
template <class S, class F, class Reference>
void check(const std::string& name, const F& f, const Reference& reference, double low, double high,
           double limit) {
  using B = simd::Batch<S, simd::DefaultArch>;
  constexpr Index W = simd::lanes<B>;
  Rng rng(3);
  double worst = 0, at = 0;
  long differences = 0, subnormals = 0;
  for (int n = 0; n < 60000; n += int(W)) {
    S x[std::size_t(W)], y[std::size_t(W)];
    for (S& value : x) {
      value = S(low + (high - low) * rng.uniform<double>());
      if (rng.below(4) == 0) value = std::max(S(low), std::ldexp(value, -int(rng.below(31))));
    }
    simd::store(y, B(f(simd::load<B>(x))));
    for (Index i = 0; i < W; ++i) {
      differences += !same_bits(y[i], S(f(x[i])));
      subnormals += std::fpclassify(y[i]) == FP_SUBNORMAL;
      const double error = ulps(y[i], reference(static_cast<long double>(x[i])));
      if (!(error <= worst)) worst = error, at = double(x[i]);
    }
  }
  INFO(name << ": error " << worst << " ulp at " << at);
  CHECK(worst <= limit);
  CHECK(differences == 0);
  CHECK(subnormals == 0);
}

long double logistic(long double x) { return 1 / (1 + std::exp(-x)); }
long double tail(long double x) { return std::log1p(std::exp(-std::abs(x))); }
long double phi(long double x) { return std::erfc(-x * std::sqrt(0.5L)) / 2; }
long double bell(long double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0L)); }
long double gelu_argument(long double x) {
  return 2 * std::sqrt(2 / std::acos(-1.0L)) * (x + 0.044715L * x * x * x);
}

}  // namespace

TEMPLATE_TEST_CASE("exponentials keep to their stated errors", "[math]", float, double) {
  using S = TestType;
  const double low = simd::exp_lowest<S>, high = simd::exp_highest<S>;
  const auto exact = [](long double x) { return std::exp(x); };
  check<S>("exp", SLUICE_FUNCTION(exp), exact, low, high, exp_limit);
  check<S>("exp near 0", SLUICE_FUNCTION(exp), exact, -1, 1, exp_limit);
  check<S>("exp_or_zero", SLUICE_FUNCTION(exp_or_zero), exact, low, 1, exp_limit);
  check<S>("exp_in_range", SLUICE_FUNCTION(exp_in_range), exact, low, 0, exp_limit);
  const auto minus_one = [](long double x) { return std::expm1(x); };
  check<S>("expm1", SLUICE_FUNCTION(expm1_in_range), minus_one, -0.5, 40, expm1_limit);
  check<S>("expm1 near 0", SLUICE_FUNCTION(expm1_in_range), minus_one, -0.1, 1, expm1_limit);
  check<S>(
      "log1p", SLUICE_FUNCTION(log1p_unit), [](long double x) { return std::log1p(x); }, 0, 1,
      log1p_limit);
}

TEMPLATE_TEST_CASE("gates keep to their stated errors", "[math]", float, double) {
  using S = TestType;
  const double far = -double(simd::exp_lowest<S>), low = -far + 1;
  for (const double high : {3.0, far}) {
    const double from = std::max(low, -high);
    check<S>("sigmoid", SLUICE_FUNCTION(sigmoid), logistic, from, high, sigmoid_limit);
    check<S>(
        "silu", SLUICE_FUNCTION(silu), [](long double x) { return x * logistic(x); }, from, high,
        silu_limit);
    check<S>(
        "softplus", SLUICE_FUNCTION(softplus),
        [](long double x) { return std::max(x, 0.0L) + tail(x); }, from, high, softplus_limit);
    check<S>(
        "log_sigmoid", SLUICE_FUNCTION(log_sigmoid),
        [](long double x) { return std::min(x, 0.0L) - tail(x); }, from, std::min(high, far - 1),
        softplus_limit);
    check<S>(
        "silu_slope", SLUICE_FUNCTION(silu_slope),
        [](long double x) { return logistic(x) * (1 + x * logistic(-x)); }, -0.5, high,
        slope_limit);
  }
}

TEMPLATE_TEST_CASE("tanh, erf and the normal distribution keep to their stated errors", "[math]",
                   float, double) {
  using S = TestType;
  const double limit = simd::normal_limit<S>;
  const auto gelu = [](long double x) { return x * phi(x); };
  for (const double high : {0.7, 20.0})
    check<S>(
        "tanh", SLUICE_FUNCTION(tanh), [](long double x) { return std::tanh(x); }, -high, high,
        tanh_limit);
  for (const double high : {1.2, 6.0})
    check<S>(
        "erf", SLUICE_FUNCTION(erf), [](long double x) { return std::erf(x); }, -high, high,
        erf_limit);
  check<S>("normal_cdf", SLUICE_FUNCTION(normal_cdf), phi, -3, 3, normal_centre_limit<S>);
  check<S>("normal_cdf", SLUICE_FUNCTION(normal_cdf), phi, -limit, limit, normal_tail_limit<S>);
  check<S>("gelu", SLUICE_FUNCTION(gelu), gelu, -3, 3, normal_centre_limit<S>);
  check<S>("gelu", SLUICE_FUNCTION(gelu), gelu, -limit, limit, normal_tail_limit<S>);
  check<S>(
      "gelu_slope", SLUICE_FUNCTION(gelu_slope), [](long double x) { return phi(x) + x * bell(x); },
      -0.5, limit, normal_centre_limit<S>);
}

TEMPLATE_TEST_CASE("slopes that cross zero keep an absolute error of two places of 1", "[math]",
                   float, double) {
  using S = TestType;
  const double limit = 2 * double(std::numeric_limits<S>::epsilon());
  Rng rng(5);
  for (int n = 0; n < 40000; ++n) {
    const S x = S(-12 * rng.uniform<double>());
    const long double y = x, u = gelu_argument(y);
    const long double du = gelu_argument(1) / 1.044715L * (1 + 0.134145L * y * y);
    CAPTURE(x);
    REQUIRE(std::abs(double(both_ways(SLUICE_FUNCTION(silu_slope), x) -
                            logistic(y) * (1 + y * logistic(-y)))) <= limit);
    REQUIRE(std::abs(double(both_ways(SLUICE_FUNCTION(gelu_slope), x) - (phi(y) + y * bell(y)))) <=
            limit);
    REQUIRE(std::abs(double(both_ways(SLUICE_FUNCTION(gelu_tanh_slope), x) -
                            logistic(u) * (1 + y * logistic(-u) * du))) <= limit);
  }
}

TEMPLATE_TEST_CASE("gelu by tanh keeps to its stated error, which grows with the argument",
                   "[math]", float, double) {
  using S = TestType;
  const double limit = sizeof(S) == 4 ? 9.9 : 20;
  Rng rng(4);
  for (int n = 0; n < 20000; ++n) {
    const S x = S(limit * (2 * rng.uniform<double>() - 1));
    const long double u = gelu_argument(x);
    const double error = ulps(both_ways(SLUICE_FUNCTION(gelu_tanh), x), x * logistic(u));
    CAPTURE(x, error);
    REQUIRE(error <= (x < 0 ? 4 + 3 * double(std::abs(u)) : 4));
  }
}

TEMPLATE_TEST_CASE("infinities, NaN, zeros and subnormal arguments", "[math]", float, double) {
  using S = TestType;
  const S inf = std::numeric_limits<S>::infinity(), nan = std::numeric_limits<S>::quiet_NaN();
  const S smallest = std::numeric_limits<S>::min(), subnormal = smallest / 8;
  const S largest = std::numeric_limits<S>::max();
  const auto tiny = [&](S y) { return y >= smallest && y < 1e-30; };

  for (const S x : {-inf, -largest, simd::exp_lowest<S> - 1}) {
    CAPTURE(x);
    CHECK(both_ways(SLUICE_FUNCTION(exp), x) ==
          both_ways(SLUICE_FUNCTION(exp), simd::exp_lowest<S>));
    CHECK(both_ways(SLUICE_FUNCTION(exp_or_zero), x) == 0);
    CHECK(tiny(both_ways(SLUICE_FUNCTION(exp), x)));
    CHECK(tiny(both_ways(SLUICE_FUNCTION(sigmoid), x)));
    CHECK(tiny(-both_ways(SLUICE_FUNCTION(silu), x)));
    CHECK(tiny(-both_ways(SLUICE_FUNCTION(silu_slope), x)));
    CHECK(tiny(both_ways(SLUICE_FUNCTION(softplus), x)));
    CHECK(both_ways(SLUICE_FUNCTION(log_sigmoid), x) == x);
    CHECK(both_ways(SLUICE_FUNCTION(tanh), x) == -1);
    CHECK(both_ways(SLUICE_FUNCTION(erf), x) == -1);
    CHECK(tiny(-both_ways(SLUICE_FUNCTION(gelu), x)));
    CHECK(tiny(-both_ways(SLUICE_FUNCTION(gelu_slope), x)));
    CHECK(tiny(-both_ways(SLUICE_FUNCTION(gelu_tanh), x)));
    CHECK(tiny(-both_ways(SLUICE_FUNCTION(gelu_tanh_slope), x)));
  }
  for (const S x : {inf, largest, std::nextafter(simd::exp_highest<S>, inf)}) {
    CAPTURE(x);
    CHECK(both_ways(SLUICE_FUNCTION(exp), x) == inf);
    CHECK(both_ways(SLUICE_FUNCTION(exp_or_zero), x) == inf);
    CHECK(both_ways(SLUICE_FUNCTION(silu), x) == x);
    CHECK(both_ways(SLUICE_FUNCTION(softplus), x) == x);
    CHECK(tiny(-both_ways(SLUICE_FUNCTION(log_sigmoid), x)));
    CHECK(both_ways(SLUICE_FUNCTION(gelu), x) == x);
    CHECK(both_ways(SLUICE_FUNCTION(gelu_tanh), x) == x);
    for (const S one :
         {both_ways(SLUICE_FUNCTION(sigmoid), x), both_ways(SLUICE_FUNCTION(silu_slope), x),
          both_ways(SLUICE_FUNCTION(tanh), x), both_ways(SLUICE_FUNCTION(erf), x),
          both_ways(SLUICE_FUNCTION(gelu_slope), x),
          both_ways(SLUICE_FUNCTION(gelu_tanh_slope), x)})
      CHECK(one == 1);
  }
  CHECK(std::isfinite(both_ways(SLUICE_FUNCTION(exp), simd::exp_highest<S>)));

  // The second NaN carries a payload in its last bits, where 2^n is added to the exponent.
  for (const S x : {nan, S(std::nan("1954"))}) {
    const S results[] = {
        both_ways(SLUICE_FUNCTION(exp), x),         both_ways(SLUICE_FUNCTION(exp_or_zero), x),
        both_ways(SLUICE_FUNCTION(sigmoid), x),     both_ways(SLUICE_FUNCTION(silu), x),
        both_ways(SLUICE_FUNCTION(silu_slope), x),  both_ways(SLUICE_FUNCTION(softplus), x),
        both_ways(SLUICE_FUNCTION(log_sigmoid), x), both_ways(SLUICE_FUNCTION(tanh), x),
        both_ways(SLUICE_FUNCTION(erf), x),         both_ways(SLUICE_FUNCTION(normal_cdf), x),
        both_ways(SLUICE_FUNCTION(gelu), x),        both_ways(SLUICE_FUNCTION(gelu_slope), x),
        both_ways(SLUICE_FUNCTION(gelu_tanh), x),   both_ways(SLUICE_FUNCTION(gelu_tanh_slope), x)};
    for (const S y : results) CHECK(std::isnan(y));
  }
  for (const S x : {S(0), S(-0.0), subnormal, -subnormal}) {
    CAPTURE(x);
    CHECK(both_ways(SLUICE_FUNCTION(exp), x) == 1);
    CHECK(both_ways(SLUICE_FUNCTION(sigmoid), x) == S(0.5));
    CHECK(both_ways(SLUICE_FUNCTION(silu_slope), x) == S(0.5));
    CHECK(std::abs(both_ways(SLUICE_FUNCTION(silu), x)) <= std::abs(x));
    CHECK(std::abs(both_ways(SLUICE_FUNCTION(gelu), x)) <= std::abs(x));
    CHECK(std::signbit(both_ways(SLUICE_FUNCTION(tanh), x)) == std::signbit(x));
    CHECK(std::signbit(both_ways(SLUICE_FUNCTION(erf), x)) == std::signbit(x));
    CHECK(ulps(both_ways(SLUICE_FUNCTION(tanh), x), x) <= 1);
  }
}

TEMPLATE_TEST_CASE("powers of 2 keep to their stated error, and end in 0", "[math]", float,
                   double) {
  using S = TestType;
  const double limit = sizeof(S) == 4 ? 2.6 : fused ? 1 : 1.1;
  const S lowest = sizeof(S) == 4 ? S(-60) : S(-500), inf = std::numeric_limits<S>::infinity();
  const auto exact = [](long double x) { return std::exp2(x); };
  const auto power = [&](const auto& x) { return simd::exp2_or_zero(x, lowest); };
  check<S>("exp2", power, exact, lowest, 0, limit);
  check<S>("exp2 near 0", power, exact, -0.6, 0.6, limit);
  check<S>("exp2 above 1", power, exact, 0, 100, limit);
  for (const S x : {-inf, S(-1e30), S(-1e4), S(-130), std::nextafter(lowest, S(-1e9))})
    CHECK(both_ways(power, sizeof(S) == 4 || x < -500 ? x : -inf) == 0);
  CHECK(both_ways(power, lowest) == std::exp2(lowest));
  CHECK(both_ways(power, S(0)) == 1);
  CHECK(both_ways(power, S(-0.0)) == 1);
  CHECK(std::isnan(both_ways(power, std::numeric_limits<S>::quiet_NaN())));
}

TEMPLATE_TEST_CASE("sine and cosine keep to their stated error", "[math]", float, double) {
  using S = TestType;
  const double limit = double(std::numeric_limits<S>::epsilon());
  Rng rng(6);
  const S largest = simd::detail::TurnConstants<S>::largest;
  for (const double span : {0.8, 4.0, 1000.0, 2.0 * double(largest)})
    for (int n = 0; n < 20000; ++n) {
      const S x = S(span * (2 * rng.uniform<double>() - 1));
      const long double sine = std::sin(static_cast<long double>(x));
      const long double cosine = std::cos(static_cast<long double>(x));
      CAPTURE(x);
      REQUIRE(std::abs(double(both_ways(SLUICE_FUNCTION(sin), x) - sine)) <= limit);
      REQUIRE(std::abs(double(both_ways(SLUICE_FUNCTION(cos), x) - cosine)) <= limit);
    }
  for (const S x : {S(1e-3), S(1e-20), std::numeric_limits<S>::min()})
    CHECK(ulps(both_ways(SLUICE_FUNCTION(sin), x), std::sin(static_cast<long double>(x))) <= 1);
  for (const S x : {std::numeric_limits<S>::infinity(), std::numeric_limits<S>::quiet_NaN()}) {
    CHECK(std::isnan(both_ways(SLUICE_FUNCTION(sin), x)));
    CHECK(std::isnan(both_ways(SLUICE_FUNCTION(cos), x)));
  }
}

TEMPLATE_TEST_CASE("one large angle among small ones", "[math]", float, double) {
  using S = TestType;
  using B = simd::Batch<S, simd::DefaultArch>;
  constexpr Index W = simd::lanes<B>;
  S x[std::size_t(W)], sine[std::size_t(W)];
  for (Index i = 0; i < W; ++i) x[i] = S(0.1) * S(i + 1);
  x[W - 1] = S(3e7);
  simd::store(sine, simd::sin(simd::load<B>(x)));
  for (Index i = 0; i < W; ++i) CHECK(ulps(sine[i], std::sin(static_cast<long double>(x[i]))) <= 1);
}

TEMPLATE_TEST_CASE("parts of vectors are loaded and stored without their neighbours", "[math]",
                   float, double) {
  using B = simd::Batch<TestType, simd::DefaultArch>;
  constexpr Index W = simd::lanes<B>;
  TestType from[std::size_t(W)], to[std::size_t(W)];
  for (Index count = 0; count <= W + 1; ++count) {
    for (Index i = 0; i < W; ++i) from[i] = TestType(i + 1), to[i] = -1;
    simd::store_part(to, simd::load_part<B>(from, count), count);
    for (Index i = 0; i < W; ++i) CHECK(to[i] == (i < count ? from[i] : -1));
    simd::store(to, simd::load_part<B>(from, count));
    for (Index i = 0; i < W; ++i) CHECK(to[i] == (i < count ? from[i] : 0));
  }
}
