// SPDX-License-Identifier: MIT
// Compiled with -ffast-math: what rests on rounding must stand that, kernels included. References
// are plain loops in double, or long double where they lose digits themselves.
#undef SLUICE_USE_COMPILED_KERNELS  // those are compiled without the flag
#include "support/catch.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/gla.hpp>
#include <sluice/kernels/ssm.hpp>
#include <sluice/simd/exp2.hpp>
#include <sluice/simd/math.hpp>
#include <sluice/simd/trigonometry.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <string>
#include <vector>

using namespace sluice;

namespace {

/// f at random points of [low, high], two lanes and the scalar, against its reference: an error of
/// at most `ulps` units of rounding, relative to the reference or to `least` if that is more.
template <class S, class F, class Reference>
void check(const std::string& name, const F& f, const Reference& exact, double low, double high,
           double ulps = 12, double least = 0) {
  using B = simd::Batch<S, simd::DefaultArch>;
  constexpr Index W = simd::lanes<B>;
  Rng rng(1);
  double worst = 0, at = 0;
  for (int n = 0; n < 20000; ++n) {
    const S x = S(low + (high - low) * rng.uniform<double>());
    S y[std::size_t(W)];
    simd::store(y, B(f(B(x))));
    const long double e = exact(static_cast<long double>(x));
    const long double scale = std::max(static_cast<long double>(least), std::abs(e));
    for (const S got : {y[0], y[std::size_t(W - 1)], S(f(x))}) {
      const long double difference = std::abs(static_cast<long double>(got) - e);
      const double error = double(difference / scale) / double(std::numeric_limits<S>::epsilon());
      if (!(error <= worst)) worst = error, at = double(x);
    }
  }
  INFO(name << ": error " << worst << " ulp at " << at);
  CHECK(worst <= ulps);
}

#define SLUICE_FUNCTION(name) [](const auto& argument) { return simd::name(argument); }

long double logistic(long double x) { return 1 / (1 + std::exp(-x)); }

/// Numbers in [low, high).
template <class Tensor>
Tensor filled(Tensor x, Rng& rng, float low, float high) {
  fill_uniform(x, rng, low, high);
  return x;
}

}  // namespace

// A dozen ulp: those of the functions themselves, and of divisions by way of reciprocals. Without
// fused multiply-add the tail of the normal distribution loses 100 times as many in double.
TEMPLATE_TEST_CASE("elementary functions stand -ffast-math", "[fastmath]", float, double) {
  using S = TestType;
  const double low = simd::exp_lowest<S>, high = simd::exp_highest<S>;
  check<S>(
      "exp", SLUICE_FUNCTION(exp), [](long double x) { return std::exp(x); }, low, high);
  check<S>(
      "exp2", [](const auto& x) { return simd::exp2_or_zero(x, S(-100)); },
      [](long double x) { return std::exp2(x); }, -100, 100);
  check<S>(
      "expm1", SLUICE_FUNCTION(expm1_in_range), [](long double x) { return std::expm1(x); }, -0.5,
      1);
  check<S>(
      "log1p", SLUICE_FUNCTION(log1p_unit), [](long double x) { return std::log1p(x); }, 0, 1);
  // Further down, subnormal corrections of a reciprocal are flushed to 0.
  check<S>("sigmoid", SLUICE_FUNCTION(sigmoid), logistic, -70, -low);
  check<S>(
      "silu", SLUICE_FUNCTION(silu), [](long double x) { return x * logistic(x); }, -40, 40);
  check<S>(
      "softplus", SLUICE_FUNCTION(softplus),
      [](long double x) { return std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x))); }, -40,
      40);
  for (const double span : {0.1, 10.0})
    check<S>(
        "tanh", SLUICE_FUNCTION(tanh), [](long double x) { return std::tanh(x); }, -span, span);
  check<S>(
      "erf", SLUICE_FUNCTION(erf), [](long double x) { return std::erf(x); }, -4, 4);
  check<S>(
      "gelu", SLUICE_FUNCTION(gelu),
      [](long double x) { return x * std::erfc(-x * std::sqrt(0.5L)) / 2; }, -3, 6, 60);
  check<S>(
      "sin", SLUICE_FUNCTION(sin), [](long double x) { return std::sin(x); }, -1000, 1000, 4, 1);
  check<S>(
      "cos", SLUICE_FUNCTION(cos), [](long double x) { return std::cos(x); }, -1000, 1000, 4, 1);
}

TEST_CASE("gated linear attention stands -ffast-math", "[fastmath]") {
  const Index T = 70, H = 2, K = 16, V = 9;
  Rng rng(2);
  const Tensor<float, 4> shape(1, T, H, K);
  const auto q = filled(shape, rng, -1, 1), k = filled(shape, rng, -1, 1);
  const auto v = filled(Tensor<float, 4>(1, T, H, V), rng, -1, 1);
  const auto g = filled(shape, rng, -2, 0);
  Tensor<float, 4> o(1, T, H, V), state(1, H, K, V);
  state.setZero();
  gla::forward({.q = q, .k = k, .v = v, .g = g}, 1.f, state, o);
  double worst = 0;
  for (Index h = 0; h < H; ++h) {
    std::vector<double> memory(static_cast<std::size_t>(K * V), 0.0);
    for (Index t = 0; t < T; ++t)
      for (Index j = 0; j < V; ++j) {
        double expected = 0;
        for (Index i = 0; i < K; ++i) {
          double& cell = memory[static_cast<std::size_t>(i * V + j)];
          cell = std::exp(double(g(0, t, h, i))) * cell +
                 double(k(0, t, h, i)) * double(v(0, t, h, j));
          expected += double(q(0, t, h, i)) * cell;
        }
        worst = std::max(worst, std::abs(expected - double(o(0, t, h, j))));
      }
  }
  CHECK(worst < 2e-5);  // sums of 16 products of numbers near 1
}

TEST_CASE("the selective scan stands -ffast-math", "[fastmath]") {
  using Complex = std::complex<double>;
  const bool complex = GENERATE(false, true);
  const Index T = 70, N = 5, D = 11, rows = complex ? 2 * N : N;
  CAPTURE(complex);
  Rng rng(3);
  const auto x = filled(Tensor<float, 3>(1, T, D), rng, -1, 1);
  const auto dt = filled(Tensor<float, 3>(1, T, D), rng, -1, 1);
  const auto into = filled(Tensor<float, 3>(1, T, rows), rng, -1, 1);
  const auto out = filled(Tensor<float, 3>(1, T, rows), rng, -1, 1);
  auto pole = filled(Tensor<float, 2>(rows, D), rng, -2, 0);
  for (Index n = N; n < rows; ++n)
    for (Index d = 0; d < D; ++d) pole(n, d) *= -10;  // several turns a token
  Tensor<float, 3> y(1, T, D), state(1, rows, D);
  state.setZero();
  ssm::Inputs<float> in{.x = x, .dt = dt, .A = pole, .B = into, .C = out, .softplus = true};
  in.complex = complex;
  ssm::forward<simd::DefaultArch, float>(in, state, y);
  const auto number = [&](double re, double im) { return Complex(re, complex ? im : 0); };
  double worst = 0;
  for (Index d = 0; d < D; ++d) {
    std::vector<Complex> memory(static_cast<std::size_t>(N));
    for (Index t = 0; t < T; ++t) {
      const double step = std::log1p(std::exp(double(dt(0, t, d))));
      Complex expected = 0;
      for (Index n = 0; n < N; ++n) {
        const Index im = rows - N + n;  // n itself where there is no imaginary part
        Complex& h = memory[static_cast<std::size_t>(n)];
        h = std::exp(step * number(pole(n, d), pole(im, d))) * h +
            step * double(x(0, t, d)) * number(into(0, t, n), into(0, t, im));
        expected += h * number(out(0, t, n), out(0, t, im));
      }
      const double value = (complex ? 2 : 1) * expected.real();
      worst = std::max(worst, std::abs(value - double(y(0, t, d))));
    }
  }
  CHECK(worst < 2e-5);  // angles of up to 40 are rounded to 2e-6
}
