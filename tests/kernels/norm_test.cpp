// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/norm/gated_rms_norm.hpp>
#include <sluice/kernels/norm/layer_norm.hpp>
#include <sluice/kernels/norm/rms_norm.hpp>

#include <cmath>
#include <limits>
#include <type_traits>

using namespace sluice;
using testing::differences;
using testing::require_close;
using testing::uniform;

namespace {

// A few roundings per element, and in float a sum over the row in lanes.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 2e-14 : 2e-6;
// Central differences with a step of 1e-6: rounding of the loss against the curvature.
constexpr double difference_tolerance = 2e-8;

// Nothing divides a vector, or a block of four; one width is a multiple of all of them.
const Index widths[] = {1, 5, 17, 33, 64, 131};

enum class Norm { layer, rms, gated_after, gated_before };
const Norm norms[] = {Norm::layer, Norm::rms, Norm::gated_after, Norm::gated_before};

template <class Scalar>
struct Problem {
  Norm norm;
  GatedRMSNormOptions options;
  Tensor<Scalar, 3> x, z;
  Tensor<Scalar, 1> weight, bias;
  double eps;

  Problem(Norm norm_, Index D, double eps_ = 1e-5)
      : norm(norm_),
        x(uniform<Scalar, 3>({2, 3, D}, -1, 2, 1)),
        z(uniform<Scalar, 3>({2, 3, D}, -3, 3, 2)),
        weight(uniform<Scalar, 1>({D}, -1, 2, 3)),
        bias(uniform<Scalar, 1>({D}, -1, 1, 4)),
        eps(eps_) {
    options.eps = eps;
    options.norm_before_gate = norm == Norm::gated_before;
  }

  void forward(const View<Scalar, 3>& y, bool affine = true) const {
    const View<const Scalar, 3> in(x), gate(z);
    const View<const Scalar, 1> w(affine ? weight.data() : nullptr, {weight.size()});
    const View<const Scalar, 1> b(affine ? bias.data() : nullptr, {bias.size()});
    if (norm == Norm::layer)
      kernels::layer_norm(in, w, b, Scalar(eps), y);
    else if (norm == Norm::rms)
      kernels::rms_norm(in, w, Scalar(eps), y);
    else
      kernels::gated_rms_norm(in, gate, w, options, y);
  }

  void backward(const Tensor<Scalar, 3>& dy, const View<Scalar, 3>& dx, const View<Scalar, 3>& dz,
                const View<Scalar, 1>& dweight, const View<Scalar, 1>& dbias) const {
    const View<const Scalar, 3> in(x), gate(z), grad(dy);
    const View<const Scalar, 1> w(weight);
    if (norm == Norm::layer)
      kernels::layer_norm_backward(in, w, Scalar(eps), grad, dx, dweight, dbias);
    else if (norm == Norm::rms)
      kernels::rms_norm_backward(in, w, Scalar(eps), grad, dx, dweight);
    else
      kernels::gated_rms_norm_backward(in, gate, w, options, grad, dx, dz, dweight);
  }

  /// The formula, element by element in double.
  Tensor<double, 3> reference() const {
    const Index D = x.dimension(2), G = options.group_size ? options.group_size : D;
    Tensor<double, 3> y(x.dimension(0), x.dimension(1), D);
    for (Index n = 0; n < x.dimension(0) * x.dimension(1); ++n)
      for (Index g = 0; g < D; g += G) {
        const Index at = n * D + g;
        const auto act = [&](Index i) {
          const double s = 1 / (1 + std::exp(-double(z.data()[at + i])));
          return options.activation == Activation::silu ? double(z.data()[at + i]) * s : s;
        };
        const auto u = [&](Index i) {
          return double(x.data()[at + i]) * (norm == Norm::gated_after ? act(i) : 1);
        };
        double mean = 0, squares = 0;
        for (Index i = 0; i < G; ++i) mean += u(i) / double(G);
        if (norm != Norm::layer) mean = 0;
        for (Index i = 0; i < G; ++i) squares += (u(i) - mean) * (u(i) - mean) / double(G);
        for (Index i = 0; i < G; ++i) {
          double value = (u(i) - mean) / std::sqrt(squares + eps) * double(weight(g + i));
          if (norm == Norm::layer) value += double(bias(g + i));
          if (norm == Norm::gated_before) value *= act(i);
          y.data()[at + i] = value;
        }
      }
    return y;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("norms are their formulas", "[norm]", float, double) {
  const auto norm = norms[GENERATE(0, 1, 2, 3)];
  const auto D = widths[GENERATE(0, 1, 2, 3, 4, 5)];
  CAPTURE(int(norm), D);
  Problem<TestType> p(norm, D);
  if (D == 33 && norm != Norm::layer && norm != Norm::rms) p.options.group_size = 11;
  if (D == 17) p.options.activation = Activation::sigmoid;
  Tensor<TestType, 3> y(p.x.dimensions());
  y.setConstant(std::numeric_limits<TestType>::quiet_NaN());
  p.forward(y);
  require_close("y", p.reference(), y, tolerance<TestType>);

  p.weight.setConstant(1);
  p.bias.setZero();
  p.forward(y, false);
  require_close("y without weights", p.reference(), y, tolerance<TestType>);
}

TEST_CASE("gradients of norms are central differences, added", "[norm]") {
  const auto norm = norms[GENERATE(0, 1, 2, 3)];
  const auto D = widths[GENERATE(0, 1, 2, 3, 4, 5)];
  const auto sigmoid = GENERATE(false, true);
  CAPTURE(int(norm), D, sigmoid);
  Problem<double> p(norm, D, 0.1);  // so large that a row of one element has a gradient
  if (D == 33 && norm != Norm::layer && norm != Norm::rms) p.options.group_size = 11;
  if (sigmoid) p.options.activation = Activation::sigmoid;
  const auto dy = uniform<double, 3>({2, 3, D}, -1, 1, 5);
  Tensor<double, 3> y(p.x.dimensions());
  const auto loss = [&] {
    p.forward(y);
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * dy.data()[i];
    return sum;
  };

  Tensor<double, 3> dx(p.x.dimensions()), dz(p.x.dimensions());
  Tensor<double, 1> dweight(D), dbias(D);
  dx.setConstant(1);
  dz.setConstant(1);
  dweight.setConstant(1);
  dbias.setConstant(1);
  p.backward(dy, dx, dz, dweight, dbias);
  for (auto* t : {&dx, &dz})
    for (Index i = 0; i < t->size(); ++i) t->data()[i] -= 1;
  for (auto* t : {&dweight, &dbias})
    for (Index i = 0; i < D; ++i) t->data()[i] -= 1;
  if (norm == Norm::layer && D == 1) {  // such a row is all mean, and nothing of it is left
    for (Index i = 0; i < dx.size(); ++i) CHECK(std::abs(dx.data()[i]) < 1e-15);
    return;
  }
  require_close("dx", differences(p.x, loss), dx, difference_tolerance);
  require_close("dweight", differences(p.weight, loss), dweight, difference_tolerance);
  if (norm == Norm::layer)
    require_close("dbias", differences(p.bias, loss), dbias, difference_tolerance);
  if (norm == Norm::gated_after || norm == Norm::gated_before)
    require_close("dz", differences(p.z, loss), dz, difference_tolerance);

  // Absent gradients are skipped, and the others are the same numbers.
  Tensor<double, 3> alone(p.x.dimensions());
  alone.setConstant(1);
  p.backward(dy, alone, {}, {}, {});
  for (Index i = 0; i < alone.size(); ++i) CHECK(alone.data()[i] - 1 == dx.data()[i]);
  p.backward(dy, {}, {}, {}, {});
}

TEST_CASE("one head of a wider tensor is normalised in place", "[norm]") {
  const Index B = 2, T = 3, H = 5, V = 17;
  const auto wide = uniform<float, 3>({B, T, 2 * H * V}, -1, 1, 1);
  const Shape<4> stride{T * 2 * H * V, 2 * H * V, V, 1};
  const View<const float, 4> part(wide.data() + H * V, {B, T, H, V}, stride);
  REQUIRE(!has_rows(part));
  Tensor<float, 4> packed(B, T, H, V), expected(B, T, H, V), y(B, T, H, V);
  Index n = 0;
  for_each_row(
      [&](const float* row) {
        for (Index i = 0; i < V; ++i) packed.data()[n++] = row[i];
      },
      part);
  kernels::rms_norm(View<const float, 4>(packed), {}, 1e-6f, expected);
  kernels::rms_norm(part, {}, 1e-6f, y);
  for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == expected.data()[i]);
  kernels::layer_norm(View<const float, 4>(packed), {}, {}, 1e-6f, expected);
  kernels::layer_norm(part, {}, {}, 1e-6f, y);
  for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == expected.data()[i]);
}

TEST_CASE("a narrow row far from zero keeps its digits", "[norm]") {
  const Index D = 33;
  Tensor<float, 1> near(D), far(D), y(D), z(D);
  for (Index i = 0; i < D; ++i) near(i) = float((i * 7) % D) / 64, far(i) = near(i) + 4096;
  kernels::layer_norm(View<const float, 1>(near), {}, {}, 0.f, y);
  kernels::layer_norm(View<const float, 1>(far), {}, {}, 0.f, z);
  require_close("shifted", y, z, 1e-3);  // the shift itself rounds to 2^-11 of the spread
}

TEST_CASE("rows of zeros and constant rows stay finite", "[norm]") {
  Problem<float> p(Norm::layer, 17);
  p.x.setConstant(3);
  Tensor<float, 3> y(p.x.dimensions()), dx(p.x.dimensions());
  p.forward(y);
  for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == p.bias(i % 17));
  dx.setZero();
  p.backward(uniform<float, 3>({2, 3, 17}, -1, 1, 5), dx, {}, {}, {});
  for (Index i = 0; i < dx.size(); ++i) CHECK(std::isfinite(dx.data()[i]));
  p.norm = Norm::rms;
  p.x.setZero();
  p.forward(y);
  for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == 0);
}

TEST_CASE("norms may have no rows", "[norm]") {
  const View<float, 3> none(nullptr, {2, 0, 5});
  kernels::rms_norm(View<const float, 3>(none), {}, 1e-6f, none);
  kernels::layer_norm(View<const float, 3>(none), {}, {}, 1e-6f, none);
}

TEST_CASE("norms name what does not fit", "[norm]") {
  Problem<float> p(Norm::rms, 24);
  Tensor<float, 3> y(p.x.dimensions());
  const Tensor<float, 1> wrong = uniform<float, 1>({23}, 0, 1, 1);
  try {
    kernels::rms_norm(View<const float, 3>(p.x), View<const float, 1>(wrong), 1e-6f, y);
    FAIL("expected ShapeError");
  } catch (const ShapeError& e) {
    CHECK(std::string(e.what()) == "rms_norm: weight must be [24] to match x, got [23]");
  }
  p.norm = Norm::gated_after;
  p.options.group_size = 7;
  try {
    p.forward(y);
    FAIL("expected ArgumentError");
  } catch (const ArgumentError& e) {
    CHECK(std::string(e.what()) ==
          "gated_rms_norm: group_size must be 0 or a divisor of 24, got 7");
  }
}
