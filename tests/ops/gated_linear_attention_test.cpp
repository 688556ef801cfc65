// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/tensor.hpp"

#include <sluice/core/fields.hpp>
#include <sluice/ops/normalised_linear_attention.hpp>
#include <sluice/ops/slice.hpp>

#include <cmath>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

using namespace sluice;
using testing::differences;
using testing::require_close;
using testing::uniform;

namespace {

// The rounding of the loss over the step of the differences.
constexpr double slope_tolerance = 1e-7;
constexpr double eps = 0.01;  // of the normaliser; large enough to be seen

enum class Op { per_channel, per_head, constant, none, normalised };

struct Case {
  std::string name;
  Op op;
  bool bonus = false;
  Index B = 2, T = 7, H = 2, HV = 4, K = 3, V = 5;
  std::vector<Index> cu_seqlens = {};

  Index sequences() const { return cu_seqlens.empty() ? B : Index(cu_seqlens.size()) - 1; }
};

const std::vector<Case> cases = {
    {"gate per channel", Op::per_channel},
    {"gate per channel, bonus", Op::per_channel, true},
    {"gate per channel, longer than a block", Op::per_channel, false, 1, 37, 1, 1, 2, 3},
    {"gate per channel, packed", Op::per_channel, false, 1, 9, 1, 2, 3, 5, {0, 4, 4, 9}},
    {"gate per channel, bonus, packed", Op::per_channel, true, 1, 9, 2, 2, 3, 5, {0, 1, 9}},
    {"gate per head", Op::per_head},
    {"gate per head, bonus", Op::per_head, true},
    {"gate per head, packed", Op::per_head, false, 1, 9, 1, 2, 3, 5, {0, 4, 9}},
    {"constant gate", Op::constant},
    {"constant gate, bonus, packed", Op::constant, true, 1, 9, 1, 2, 3, 5, {0, 4, 9}},
    {"no gate", Op::none},
    {"no gate, one token", Op::none, false, 1, 1, 1, 1, 1, 1},
    {"no gate, no token", Op::none, false, 2, 0, 1, 2, 3, 5},
    {"normalised", Op::normalised},
    {"normalised, longer than a block", Op::normalised, false, 1, 37, 1, 1, 2, 3},
    {"normalised, no token", Op::normalised, false, 2, 0, 1, 2, 3, 5}};

/// Found by the tape under their addresses.
struct Weights {
  Tensor<double, 1> log_decay;
  Tensor<double, 2> bonus;
  static constexpr auto fields() {
    return std::tuple{field("log_decay", &Weights::log_decay), field("bonus", &Weights::bonus)};
  }
};
struct States {
  Tensor<double, 4> memory, key_sum;
  static constexpr auto fields() {
    return std::tuple{field("memory", &States::memory), field("key_sum", &States::key_sum)};
  }
};

/// What a gradient can be taken by; or those gradients; or, of the states, their cotangents.
struct Operands {
  Tensor<double, 4> q, k, v, g;
  Tensor<double, 3> g_head;
  Weights weights;
  States states;

  explicit Operands(const Case& c)
      : q(uniform<double, 4>({c.B, c.T, c.H, c.K}, 0.1, 1, 1)),
        k(uniform<double, 4>({c.B, c.T, c.H, c.K}, 0.1, 1, 2)),
        v(uniform<double, 4>({c.B, c.T, c.HV, c.V}, -1, 1, 3)),
        g(uniform<double, 4>({c.B, c.T, c.HV, c.K}, -2, 0, 4)),
        g_head(uniform<double, 3>({c.B, c.T, c.HV}, -2, 0, 5)),
        weights{uniform<double, 1>({c.HV}, -2, 0, 6), uniform<double, 2>({c.HV, c.K}, -1, 1, 7)},
        states{uniform<double, 4>({c.sequences(), c.HV, c.K, c.V}, -1, 1, 8),
               uniform<double, 4>({c.B, 1, c.H, c.K}, 0.1, 1, 9)} {}

  static constexpr auto fields() {
    using O = Operands;
    return std::tuple{field("q", &O::q),           field("k", &O::k),
                      field("v", &O::v),           field("g", &O::g),
                      field("g_head", &O::g_head), field("weights", &O::weights),
                      field("states", &O::states)};
  }
};

/// The operation of the case on a pass that has begun. Gradients by the data go to `d`, if `only`
/// is empty or names them.
Variable<double, 4> apply(const Case& c, Tape<double>& tape, Operands& x, Operands* d = nullptr,
                          std::string_view only = "") {
  const auto input = [&](const char* name, auto member) {
    const auto& value = x.*member;
    constexpr int Rank = std::remove_cvref_t<decltype(value)>::NumDimensions;
    const bool wanted = d && (only.empty() || only == name);
    return tape.template input<Rank>(
        View<const double, Rank>(value),
        wanted ? View<double, Rank>(d->*member) : View<double, Rank>(nullptr, shape_of(value)));
  };
  const auto q = input("q", &Operands::q), k = input("k", &Operands::k);
  const auto v = input("v", &Operands::v);
  auto& memory = x.states.memory;
  GatedLinearAttentionOptions<double> options;
  options.scale = 0.7;
  if (c.bonus) options.bonus = x.weights.bonus;
  tape.pack(c.cu_seqlens);
  switch (c.op) {
    case Op::per_channel:
      return gated_linear_attention(q, k, v, input("g", &Operands::g), memory, options);
    case Op::per_head:
      return gated_linear_attention(q, k, v, input("g_head", &Operands::g_head), memory, options);
    case Op::constant:
      return retention(q, k, v, x.weights.log_decay, memory, options);
    case Op::none:
      return linear_attention(q, k, v, memory, options);
    case Op::normalised:
      break;
  }
  return normalised_linear_attention(q, k, v, memory, x.states.key_sum, {.scale = 0.7, .eps = eps});
}

double product(const Tensor<double, 4>& a, const double* b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += a.data()[i] * b[i];
  return sum;
}

/// Cotangents of the output and of the final states; the loss is their product with those.
struct Cotangents {
  Tensor<double, 4> o;
  States states;

  explicit Cotangents(const Operands& x)
      : o(uniform<double, 4>(shape_of(x.v), -1, 1, 20)),
        states{uniform<double, 4>(shape_of(x.states.memory), -1, 1, 21),
               uniform<double, 4>(shape_of(x.states.key_sum), -1, 1, 22)} {}

  double loss(const Case& c, Operands x) const {
    Tape<double> tape;
    tape.start();
    const auto y = apply(c, tape, x);
    return product(o, y.value.data()) + product(states.memory, x.states.memory.data()) +
           product(states.key_sum, x.states.key_sum.data());
  }

  /// Gradients by all operands, or by those of one name, added to 1; by the states, in place.
  Operands gradient(const Case& c, Operands x, std::string_view only = "") const {
    Operands d = x;
    for_each_tensor([](std::string_view, auto& t) { t.setConstant(1); }, d);
    d.states = states;
    Tape<double> tape;
    struct Nothing {
      static constexpr auto fields() { return std::tuple{}; }
    } nothing;
    tape.record(std::as_const(nothing), nothing);
    if (only.empty() || only == "weights") tape.also_record(x.weights, d.weights);
    if (only.empty() || only == "states") tape.also_record(x.states, d.states);
    const auto y = apply(c, tape, x, &d, only);
    if (y.gradient)
      for (Index i = 0; i < o.size(); ++i) y.gradient.data()[i] += o.data()[i];
    tape.backward();
    return d;
  }
};

}  // namespace

TEST_CASE("gradients of attention with every gate are its differences", "[gla][op][gradient]") {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Operands x(c);
    const Cotangents cotangents(x);
    const Operands gradient = cotangents.gradient(c, x);
    Operands slope = x;
    for_each_tensor(
        [&](std::string_view name, auto& t, auto& s, const auto& d) {
          s = differences(t, [&] { return cotangents.loss(c, x); });
          if (name.substr(0, 6) != "states") s = s + s.constant(1);  // what was there is added to
          require_close(std::string(name), s, d, slope_tolerance);
        },
        x, slope, gradient);
  }
}

TEST_CASE("a gradient is the same when no other is wanted", "[gla][op][gradient]") {
  for (const Case& c : cases) {
    const Operands x(c);
    Cotangents cotangents(x);
    set_zero(cotangents.states);  // they would reach the others only where states are wanted
    const Operands all = cotangents.gradient(c, x);
    for (const std::string only : {"q", "k", "v", "g", "g_head", "weights", "states"}) {
      CAPTURE(c.name, only);
      const Operands alone = cotangents.gradient(c, x, only);
      for_each_tensor(
          [&](std::string_view name, const auto& expected, const auto& got) {
            if (name.substr(0, only.size()) == only && (only != "g" || name == "g"))
              require_close(std::string(name), expected, got, 1e-14);
          },
          all, alone);
    }
  }
}

TEST_CASE("constants cost no gradient memory", "[gla][op]") {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Operands x(c);
    const auto used = [&](bool recording) {
      Tape<double> tape;
      Weights other{Tensor<double, 1>(1), Tensor<double, 2>(1, 1)}, d = other;
      tape.start();
      if (recording) tape.also_record(other, d);
      const auto y = apply(c, tape, x);
      CHECK(!y.gradient);
      return tape.workspace().arena->mark().used;
    };
    CHECK(used(true) == used(false));
  }
}

TEST_CASE("states advance, and two halves make a whole", "[gla][op][law]") {
  for (const Case& c : cases) {
    if (!c.cu_seqlens.empty()) continue;
    CAPTURE(c.name);
    const Operands x(c);
    Operands whole = x, halves = x;
    Tape<double> tape, parts;
    tape.start();
    const auto y = apply(c, tape, whole);
    Tensor<double, 4> expected(y.shape()), got(y.shape());
    std::copy_n(y.value.data(), expected.size(), expected.data());
    for (const auto& [from, to] : {std::pair<Index, Index>{0, c.T / 3}, {c.T / 3, c.T}}) {
      for (const auto part : {&Operands::q, &Operands::k, &Operands::v, &Operands::g})
        halves.*part = testing::slice_tokens(x.*part, from, to);
      halves.g_head = testing::slice_tokens(x.g_head, from, to);
      parts.start();
      const auto o = apply(c, parts, halves).value;
      for (Index b = 0; b < c.B; ++b)
        if (to > from) std::copy_n(o.row(b, 0, 0), (to - from) * c.HV * c.V, &got(b, from, 0, 0));
    }
    require_close("o", expected, got, 1e-13);
    require_close("memory", whole.states.memory, halves.states.memory, 1e-13);
    require_close("key_sum", whole.states.key_sum, halves.states.key_sum, 1e-13);
    if (c.T > 0) CHECK(testing::relative_error(x.states.memory, whole.states.memory) > 0.01);
  }
}

TEST_CASE("normalised weights average the values", "[gla][op]") {
  Case c{"", Op::normalised};
  Operands x(c);
  x.states.memory.setZero(), x.states.key_sum.setZero();
  x.v.setConstant(3);
  Tape<double> tape;
  tape.start();
  const auto v = tape.input(View<const double, 4>(x.v));
  const auto y = normalised_linear_attention(tape.input(View<const double, 4>(x.q)),
                                             tape.input(View<const double, 4>(x.k)), v,
                                             x.states.memory, x.states.key_sum);
  Tensor<double, 4> o(y.shape());
  std::copy_n(y.value.data(), o.size(), o.data());
  require_close("o", x.v, o, 1e-9);  // eps is 1e-10, weights are about 1
}

TEST_CASE("queries are scaled by 1 / sqrt(K) unless the caller says otherwise", "[gla][op]") {
  for (const Index K : {1, 3, 16}) {
    CAPTURE(K);
    const Case c{"", Op::none, false, 2, 7, 2, 4, K};
    Operands x(c), same = x;
    Tape<double> tape;
    tape.start();
    const auto input = [&](const Tensor<double, 4>& t) { return tape.input(t); };
    const auto q = input(x.q), k = input(x.k), v = input(x.v);
    const auto usual = linear_attention(q, k, v, x.states.memory).value;
    const auto given =
        linear_attention(q, k, v, same.states.memory, {.scale = 1 / std::sqrt(double(K))}).value;
    for (Index i = 0; i < usual.size(); ++i) CHECK(usual.data()[i] == given.data()[i]);
    Tensor<double, 4> sums = uniform<double, 4>({2, 1, 2, K}, 0.1, 1, 9), memory(2, 2, K, 5);
    memory.setConstant(1);
    auto other_sums = sums, other_memory = memory;
    const auto values = slice(v, 2, 0, 2);  // as many heads as q has
    const auto a =
        normalised_linear_attention(q, k, values, memory, sums, {.scale = {}, .eps = eps}).value;
    const auto b = normalised_linear_attention(q, k, values, other_memory, other_sums,
                                               {.scale = 1 / std::sqrt(double(K)), .eps = eps})
                       .value;
    for (Index i = 0; i < a.size(); ++i) CHECK(a.data()[i] == b.data()[i]);
  }
}

TEST_CASE("a warm operation allocates nothing", "[gla][op]") {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Operands x(c);
    Tape<double> tape;
    const auto pass = [&] {
      tape.start();
      apply(c, tape, x);
    };
    pass(), pass();
    const long before = testing::allocations();
    pass();
    CHECK(testing::allocations() == before);
  }
}

TEST_CASE("arguments that do not agree are named, and no state is touched", "[gla][op][error]") {
  const auto error = [](const Case& c, auto&& spoil, bool recording) -> std::string {
    Operands x(c);
    spoil(x);
    const States before = x.states;
    auto d = zeros_like(x);
    Tape<double> tape;
    tape.start();
    if (recording) tape.also_record(x.weights, d.weights), tape.also_record(x.states, d.states);
    try {
      apply(c, tape, x, &d);
    } catch (const std::invalid_argument& e) {
      require_close("memory", before.memory, x.states.memory, 0);
      require_close("key_sum", before.key_sum, x.states.key_sum, 0);
      const std::string text = e.what();
      CHECK(text.substr(0, text.find(": ")) ==
            (c.op == Op::normalised ? "normalised_linear_attention" : "gated_linear_attention"));
      return text.substr(text.find(": ") + 2);
    }
    return "";
  };
  const auto longer = [](auto& t, int axis) {
    auto shape = t.dimensions();
    ++shape[std::size_t(axis)];
    t.resize(shape), t.setZero();
  };
  for (const bool recording : {false, true}) {
    CAPTURE(recording);
    const Case channel{"", Op::per_channel}, bonus{"", Op::per_channel, true};
    const Case head{"", Op::per_head}, constant{"", Op::constant}, norm{"", Op::normalised};
    CHECK(error(
              channel, [&](Operands& x) { longer(x.k, 1); }, recording) ==
          "k must be [2, 7, 2, 3] to match q, got [2, 8, 2, 3]");
    CHECK(error(
              channel, [&](Operands& x) { longer(x.g, 3); }, recording) ==
          "g must be [2, 7, 4, 3] to match k and the heads of v, got [2, 7, 4, 4]");
    CHECK(error(
              channel, [&](Operands& x) { longer(x.v, 2), longer(x.g, 2); }, recording) ==
          "the heads of v must be a multiple of the 2 heads of q, got 5");
    CHECK(error(
              channel, [&](Operands& x) { longer(x.states.memory, 3); }, recording) ==
          "state must be [2, 4, 3, 5] to match k and v, got [2, 4, 3, 6]");
    CHECK(error(
              head, [&](Operands& x) { longer(x.g_head, 0); }, recording) ==
          "g must be [2, 7, 4, 1] to match v, got [3, 7, 4, 1]");
    CHECK(error(
              constant, [&](Operands& x) { longer(x.weights.log_decay, 0); }, recording) ==
          "g must be [1, 1, 4, 1] to match the heads of v, got [1, 1, 5, 1]");
    CHECK(error(
              bonus, [&](Operands& x) { longer(x.weights.bonus, 1); }, recording) ==
          "u must be [4, 3] to match k and the heads of v, got [4, 4]");
    CHECK(error(
              norm, [&](Operands& x) { longer(x.states.key_sum, 1); }, recording) ==
          "key_sum must be [2, 1, 2, 3] to match q, got [2, 2, 2, 3]");
    CHECK(error(
              {"", Op::normalised, false, 1, 7, 1, 1, 1, 1, {0, 5}}, [](Operands&) {}, recording) ==
          "cu_seqlens must be from 0 to T = 7, got 0 to 5");
    CHECK(error(
              {"", Op::none, false, 2, 7, 1, 1, 1, 1, {0, 7}}, [](Operands&) {}, recording) ==
          "cu_seqlens must be used with a batch of 1, got a batch of 2");
    CHECK(error(
              {"", Op::none, false, 1, 7, 1, 1, 1, 1, {0, 5}}, [](Operands&) {}, recording) ==
          "cu_seqlens must be from 0 to T = 7, got 0 to 5");
    CHECK(error(
              {"", Op::none, false, 1, 7, 1, 1, 1, 1, {0, 5, 3, 7}}, [](Operands&) {}, recording) ==
          "cu_seqlens must be non-decreasing, got 5 before 3");
    CHECK(error(
              {"", Op::none, false, 1, 7, 1, 1, 1, 1, {0, -2, 7}}, [](Operands&) {}, recording) ==
          "cu_seqlens must be non-decreasing, got 0 before -2");
    CHECK(error(
              {"", Op::none, false, 1, 7, 1, 1, 1, 1, {1, 7}}, [](Operands&) {}, recording) ==
          "cu_seqlens must be from 0 to T = 7, got 1 to 7");
  }
}
