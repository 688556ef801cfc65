// SPDX-License-Identifier: MIT
/// \file
/// Golden cases of Mamba-2's state space: ssd_minimal, whose step sizes have been worked in, ssd_*
/// with everything around them, and mamba2_step, whose files have time before the batch.

#include "support/golden_families.hpp"
#include "support/golden_gla_forms.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/kernels/activation/activation.hpp>
#include <sluice/ops/activation.hpp>
#include <sluice/ops/slice.hpp>
#include <sluice/ops/state_space_duality.hpp>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace sluice::testing::golden_ssd {

template <class Scalar, int Rank>
using Maybe = std::optional<Tensor<Scalar, Rank>>;

/// The first of some names that the case has, with its group; or nothing.
inline std::string one_of(const GoldenCase& c, const std::string& group,
                          std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (c.has(group + name)) return group + name;
  return "";
}

/// Reads tensors of a case as [B, T, ..], states as [B, H, N, P].
template <class Scalar>
struct Reader {
  const GoldenCase& c;
  bool time_first = c.family() == "mamba2_step";

  template <int Rank>
  Maybe<Scalar, Rank> stream(const std::string& name) const {
    if (!c.has(name)) return {};
    const auto x = c.tensor<Scalar, Rank>(name);
    if (!time_first) return x;
    Eigen::array<int, std::size_t(Rank)> order;
    for (int i = 0; i < Rank; ++i) order[std::size_t(i)] = i;
    std::swap(order[0], order[1]);
    return Tensor<Scalar, Rank>(x.shuffle(order));
  }
  Maybe<Scalar, 4> state(const std::string& name) const {
    if (name.empty()) return {};
    return Tensor<Scalar, 4>(c.tensor<Scalar, 4>(name).shuffle(Eigen::array<int, 4>{0, 1, 3, 2}));
  }
  Maybe<Scalar, 4> initial_state(const std::string& group) const {
    return state(one_of(c, group, {"h0", "initial_states", "initial_state", "state0"}));
  }
  Maybe<Scalar, 4> final_state(const std::string& group) const {
    return state(one_of(c, group, {"final_state", "final_states", "ht"}));
  }
  /// The output of all tokens; ssd_minimal writes it as a capital.
  Maybe<Scalar, 4> y(const std::string& group) const {
    const auto name = one_of(c, group, {"y", "Y"});
    return name.empty() ? Maybe<Scalar, 4>{} : stream<4>(name);
  }
  /// The states after every token, [T, B, H, N, P], where the file has them.
  Maybe<Scalar, 5> all_states() const {
    if (!time_first || !c.has("out.state")) return {};
    return Tensor<Scalar, 5>(
        c.tensor<Scalar, 5>("out.state").shuffle(Eigen::array<int, 5>{0, 1, 2, 4, 3}));
  }
};

/// The parameters, which the operation finds by their address, or their gradients.
template <class Scalar>
struct Parameters {
  Maybe<Scalar, 1> A, dt_bias;
  Maybe<Scalar, 2> D;  ///< [H, 1] or [H, P]
  Tensor<Scalar, 4> state;
  static constexpr auto fields() {
    using P = Parameters;
    return std::tuple{field("A", &P::A), field("dt_bias", &P::dt_bias), field("D", &P::D),
                      field("state", &P::state)};
  }
};

/// The data, or their gradients. `gate` is what ssd_minimal has in the place of dt and A.
template <class Scalar>
struct Data {
  Tensor<Scalar, 4> x, B, C;
  Maybe<Scalar, 3> dt, gate;
  Maybe<Scalar, 4> z;
  static constexpr auto fields() {
    using T = Data;
    return std::tuple{field("x", &T::x),   field("B", &T::B),       field("C", &T::C),
                      field("dt", &T::dt), field("gate", &T::gate), field("z", &T::z)};
  }
};

template <class Scalar>
struct Problem {
  const GoldenCase& c;
  Data<Scalar> data;
  Parameters<Scalar> parameters;
  bool log_A, softplus;
  std::vector<double> limits;
  std::vector<Index> cu_seqlens;

  explicit Problem(const GoldenCase& golden) : c(golden) {
    const Reader<Scalar> read{c};
    const bool minimal = c.family() == "ssd_minimal";
    const auto needed = [&](const std::string& name) {
      if (!c.has(name)) c.fail("no tensor \"" + name + "\"");
      return *read.template stream<4>(name);
    };
    data.x = needed(minimal ? "in.X" : "in.x");
    data.B = needed("in.B"), data.C = needed("in.C");
    data.z = read.template stream<4>("in.z");
    (minimal ? data.gate : data.dt) = read.template stream<3>(minimal ? "in.A" : "in.dt");
    if (!data.gate && !data.dt) c.fail("no step sizes");
    log_A = c.has("in.A_log");
    if (!minimal) parameters.A = c.tensor<Scalar, 1>(log_A ? "in.A_log" : "in.A");
    parameters.dt_bias = c.optional<Scalar, 1>("in.dt_bias");
    const Index B = data.x.dimension(0), H = data.x.dimension(2), P = data.x.dimension(3);
    if (c.has("in.D")) {
      const auto D = c.elements("in.D");
      auto& to = parameters.D.emplace(H, Index(D.size()) == H * P ? P : 1);
      if (Index(D.size()) != to.size()) c.fail("\"in.D\" does not match x");
      std::copy(D.begin(), D.end(), to.data());
    }
    softplus = c.flag("dt_softplus", c.flag("delta_softplus", true));
    limits = c.numbers("dt_limit", {0, std::numeric_limits<double>::infinity()});
    if (limits.size() != 2) c.fail("dt_limit must be two numbers");
    if (c.has("in.cu_seqlens")) cu_seqlens = c.integers("in.cu_seqlens");
    const Index N = cu_seqlens.empty() ? B : Index(cu_seqlens.size()) - 1;
    const auto state = read.initial_state("in.");
    parameters.state = state ? *state : zeros<Scalar>(Shape<4>{N, H, data.B.dimension(3), P});
  }

  bool has_cotangents() const {
    return !one_of(c, "cot.", {"y", "Y", "final_state", "final_states", "ht"}).empty();
  }
  /// Ten times the limit for a chunked form in float on a stress case.
  double limit(bool gradient, bool chunked) const {
    const bool relaxed = chunked && c.stress() && std::is_same_v<Scalar, float>;
    return c.limit<Scalar>(gradient) * (relaxed ? 10 : 1);
  }

  void check(Report& report, const std::string& form, const Tensor<Scalar, 4>& y,
             const Tensor<Scalar, 4>& state, double limit_) const {
    const Reader<double> read{c};
    if (const auto expected = read.y("out.")) report.add(form, "y", y, *expected, limit_);
    if (const auto expected = read.final_state("out."))
      report.add(form, "state", state, *expected, limit_);
    if (const auto all = read.all_states()) {
      const Tensor<double, 4> last = all->chip(all->dimension(0) - 1, 0);
      report.add(form, "state", state, last, limit_);
    }
  }
};

/// One form of the decay kernel between the kernels of the step sizes, the skip and the gate.
template <class Scalar, class Kernel>
void check_form(const Problem<Scalar>& p, const std::string& form, bool chunked,
                const Kernel& kernel, Report& report) {
  const auto& d = p.data;
  Tensor<Scalar, 4> v = d.x, y = d.x, state = p.parameters.state;
  Tensor<Scalar, 3> g;
  if (d.gate) {
    g = *d.gate;
  } else {
    ssd::Inputs<Scalar> in{.x = d.x, .dt = *d.dt, .A = *p.parameters.A};
    if (p.parameters.dt_bias) in.dt_bias = *p.parameters.dt_bias;
    in.log_A = p.log_A, in.softplus = p.softplus;
    in.dt_min = Scalar(p.limits[0]), in.dt_max = Scalar(p.limits[1]);
    g = *d.dt;
    ssd::discretise(in, v, g);
  }
  y.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
  gla::Inputs<Scalar> in{.q = d.C, .k = d.B, .v = v, .g = g};
  in.cu_seqlens = p.cu_seqlens;
  kernel(in, Scalar(1), View<Scalar, 4>(state), View<Scalar, 4>(y));
  const View<const Scalar, 4> out(y);
  if (p.parameters.D) ssd::add_skip(out, d.x, *p.parameters.D, y);
  if (d.z) kernels::gated(kernels::Silu{}, View<const Scalar, 4>(*d.z), out, y);
  p.check(report, form, y, state, p.limit(false, chunked));
}

/// The operation on tokens [from, from + count) of a pass that has begun. Gradients go to `to`.
template <class Scalar>
Variable<Scalar, 4> apply(const Problem<Scalar>& p, Tape<Scalar>& tape, Parameters<Scalar>& w,
                          std::type_identity_t<Data<Scalar>*> to, Index from, Index count) {
  const auto input = [&]<int Rank>(const Tensor<Scalar, Rank>& x, Tensor<Scalar, Rank>* dx) {
    View<Scalar, Rank> gradient(nullptr, shape_of(x));
    if (dx != nullptr) gradient = *dx;
    return slice(tape.template input<Rank>(View<const Scalar, Rank>(x), gradient), 1, from, count);
  };
  const auto& d = p.data;
  const auto x = input(d.x, to ? &to->x : nullptr);
  const auto B = input(d.B, to ? &to->B : nullptr), C = input(d.C, to ? &to->C : nullptr);
  tape.pack(p.cu_seqlens);
  Variable<Scalar, 4> y;
  if (d.gate) {
    y = gated_linear_attention(C, B, x, input(*d.gate, to ? &*to->gate : nullptr), w.state,
                               {.scale = Scalar(1)});
  } else {
    StateSpaceDualityOptions<Scalar> options{.softplus = p.softplus, .log_A = p.log_A};
    options.dt_bias = w.dt_bias;
    options.dt_min = Scalar(p.limits[0]), options.dt_max = Scalar(p.limits[1]);
    y = state_space_duality(x, input(*d.dt, to ? &*to->dt : nullptr), *w.A, B, C, w.state, options);
  }
  if (w.D) y = add_skip(y, x, *w.D);
  if (d.z) y = gated_silu(input(*d.z, to ? &*to->z : nullptr), y);
  return y;
}

template <class Scalar>
void check_steps(const Problem<Scalar>& p, Report& report) {
  auto w = p.parameters;
  const auto states = Reader<double>{p.c}.all_states();
  Tensor<Scalar, 4> y(shape_of(p.data.x));
  Tape<Scalar> tape;
  for (Index t = 0; t < y.dimension(1); ++t) {
    tape.start();
    const auto one = apply(p, tape, w, nullptr, t, 1);
    for (Index b = 0; b < y.dimension(0); ++b)
      std::copy_n(one.value.row(b, 0, 0), y.dimension(2) * y.dimension(3), &y(b, t, 0, 0));
    if (!states) continue;
    const Tensor<double, 4> expected = states->chip(t, 0);
    report.add("op token by token", "state", w.state, expected, p.limit(false, false));
  }
  p.check(report, "op token by token", y, w.state, p.limit(false, false));
}

template <class Scalar>
void check_op(const Problem<Scalar>& p, Report& report) {
  const GoldenCase& c = p.c;
  const Reader<Scalar> read{c};
  auto w = p.parameters;
  auto dw = zeros_like(w);
  auto d = zeros_like(p.data);
  if (const auto cotangent = read.final_state("cot.")) dw.state = *cotangent;
  Tape<Scalar> tape;
  tape.start();
  if (p.has_cotangents()) tape.also_record(w, dw);
  const auto y = apply(p, tape, w, &d, 0, p.data.x.dimension(1));
  Tensor<Scalar, 4> out(y.shape());
  std::copy_n(y.value.data(), out.size(), out.data());
  p.check(report, "op", out, w.state, p.limit(false, true));
  if (!y.gradient) return;
  if (const auto dy = read.y("cot.")) std::copy_n(dy->data(), dy->size(), y.gradient.data());
  tape.backward();

  const double limit = p.limit(true, true);
  const auto check = [&](const std::string& name, const auto& got) {
    if (c.has("grad." + name))
      report.add("op backward", "d" + name, got, c.elements("grad." + name), limit);
  };
  check(p.data.gate ? "X" : "x", d.x), check("B", d.B), check("C", d.C);
  if (d.z) check("z", *d.z);
  if (d.dt) check("dt", *d.dt);
  if (d.gate) check("A", *d.gate);
  if (dw.A) check(p.log_A ? "A_log" : "A", *dw.A);
  if (dw.dt_bias) check("dt_bias", *dw.dt_bias);
  if (dw.D) check("D", *dw.D);
  if (const auto expected = Reader<double>{c}.initial_state("grad."))
    report.add("op backward", "dstate", dw.state, *expected, limit);
}

template <class Scalar>
void check_in(const GoldenCase& c, Report& report) {
  const Problem<Scalar> p(c);
  golden_gla::for_each_form(p.cu_seqlens.empty(),
                            [&](const std::string& form, bool chunked, const auto& kernel) {
                              check_form(p, form, chunked, kernel, report);
                            });
  if (p.cu_seqlens.empty()) check_steps(p, report);
  check_op(p, report);
}

/// All forms, in both precisions.
void check(const GoldenCase& c, Report& report) {
  check_in<double>(c, report);
  check_in<float>(c, report);
}

}  // namespace sluice::testing::golden_ssd
