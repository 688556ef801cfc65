// SPDX-License-Identifier: MIT
#include "rows.hpp"
#include "support/report.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/norm/gated_rms_norm.hpp>
#include <sluice/kernels/norm/layer_norm.hpp>
#include <sluice/kernels/norm/rms_norm.hpp>

namespace sluice::bench {

namespace {

template <class Scalar>
struct Problem {
  Tensor<Scalar, 2> x, z, y, dy, dx;
  Tensor<Scalar, 1> weight, bias, dweight;

  Problem(Index rows, Index width)
      : x(rows, width),
        z(rows, width),
        y(rows, width),
        dy(rows, width),
        dx(rows, width),
        weight(width),
        bias(width),
        dweight(width) {
    Rng rng(1);
    for (auto* t : {&x, &z, &dy}) fill_uniform(*t, rng, Scalar(-1), Scalar(1));
    for (auto* t : {&weight, &bias}) fill_uniform(*t, rng, Scalar(-1), Scalar(1));
    dx.setZero(), dweight.setZero();
  }

  void rms() { kernels::rms_norm(View<const Scalar, 2>(x), weight, eps, y); }
  void rms_backward() {
    kernels::rms_norm_backward(View<const Scalar, 2>(x), weight, eps, dy, dx, dweight);
  }
  void layer() { kernels::layer_norm(View<const Scalar, 2>(x), weight, bias, eps, y); }
  void gated() { kernels::gated_rms_norm(View<const Scalar, 2>(x), z, weight, {}, y); }

  static constexpr Scalar eps = Scalar(1e-5);
};

/// \param streams  matrices that are read or written.
template <class Scalar, class Run>
void form(const std::string& name, int streams, int matrices, const Run& run) {
  const auto body = [=](benchmark::State& s) {
    Problem<Scalar> p(s.range(0), s.range(1));
    const double matrix = double(sizeof(Scalar)) * double(s.range(0)) * double(s.range(1));
    measure<Scalar>(
        s,
        {.tokens = double(s.range(0)), .bytes = streams * matrix, .working_set = matrices * matrix},
        [&] { run(p); });
  };
  auto* b = row("norm/" + name + scalar_name<Scalar>, body);
  b->ArgNames({"rows", "width"})->Args({64, 128})->Args({3072, 128})->Args({3072, 512});
}

}  // namespace

void register_norm() {
  form<float>("rms_norm", 2, 2, [](auto& p) { p.rms(); });
  form<float>("rms_norm_backward", 4, 3, [](auto& p) { p.rms_backward(); });
  form<float>("gated_rms_norm", 3, 3, [](auto& p) { p.gated(); });
  form<float>("layer_norm", 2, 2, [](auto& p) { p.layer(); });
}

}  // namespace sluice::bench
