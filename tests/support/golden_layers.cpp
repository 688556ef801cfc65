// SPDX-License-Identifier: MIT
/// \file
/// Golden cases of per-token layers: norms and gated feed-forward layers, each as the bare kernels
/// and as the operations of the tape.

#include "support/golden_families.hpp"
#include "support/golden_functions.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/activation/activation.hpp>
#include <sluice/kernels/elementwise/arithmetic.hpp>
#include <sluice/kernels/elementwise/rows.hpp>
#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/linear/linear.hpp>
#include <sluice/kernels/norm/gated_rms_norm.hpp>
#include <sluice/kernels/norm/layer_norm.hpp>
#include <sluice/kernels/norm/rms_norm.hpp>
#include <sluice/ops/activation.hpp>
#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/linear.hpp>
#include <sluice/ops/norm.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice::testing::golden_layers {

template <class Scalar>
using Matrix = Tensor<Scalar, 2>;
template <class Scalar>
using Row = Tensor<Scalar, 1>;

/// An optional parameter; its values are in the file as a weight of a layer or as an input.
template <class Scalar, int Rank>
struct Parameter {
  std::string name;  ///< as in "in.weight", without the group
  std::string gradient_name;
  std::optional<Tensor<Scalar, Rank>> value, gradient;

  Parameter(const GoldenCase& c, const std::string& n) : name(n) {
    const bool layer = c.has("w." + n);
    gradient_name = (layer ? "grad.w." : "grad.") + n;
    value = c.optional<Scalar, Rank>((layer ? "w." : "in.") + n);
    if (value) gradient = zeros<Scalar>(shape_of(*value));
  }
  static constexpr auto fields() { return std::tuple{field("value", &Parameter::value)}; }

  explicit operator bool() const { return value.has_value(); }
  View<const Scalar, Rank> view() const {
    return value ? View<const Scalar, Rank>(*value) : View<const Scalar, Rank>();
  }
  View<Scalar, Rank> gradient_view() {
    return gradient ? View<Scalar, Rank>(*gradient) : View<Scalar, Rank>();
  }
};

/// One layer case: rows of x, what was expected, and what a form made of it.
template <class Scalar>
struct Layer {
  const GoldenCase& c;
  Report& report;
  Matrix<Scalar> x = c.rows<Scalar>("in.x"), y, dx;
  Matrix<Scalar> dy;
  bool backward = c.has("cot.y");

  Layer(const GoldenCase& golden, Report& r) : c(golden), report(r) {
    const auto& shape = c.rows<Scalar>("out.y");
    y.resize(shape.dimensions());
    y.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
    dx = zeros<Scalar>(shape_of(x));
    if (backward) dy = c.rows<Scalar>("cot.y");
  }

  void check(const std::string& form, const std::string& name, const auto& got, bool gradient) {
    if (c.has(name))
      report.add(form + (gradient ? " backward" : ""), name, got, c.elements(name),
                 c.limit<Scalar>(gradient));
  }

  /// Compares y and dx, and the gradients of all parameters.
  template <class... Parameters>
  void finish(const std::string& form, const Parameters&... parameters) {
    check(form, "out.y", y, false);
    if (!backward) return;
    check(form, "grad.x", dx, true);
    const auto one = [&](const auto& p) {
      if (p) check(form, p.gradient_name, *p.gradient, true);
    };
    (one(parameters), ...);
  }
};

/// Runs a layer as an operation of the tape: f(x) with x a variable. Gradients by parameters go
/// where they are kept.
template <class Scalar, class F, class... Parameters>
void check_op(const GoldenCase& c, Report& report, F&& f, Parameters... parameters) {
  Layer<Scalar> layer(c, report);
  Tape<Scalar> tape;
  tape.start();
  const auto record = [&](auto& p) {
    auto gradient = p;
    gradient.value = p.gradient;
    return gradient;
  };
  auto gradients = std::tuple(record(parameters)...);
  std::apply([&](auto&... g) { (tape.also_record(parameters, g), ...); }, gradients);
  const Variable<Scalar, 2> x{&tape, View<const Scalar, 2>(layer.x), View<Scalar, 2>(layer.dx)};
  const Variable<Scalar, 2> y = f(x, parameters...);
  if (View<const Scalar, 2>(layer.y).shape() != y.shape()) c.fail("\"out.y\" has another shape");
  std::copy_n(y.value.data(), y.value.size(), layer.y.data());
  if (layer.backward) {
    if (View<const Scalar, 2>(layer.dy).shape() != y.shape()) c.fail("\"cot.y\" has another shape");
    std::copy_n(layer.dy.data(), layer.dy.size(), y.gradient.data());
    tape.backward();
  }
  std::apply(
      [&](auto&... g) {
        ((g.gradient = g.value), ...);
        layer.finish("op", g...);
      },
      gradients);
}

template <class Scalar>
void layer_norm_in(const GoldenCase& c, Report& report) {
  const Scalar eps = Scalar(c.number("eps", 1e-5));
  Parameter<Scalar, 1> weight(c, "weight"), bias(c, "bias");
  Layer<Scalar> l(c, report);
  kernels::layer_norm(View<const Scalar, 2>(l.x), weight.view(), bias.view(), eps,
                      View<Scalar, 2>(l.y));
  if (l.backward)
    kernels::layer_norm_backward(View<const Scalar, 2>(l.x), weight.view(), eps, l.dy, l.dx,
                                 weight.gradient_view(), bias.gradient_view());
  l.finish("kernel", weight, bias);
  check_op<Scalar>(
      c, report,
      [eps](const auto& x, const auto& w, const auto& b) {
        return sluice::layer_norm(x, w.value, b.value, eps);
      },
      Parameter<Scalar, 1>(c, "weight"), Parameter<Scalar, 1>(c, "bias"));
}

/// Part i of n of the columns of a matrix, or of a row; absent stays absent.
template <class T, int Rank>
View<T, Rank> part(const View<T, Rank>& x, Index i, Index width) {
  return x ? slice(x, Rank - 1, i * width, width) : x;
}

/// The gated norm put together from its parts, for what the fused kernels do not take: no gate,
/// a bias, or another activation.
template <class Scalar>
void composed_gated_rms_norm(const GoldenCase& c, Report& report,
                             const GatedRMSNormOptions& options, const std::string& activation) {
  Parameter<Scalar, 1> weight(c, "weight"), bias(c, "bias");
  Layer<Scalar> l(c, report);
  const Index N = l.x.dimension(0), D = l.x.dimension(1);
  const Index G = options.group_size == 0 ? D : options.group_size;
  if (G <= 0 || D % G != 0) c.fail("group_size does not divide the width");
  for (const auto* parameter : {&weight, &bias})
    if (*parameter && parameter->value->size() != D)
      c.fail("\"" + parameter->name + "\" does not match x");
  const Scalar eps = Scalar(options.eps);
  const bool gated = c.has("in.z");
  Matrix<Scalar> z = gated ? c.rows<Scalar>("in.z") : l.x;
  Matrix<Scalar> gated_x = l.x, normal(N, D), dz = zeros<Scalar>(Shape<2>{N, D}), du = dz, dn = dz;
  using V = View<Scalar, 2>;
  using C = View<const Scalar, 2>;
  const auto act = [&](const auto& use) { with_function(activation, use); };
  const bool before = gated && !options.norm_before_gate, after = gated && !before;
  if (before) act([&](const auto& f) { kernels::gated(f, C(z), C(l.x), V(gated_x)); });
  for (Index i = 0; i * G < D; ++i)
    kernels::rms_norm(part(C(gated_x), i, G), part(weight.view(), i, G), eps,
                      part(V(normal), i, G));
  if (bias) kernels::add_row(C(V(normal)), bias.view(), V(normal));
  l.y = normal;
  if (after) act([&](const auto& f) { kernels::gated(f, C(z), C(normal), V(l.y)); });
  if (l.backward) {
    if (after)
      act([&](const auto& f) { kernels::gated_backward(f, C(z), C(normal), l.dy, dz, dn); });
    else
      dn = l.dy;
    if (bias) kernels::add_rows(C(dn), bias.gradient_view());
    for (Index i = 0; i * G < D; ++i)
      kernels::rms_norm_backward(part(C(gated_x), i, G), part(weight.view(), i, G), eps,
                                 part(C(dn), i, G), part(V(du), i, G),
                                 part(weight.gradient_view(), i, G));
    if (before)
      act([&](const auto& f) { kernels::gated_backward(f, C(z), C(l.x), du, dz, l.dx); });
    else
      l.dx = du;
    if (gated) l.check("composed", "grad.z", dz, true);
  }
  l.finish("composed", weight, bias);
}

template <class Scalar>
void rms_norm_in(const GoldenCase& c, Report& report) {
  const Scalar eps = Scalar(c.number("eps", 1e-6));
  Parameter<Scalar, 1> weight(c, "weight");
  if (Parameter<Scalar, 1>(c, "bias"))  // the kernel has no such form
    return composed_gated_rms_norm<Scalar>(c, report, {.eps = double(eps)}, "identity");
  Layer<Scalar> l(c, report);
  kernels::rms_norm(View<const Scalar, 2>(l.x), weight.view(), eps, View<Scalar, 2>(l.y));
  if (l.backward)
    kernels::rms_norm_backward(View<const Scalar, 2>(l.x), weight.view(), eps, l.dy, l.dx,
                               weight.gradient_view());
  l.finish("kernel", weight);
  check_op<Scalar>(
      c, report, [eps](const auto& x, const auto& w) { return sluice::rms_norm(x, w.value, eps); },
      Parameter<Scalar, 1>(c, "weight"));
}

template <class Scalar>
void gated_rms_norm_in(const GoldenCase& c, Report& report) {
  const double group_size = c.number("group_size", 0);
  if (std::abs(group_size) > 1e9) c.fail("group_size is out of range");
  GatedRMSNormOptions options{.eps = c.number("eps", 1e-5),
                              .group_size = Index(group_size),
                              .norm_before_gate = c.flag("norm_before_gate", true)};
  const std::string activation = c.text("activation", "silu");
  const bool sigmoid = activation == "sigmoid";
  if (sigmoid) options.activation = Activation::sigmoid;
  composed_gated_rms_norm<Scalar>(c, report, options, activation);
  Parameter<Scalar, 1> weight(c, "weight"), bias(c, "bias");
  const bool fused = sigmoid || activation == "silu" || activation == "swish";
  if (!c.has("in.z") || bias || !fused) return;

  Layer<Scalar> l(c, report);
  const Matrix<Scalar> z = c.rows<Scalar>("in.z");
  Matrix<Scalar> dz = zeros<Scalar>(shape_of(z));
  kernels::gated_rms_norm(View<const Scalar, 2>(l.x), z, weight.view(), options, l.y);
  if (l.backward) {
    kernels::gated_rms_norm_backward(View<const Scalar, 2>(l.x), z, weight.view(), options, l.dy,
                                     l.dx, dz, weight.gradient_view());
    l.check("kernel", "grad.z", dz, true);
  }
  l.finish("kernel", weight);
  if (!weight) return;  // the operation has no such form
  dz.setZero();
  check_op<Scalar>(
      c, report,
      [&](const auto& x, const auto& w) {
        const Variable<Scalar, 2> gate{x.tape, View<const Scalar, 2>(z), View<Scalar, 2>(dz)};
        return sluice::gated_rms_norm(x, gate, *w.value, options);
      },
      Parameter<Scalar, 1>(c, "weight"));
  if (l.backward) l.check("op", "grad.z", dz, true);
}

/// A linear layer of a case.
template <class Scalar>
struct Projection {
  Parameter<Scalar, 2> weight;
  Parameter<Scalar, 1> bias;

  Projection(const GoldenCase& c, const std::string& name)
      : weight(c, name + ".weight"), bias(c, name + ".bias") {
    if (!weight) c.fail("no tensor \"w." + name + ".weight\"");
  }
  Matrix<Scalar> forward(const Matrix<Scalar>& x) const {
    Matrix<Scalar> y(x.dimension(0), weight.value->dimension(0));
    kernels::linear(View<const Scalar, 2>(x), weight.view(), bias.view(), y);
    return y;
  }
  void backward(const Matrix<Scalar>& x, const Matrix<Scalar>& dy, Matrix<Scalar>& dx) {
    kernels::linear_backward(View<const Scalar, 2>(x), weight.view(), dy, dx,
                             weight.gradient_view(), bias.gradient_view());
  }
};

/// y = out(f(gate x) (.) up x), as swiglu and geglu.
template <class Scalar>
void feed_forward(const GoldenCase& c, Report& report, const std::string& activation,
                  const std::array<std::string, 3>& names) {
  const auto act = [&](const auto& use) { with_function(activation, use); };
  Projection<Scalar> gate(c, names[0]), up(c, names[1]), out(c, names[2]);
  Layer<Scalar> l(c, report);
  const auto a = gate.forward(l.x), b = up.forward(l.x);
  auto hidden = a;
  act([&](const auto& f) { kernels::gated(f, View<const Scalar, 2>(a), b, hidden); });
  l.y = out.forward(hidden);
  if (l.backward) {
    auto dhidden = zeros<Scalar>(shape_of(a)), da = dhidden, db = dhidden;
    out.backward(hidden, l.dy, dhidden);
    act([&](const auto& f) {
      kernels::gated_backward(f, View<const Scalar, 2>(a), b, dhidden, da, db);
    });
    gate.backward(l.x, da, l.dx);
    up.backward(l.x, db, l.dx);
  }
  l.finish("kernel", gate.weight, gate.bias, up.weight, up.bias, out.weight, out.bias);

  const auto apply = [](const Variable<Scalar, 2>& x, const auto& w, const auto& bias) {
    return bias ? linear(x, *w.value, *bias.value) : linear(x, *w.value);
  };
  const Projection<Scalar> gate0(c, names[0]), up0(c, names[1]), out0(c, names[2]);
  check_op<Scalar>(
      c, report,
      [&](const Variable<Scalar, 2>& x, const auto& wg, const auto& bg, const auto& wu,
          const auto& bu, const auto& wo, const auto& bo) {
        Variable<Scalar, 2> h;
        act([&](const auto& f) { h = sluice::gate(f, apply(x, wg, bg), apply(x, wu, bu)); });
        return apply(h, wo, bo);
      },
      gate0.weight, gate0.bias, up0.weight, up0.bias, out0.weight, out0.bias);
}

/// All forms, in both precisions.
void layer_norm(const GoldenCase& c, Report& report) {
  layer_norm_in<double>(c, report), layer_norm_in<float>(c, report);
}
void rms_norm(const GoldenCase& c, Report& report) {
  rms_norm_in<double>(c, report), rms_norm_in<float>(c, report);
}
void gated_rms_norm(const GoldenCase& c, Report& report) {
  gated_rms_norm_in<double>(c, report), gated_rms_norm_in<float>(c, report);
}
void feed_forward(const GoldenCase& c, Report& report, std::string activation) {
  for (const char* key : {"act", "activation", "hidden_act"}) activation = c.text(key, activation);
  const std::array<std::string, 3> llama{"gate_proj", "up_proj", "down_proj"};
  const std::array<std::string, 3> t5{"wi_0", "wi_1", "wo"};
  const auto& names = c.has("w.wi_0.weight") ? t5 : llama;
  feed_forward<double>(c, report, activation, names);
  feed_forward<float>(c, report, activation, names);
}
void swiglu(const GoldenCase& c, Report& report) { feed_forward(c, report, "silu"); }
void geglu(const GoldenCase& c, Report& report) { feed_forward(c, report, "gelu_erf"); }

}  // namespace sluice::testing::golden_layers
