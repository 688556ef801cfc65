// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/ops/arithmetic.hpp>
#include <sluice/ops/poles.hpp>
#include <sluice/ops/selective_scan.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace sluice;
using testing::differences;
using testing::require_close;
using testing::uniform;

namespace {

/// Found by the tape under their addresses.
struct Parameters {
  Tensor<double, 1> skip, dt_bias;
  static constexpr auto fields() {
    return std::tuple{field("skip", &Parameters::skip), field("dt_bias", &Parameters::dt_bias)};
  }
};
struct State {
  Tensor<double, 3> memory;
  static constexpr auto fields() { return std::tuple{field("memory", &State::memory)}; }
};
struct FlatState {
  Tensor<double, 2> memory;
  static constexpr auto fields() { return std::tuple{field("memory", &FlatState::memory)}; }
};

struct Poles {
  Tensor<double, 2> A_log;  // [channels, states]
  static constexpr auto fields() { return std::tuple{field("A_log", &Poles::A_log)}; }
};

constexpr Index channels = 6, states = 4, groups = 2;

Parameters parameters() {
  return {uniform<double, 1>({channels}, -1, 1, 1), uniform<double, 1>({channels}, -1, 1, 2)};
}

struct Case {
  std::string name;
  Index batch = 2, T = 5;
  bool complex = false;
  double dt_min = -HUGE_VAL, dt_max = HUGE_VAL;
  std::vector<Index> cu_seqlens = {};

  Index sequences() const { return cu_seqlens.empty() ? batch : Index(cu_seqlens.size()) - 1; }
  Tensor<double, 3> stream(unsigned seed) const {
    return uniform<double, 3>({batch, T, channels}, -1, 1, seed);
  }
  Tensor<double, 4> by_token(unsigned seed) const {
    return uniform<double, 4>({batch, T, groups, states}, -1, 1, seed);
  }
  Tensor<double, 2> matrix(double low, double high, unsigned seed) const {
    return uniform<double, 2>({states, channels}, low, high, seed);
  }
  Tensor<double, 3> state() const {
    return uniform<double, 3>({sequences(), states, channels}, -1, 1, 9);
  }
  SelectiveScanOptions<double> options(const Parameters& p) const {
    SelectiveScanOptions<double> o{.skip = p.skip, .dt_bias = p.dt_bias, .softplus = true};
    o.complex = complex, o.dt_min = dt_min, o.dt_max = dt_max;
    return o;
  }
};

const std::vector<Case> cases = {{"plain"},
                                 {"longer than a block", 1, 19},
                                 {"complex poles", 2, 5, true},
                                 {"limits of dt", 2, 5, false, 0.4, 0.9},
                                 {"packed", 1, 9, false, -HUGE_VAL, HUGE_VAL, {0, 4, 4, 9}},
                                 {"one token", 1, 1},
                                 {"no token", 2, 0}};

}  // namespace

TEST_CASE("gradients of the selective scan are its differences", "[ssm][op][gradient]") {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto memory = c.state();
    const auto scan = [&](const Parameters& p, auto x, auto dt, auto A, auto B, auto C, auto z) {
      auto state = memory;
      auto options = c.options(p);
      options.z = z;
      x.tape->pack(c.cu_seqlens);
      return selective_scan(x, dt, A, B, C, state, options);
    };
    const testing::GradientCheck check;
    check(parameters(), scan, c.stream(3), c.stream(4), c.matrix(-2, 0, 5), c.by_token(6),
          c.by_token(7), c.stream(8));
    check(parameters(), scan, c.stream(3), c.stream(4), c.matrix(-2, 0, 5), c.matrix(-1, 1, 6),
          c.matrix(-1, 1, 7), c.stream(8));
  }
}

TEST_CASE("gradients of the gated recurrence are its differences", "[ssm][op][gradient]") {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto memory = uniform<double, 2>({c.sequences(), channels}, -1, 1, 9);
    testing::check_gradients(
        [&](auto x, auto g) {
          auto state = memory;
          x.tape->pack(c.cu_seqlens);
          return gated_recurrence(x, g, state);
        },
        c.stream(3), uniform<double, 3>({c.batch, c.T, channels}, -2, 0, 4));
  }
}

TEST_CASE("the gradient by the final state becomes that by the initial one",
          "[ssm][op][gradient]") {
  const auto product = [](const auto& a, const double* b) {
    double sum = 0;
    for (Index i = 0; i < a.size(); ++i) sum += a.data()[i] * b[i];
    return sum;
  };
  const auto view = [](const auto& t) {
    return View<const double, std::remove_cvref_t<decltype(t)>::NumDimensions>(t);
  };
  // `apply(tape, state)` is the operation on a state, y [batch, T, channels] its result.
  const auto check = [&](auto state, const auto& apply, const Tensor<double, 3>& dy) {
    auto d = state;
    d.memory = uniform<double, std::remove_cvref_t<decltype(d.memory)>::NumDimensions>(
        shape_of(d.memory), -1, 1, 21);
    const auto cotangent = d.memory;
    const auto loss = [&] {
      Tape<double> tape;
      auto now = state;
      tape.start();
      const double read = product(dy, apply(tape, now).value.data());
      return read + product(cotangent, now.memory.data());
    };
    auto slope = differences(state.memory, loss);
    Tape<double> tape;
    auto now = state;
    tape.start();
    tape.also_record(now, d);
    const auto y = apply(tape, now);
    std::copy_n(dy.data(), dy.size(), y.gradient.data());
    tape.backward();
    require_close("state", slope, d.memory, 1e-7);
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto p = parameters();
    const auto x = c.stream(3), dt = c.stream(4), dy = c.stream(20);
    const auto A = c.matrix(-2, 0, 5);
    const auto B = c.by_token(6), C = c.by_token(7);
    check(
        State{c.state()},
        [&](Tape<double>& tape, State& s) {
          tape.pack(c.cu_seqlens);
          return selective_scan(tape.input(view(x)), tape.input(view(dt)), tape.input(view(A)),
                                tape.input(view(B)), tape.input(view(C)), s.memory, c.options(p));
        },
        dy);
    check(
        FlatState{uniform<double, 2>({c.sequences(), channels}, -1, 1, 9)},
        [&](Tape<double>& tape, FlatState& s) {
          tape.pack(c.cu_seqlens);
          return gated_recurrence(tape.input(view(x)), tape.input(view(A.size() ? dt : x)),
                                  s.memory);
        },
        dy);
  }
}

TEST_CASE("the selective scan equals its recurrence", "[ssm][op]") {
  for (const Case& c : cases) {
    if (c.complex) continue;  // the kernel's test has those
    for (const bool plain : {false, true}) {
      CAPTURE(c.name, plain);
      const auto p = parameters();
      const auto x = c.stream(3), z = c.stream(8);
      auto dt = c.stream(4);
      if (plain)  // steps as they are
        for (Index i = 0; i < dt.size(); ++i) dt.data()[i] += 1;
      const auto A = c.matrix(-2, 0, 5);
      const auto B = c.by_token(6), C = c.by_token(7);
      auto state = c.state(), h = state;
      Tape<double> tape;
      tape.start();
      tape.pack(c.cu_seqlens);
      auto options = plain ? SelectiveScanOptions<double>{} : c.options(p);
      if (!plain) options.z = tape.input(z);
      const auto y = selective_scan(tape.input(x), tape.input(dt), tape.input(A), tape.input(B),
                                    tape.input(C), state, options)
                         .value;
      Index n = 0;
      for (Index b = 0; b < c.batch; ++b)
        for (Index t = 0; t < c.T; ++t) {
          if (c.cu_seqlens.empty())
            n = b;
          else
            while (t >= c.cu_seqlens[std::size_t(n + 1)]) ++n;
          for (Index d = 0; d < channels; ++d) {
            double step = dt(b, t, d), sum = 0;
            if (!plain)
              step = std::clamp(std::log1p(std::exp(step + p.dt_bias(d))), c.dt_min, c.dt_max);
            const Index group = d / (channels / groups);
            for (Index s = 0; s < states; ++s) {
              double& memory = h(n, s, d);
              memory = std::exp(step * A(s, d)) * memory + step * B(b, t, group, s) * x(b, t, d);
              sum += C(b, t, group, s) * memory;
            }
            if (!plain)
              sum = (sum + p.skip(d) * x(b, t, d)) * z(b, t, d) / (1 + std::exp(-z(b, t, d)));
            CHECK(std::abs(y(b, t, d) - sum) < 1e-13);  // some 100 roundings of 1
          }
        }
      require_close("state", h, state, 1e-13);
    }
  }
}

TEST_CASE("negative poles: values, sizes and gradients", "[ssm][op][gradient]") {
  for (const auto& size : {std::pair<Index, Index>{6, 4}, {3, 17}, {19, 1}, {1, 5}, {0, 3}}) {
    const Index D = size.first, N = size.second;
    CAPTURE(D, N);
    Poles p{uniform<double, 2>({D, N}, -2, 2, 1)}, dp = zeros_like(p);
    Tape<double> tape;
    const auto check = [&] {
      const auto A = negative_poles(tape, p.A_log);
      REQUIRE(A.shape() == Shape<2>{N, D});
      for (Index n = 0; n < N; ++n)
        for (Index d = 0; d < D; ++d) {
          const double expected = -std::exp(p.A_log(d, n));
          CHECK(std::abs(A.value(n, d) - expected) <= 1e-14 * -expected);
        }
      return A;
    };
    tape.start();
    CHECK(!check().gradient);
    p.A_log = uniform<double, 2>({D, N}, -2, 2, 2);  // a pass begins with what is there now
    tape.start();
    CHECK(!check().gradient);
    tape.record(p, dp);
    CHECK(bool(check().gradient) == (D > 0));
    testing::check_gradients(
        p,
        [](const Poles& poles, const auto& x) { return negative_poles(*x.tape, poles.A_log) * x; },
        uniform<double, 2>({N, D}, -1, 1, 3));
  }
}

TEST_CASE("states advance, and two halves make a whole", "[ssm][op][law]") {
  const Case c{"", 2, 19};
  const auto p = parameters();
  const auto x = c.stream(3), dt = c.stream(4);
  const auto A = c.matrix(-2, 0, 5), C = c.matrix(-1, 1, 7);
  const auto B = c.by_token(6);
  const auto part = [&](Index from, Index to, Tensor<double, 3>& state) {
    Tape<double> tape;
    tape.start();
    const auto piece = [&](const auto& t) {
      return slice(View<const double, std::remove_cvref_t<decltype(t)>::NumDimensions>(t), 1, from,
                   to - from);
    };
    const auto y = selective_scan(tape.input(piece(x)), tape.input(piece(dt)),
                                  tape.input(View<const double, 2>(A)), tape.input(piece(B)),
                                  tape.input(View<const double, 2>(C)), state, c.options(p));
    Tensor<double, 3> out(y.shape());
    std::copy_n(y.value.data(), out.size(), out.data());
    return out;
  };
  auto whole = c.state(), halves = c.state();
  const auto y = part(0, 19, whole);
  require_close("first", testing::slice_tokens(y, 0, 8), part(0, 8, halves), 1e-14);
  require_close("second", testing::slice_tokens(y, 8, 19), part(8, 19, halves), 1e-14);
  require_close("state", whole, halves, 1e-14);
  CHECK(testing::relative_error(c.state(), whole) > 0.01);
}

TEST_CASE("constants cost no gradient memory, and a warm operation allocates nothing",
          "[ssm][op]") {
  const Case c{"", 2, 19};
  const auto p = parameters();
  const auto x = c.stream(3), dt = c.stream(4);
  const auto A = c.matrix(-2, 0, 5), B = c.matrix(-1, 1, 6);
  auto state = c.state();
  Tape<double> tape;
  const auto pass = [&](bool recording) {
    Parameters other = parameters(), d = other;
    tape.start();
    if (recording) tape.also_record(other, d);
    const auto input = [&](const auto& t) {
      return tape.input(View<const double, std::remove_cvref_t<decltype(t)>::NumDimensions>(t));
    };
    const auto y =
        selective_scan(input(x), input(dt), input(A), input(B), input(B), state, c.options(p));
    CHECK(!y.gradient);
    return tape.workspace().arena->mark().used;
  };
  CHECK(pass(true) == pass(false));
  const auto warm = [&] {
    tape.start();
    selective_scan(tape.input(View<const double, 3>(x)), tape.input(View<const double, 3>(dt)),
                   tape.input(View<const double, 2>(A)), tape.input(View<const double, 2>(B)),
                   tape.input(View<const double, 2>(B)), state, c.options(p));
  };
  warm();
  const long before = testing::allocations();
  warm();
  CHECK(testing::allocations() == before);
}

TEST_CASE("arguments that do not agree are named, and no state is touched", "[ssm][op][error]") {
  const Case c{"", 2, 5};
  for (const bool recording : {false, true}) {
    CAPTURE(recording);
    auto p = parameters(), d = p;
    const auto x = c.stream(3);
    const auto A = c.matrix(-2, 0, 5);
    const auto B = uniform<double, 4>({2, 5, 4, states}, -1, 1, 6);  // 4 does not divide 6
    auto state = c.state();
    Tape<double> tape;
    tape.start();
    if (recording) tape.also_record(p, d);
    const auto stream = tape.input(View<const double, 3>(x));
    const auto coupling = tape.input(View<const double, 4>(B));
    const auto text = [&] {
      try {
        selective_scan(stream, stream, tape.input(View<const double, 2>(A)), coupling, coupling,
                       state, c.options(p));
      } catch (const std::invalid_argument& e) {
        return std::string(e.what());
      }
      return std::string();
    }();
    CHECK(text == "selective_scan: channels must be a multiple of the 4 groups, got 6");
    require_close("state", c.state(), state, 0);
  }
}
