// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/bursts.hpp"
#include "support/report.hpp"

#include <sluice/core/random.hpp>
#include <sluice/simd/math.hpp>

#include <vector>

namespace sluice::bench {

namespace {

/// A function over data in the first-level cache; the scale is our own exponential.
template <class Scalar, class F>
void function(const std::string& name, F f) {
  row("simd/" + name + scalar_name<Scalar>,
      [f](benchmark::State& s) {
        const Index n = s.range(0);
        std::vector<Scalar> x(static_cast<std::size_t>(n)), y(x.size());
        Rng rng(1);
        for (Scalar& value : x) value = Scalar(8) * (rng.uniform<Scalar>() - Scalar(0.5));
        Work w{.elements = double(n)};
        if (sizeof(Scalar) == 4) w.exps = double(n);  // the limit is measured in float
        measure<Scalar>(s, w, [&] { map_span(f, x.data(), y.data(), n); });
      })
      ->ArgName("n")
      ->Arg(2048);
}

template <class Scalar>
void functions() {
  using B = simd::Batch<Scalar, simd::DefaultArch>;
  function<Scalar>("exp", [](const B& x) SLUICE_INLINE_LAMBDA { return simd::exp(x); });
  function<Scalar>("exp_xsimd", [](const B& x) SLUICE_INLINE_LAMBDA { return xsimd::exp(x); });
  function<Scalar>("sigmoid", [](const B& x) SLUICE_INLINE_LAMBDA { return simd::sigmoid(x); });
  function<Scalar>("silu", [](const B& x) SLUICE_INLINE_LAMBDA { return simd::silu(x); });
  function<Scalar>("softplus", [](const B& x) SLUICE_INLINE_LAMBDA { return simd::softplus(x); });
  function<Scalar>("tanh", [](const B& x) SLUICE_INLINE_LAMBDA { return simd::tanh(x); });
  function<Scalar>("tanh_xsimd", [](const B& x) SLUICE_INLINE_LAMBDA { return xsimd::tanh(x); });
  function<Scalar>("gelu", [](const B& x) SLUICE_INLINE_LAMBDA { return simd::gelu(x); });
}

}  // namespace

void register_simd() {
  functions<float>();
  functions<double>();
}

}  // namespace sluice::bench
