// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/ssm_problem.hpp"

#include <sluice/parallel/thread_team.hpp>

#include <limits>
#include <string>

using namespace sluice;
using namespace sluice::testing;
using ssm::CouplingKind;

namespace {

// Nothing divides a vector width, a block or a chunk; every option meets every other somewhere.
const SsmCase cases[] = {
    {1, 1, 1, 1, 1},
    {2, 17, 19, 5, 1},
    {1, 67, 38, 16, 2},
    {2, 40, 9, 21, 3},
    {1, 39, 300, 2, 1},
    {2, 0, 4, 3, 1},
    {1, 33, 7, 3, 1, CouplingKind::channel, CouplingKind::channel},
    {1, 19, 21, 6, 3, CouplingKind::token, CouplingKind::channel},
    {1, 19, 21, 6, 3, CouplingKind::one, CouplingKind::token},
    {1, 34, 35, 6, 1, CouplingKind::token, CouplingKind::token, true},
    {2, 18, 9, 5, 1, CouplingKind::channel, CouplingKind::one, true},
    {1, 18, 6, 5, 2, CouplingKind::channel, CouplingKind::token, true},
    gated_recurrence_case(2, 70, 37, 1),
};

// Relative to the largest entry: some roundings of a sum of up to 21 states. A turn by an angle of
// some ten, of a step or of a whole chunk, is wrong by the rounding of that angle.
template <class Scalar>
double tolerance(const SsmCase& c) {
  return (std::is_same_v<Scalar, double> ? 1e-14 : 2e-6) * (c.complex ? 3 : 1);
}

#define CAPTURE_CASE(c)                                                                          \
  CAPTURE(c.batch, c.T, c.channels, c.states, c.groups, int(c.B), int(c.C), c.complex, c.around, \
          c.dt_scales_x, c.strongest)

}  // namespace

TEMPLATE_TEST_CASE("every form equals the definition", "[ssm][law]", float, double) {
  for (SsmCase c : cases)
    for (const double strongest : {0., 1e-8, 0.1, 1., 8., 80., 1e4})
      for (const bool around : {false, true}) {
        c.strongest = strongest;
        c.around = around && c.poles;
        if (around) c.dt_min = 0.1, c.dt_max = 1.5;
        if (around && !c.poles) c.dt_min = -0.5, c.dt_max = -0.1;
        const auto o = operands<TestType>(c);
        const auto expected = truth(c, o);
        for (const SsmForm& form : ssm_forms) {
          CAPTURE_CASE(c);
          CAPTURE(form.name, form.chunk_size);
          const auto got = run(c, o, form);
          REQUIRE(largest_error(expected.y, got.y) <= tolerance<TestType>(c));
          REQUIRE(largest_error(expected.state, got.state) <= tolerance<TestType>(c));
        }
      }
}

TEMPLATE_TEST_CASE("two parts make a whole, and the form may change between them", "[ssm][law]",
                   float, double) {
  for (const bool complex : {false, true}) {
    SsmCase c{2, 37, 19, 5, 1};
    c.complex = complex;
    const auto o = operands<TestType>(c);
    const auto at_once = run(c, o, SsmForm{"chunkwise", 1000});
    for (Index cut = 0; cut <= c.T; ++cut)
      for (std::size_t i = 0; i < ssm_forms.size(); ++i) {
        CAPTURE(cut, i, complex);
        const auto [early, head] = tokens(c, o, 0, cut, o.state);
        const auto first = run(early, head, ssm_forms[i]);
        const auto [late, rest] = tokens(c, o, cut, c.T, first.state);
        const auto second = run(late, rest, ssm_forms[(i + std::size_t(cut)) % ssm_forms.size()]);
        REQUIRE(largest_error(slice_tokens(at_once.y, 0, cut), first.y) <= tolerance<TestType>(c));
        REQUIRE(largest_error(slice_tokens(at_once.y, cut, c.T), second.y) <=
                tolerance<TestType>(c));
        REQUIRE(largest_error(at_once.state, second.state) <= tolerance<TestType>(c));
      }
  }
}

TEMPLATE_TEST_CASE("the forward pass is a stream of steps, to the bit", "[ssm][law]", float,
                   double) {
  for (const SsmCase& c : cases) {
    CAPTURE_CASE(c);
    const auto o = operands<TestType>(c);
    const auto whole = run(c, o, SsmForm{"forward"});
    REQUIRE(same_bits(whole.y, run(c, o, SsmForm{"recurrent"}).y));
    auto state = o.state;
    for (Index t = 0; t < c.T; ++t) {
      const auto [one, token] = tokens(c, o, t, t + 1, state);
      Tensor<TestType, 3> y(c.batch, 1, c.channels);
      ssm::step(inputs(one, token), View<TestType, 3>(state), y);
      REQUIRE(same_bits(y, slice_tokens(whole.y, t, t + 1)));
    }
    REQUIRE(same_bits(state, whole.state));
  }
}

TEMPLATE_TEST_CASE("packed sequences equal separate ones", "[ssm][law]", float, double) {
  SsmCase packed{1, 67, 21, 5, 1};
  packed.cu_seqlens = {0, 5, 5, 38, 39, 67};
  const auto o = operands<TestType>(packed);
  for (const SsmForm& form : ssm_forms) {
    const auto all = run(packed, o, form);
    for (Index n = 0; n < packed.sequences(); ++n) {
      CAPTURE(form.name, form.chunk_size, n);
      const Index from = packed.cu_seqlens[std::size_t(n)];
      const Index to = packed.cu_seqlens[std::size_t(n) + 1];
      const auto take = [&](const Tensor<TestType, 3>& x) {
        Tensor<TestType, 3> one(1, packed.states, packed.channels);
        std::copy_n(x.data() + n * one.size(), one.size(), one.data());
        return one;
      };
      auto [c, part] = tokens(packed, o, from, to, take(o.state));
      c.cu_seqlens.clear();
      const auto alone = run(c, part, form);
      REQUIRE(largest_error(alone.y, slice_tokens(all.y, from, to)) <= tolerance<TestType>(c));
      REQUIRE(largest_error(alone.state, take(all.state)) <= tolerance<TestType>(c));
    }
  }
}

TEST_CASE("a later token changes no bit of what came before", "[ssm][law]") {
  const SsmCase c{1, 61, 19, 5, 1};
  for (const SsmForm& form : ssm_forms)
    for (const Index changed : {0, 1, 15, 16, 32, 60}) {
      CAPTURE(form.name, form.chunk_size, changed);
      auto o = operands<float>(c);
      const auto before = run(c, o, form);
      for (Index d = 0; d < c.channels; ++d) o.x(0, changed, d) = 9, o.dt(0, changed, d) = 5;
      for (Index n = 0; n < c.states; ++n) o.B(0, changed, 0, n) = 7, o.C(0, changed, 0, n) = -7;
      const auto after = run(c, o, form);
      REQUIRE(same_bits(slice_tokens(before.y, 0, changed), slice_tokens(after.y, 0, changed)));
      REQUIRE(!same_bits(before.y, after.y));
    }
}

TEST_CASE("the number of threads changes no bit", "[ssm][law]") {
  ThreadTeam three(3), seven(7);
  SsmCase packed{1, 131, 300, 4, 1};
  packed.cu_seqlens = {0, 40, 131};
  SsmCase constant{2, 90, 70, 3, 1, CouplingKind::channel, CouplingKind::channel, true};
  for (const SsmCase& c : {SsmCase{2, 131, 1100, 4, 2}, SsmCase{1, 1100, 20, 4, 1}, packed,
                           constant, gated_recurrence_case(1, 1300, 19, 1)}) {
    CAPTURE_CASE(c);
    const auto o = operands<float>(c);
    const auto dout = uniform<float, 3>(shape_of(o.x), -1, 1, 21);
    const auto dstate = uniform<float, 3>(shape_of(o.state), -1, 1, 22);
    const auto with = [&](Executor executor) {
      const auto forward = run(
          c, o, [&](const auto& in, auto state, auto y) { ssm::forward(in, state, y, executor); });
      const auto chunked = run(c, o, [&](const auto& in, auto state, auto y) {
        ssm::chunkwise(in, 32, state, y, executor);
      });
      return std::tuple{forward, chunked, gradients(c, o, dout, dstate, executor)};
    };
    const auto [forward, chunked, gradient] = with({});
    for (const Executor executor : {Executor(three), Executor(seven)}) {
      const auto [f, k, g] = with(executor);
      REQUIRE(same_bits(forward.y, f.y));
      REQUIRE(same_bits(forward.state, f.state));
      REQUIRE(same_bits(chunked.y, k.y));
      REQUIRE(same_bits(chunked.state, k.state));
      for_each_tensor(
          [](std::string_view name, const auto& a, const auto& b) {
            CAPTURE(name);
            REQUIRE(same_bits(a, b));
          },
          gradient, g);
    }
  }
}

TEST_CASE("the error does not grow with time", "[ssm]") {
  for (const bool complex : {false, true})
    for (const double strongest : {1e-3, 0.1, 1., 30.}) {
      // Thousands of remembered turns add up to an angle that float cannot hold.
      if (complex && strongest < 0.1) continue;
      SsmCase c{1, 5000, 9, 4, 1};
      c.complex = complex, c.strongest = strongest;
      const auto o = operands<float>(c);
      const auto exact = truth(c, o);
      // A turn of up to 4 is rounded at every step, and remembered for 1 / (dt |A|) steps.
      const double limit = complex ? 1e-4 : 4e-6;
      for (const SsmForm& form : {SsmForm{"forward"}, SsmForm{"chunkwise", 10000}}) {
        CAPTURE(complex, strongest, form.name);
        const auto got = run(c, o, form);
        for (const Index from : {0, 1000, 4000})
          REQUIRE(largest_error(slice_tokens(exact.y, from, from + 1000),
                                slice_tokens(got.y, from, from + 1000)) <= limit);
        REQUIRE(largest_error(exact.state, got.state) <= limit);
      }
    }
}

TEST_CASE("a step of no time keeps the state to the bit, one of much forgets it", "[ssm]") {
  SsmCase c{2, 20, 19, 5, 1};
  c.around = false;
  auto o = operands<float>(c);
  for (const SsmForm& form : ssm_forms) {
    CAPTURE(form.name, form.chunk_size);
    o.dt.setConstant(0.f);
    REQUIRE(same_bits(run(c, o, form).state, o.state));
    o.A.setConstant(-1.f);
    for (const float dt : {60.f, 1e4f, 1e30f}) {
      o.dt.setConstant(dt);
      const auto r = run(c, o, form);
      for (Index b = 0; b < 2; ++b)
        for (Index n = 0; n < 5; ++n)
          for (Index d = 0; d < 19; ++d)
            REQUIRE(r.state(b, n, d) == (dt * o.x(b, 19, d)) * o.B(b, 19, 0, n));
    }
  }
}

TEST_CASE("gates of minus infinity reset the gated recurrence", "[ssm]") {
  const SsmCase c = gated_recurrence_case(1, 40, 19, 1);
  auto o = operands<float>(c);
  o.dt.setConstant(-std::numeric_limits<float>::infinity());
  for (const SsmForm& form : ssm_forms) {
    CAPTURE(form.name, form.chunk_size);
    REQUIRE(same_bits(run(c, o, form).y, o.x));
  }
}

TEST_CASE("streams of a fused projection are read and written in place", "[ssm]") {
  const SsmCase c{2, 21, 19, 5, 1};
  const auto o = operands<float>(c);
  const auto expected = run(c, o, SsmForm{"chunkwise", 1000});
  // One row a token: x, dt, z, B, C, then y; a state whose rows lie apart.
  const Index width = 4 * 19 + 2 * 5;
  for (const SsmForm& form : ssm_forms) {
    if (form.name == "chunkwise" && form.chunk_size < c.T) continue;  // rounds otherwise
    CAPTURE(form.name);
    Tensor<float, 3> fused(2, 21, width), wide(2, 5, 40);
    const auto part = [&](Index from, Index n) {
      return View<float, 3>(fused.data() + from, {2, 21, n}, {21 * width, width, 1});
    };
    const auto fill = [](const View<float, 3>& to, const float* from) {
      for (Index b = 0; b < to.dim(0); ++b)
        for (Index t = 0; t < to.dim(1); ++t, from += to.dim(2))
          std::copy_n(from, to.dim(2), to.row(b, t));
    };
    fill(part(0, 19), o.x.data()), fill(part(19, 19), o.dt.data()), fill(part(38, 19), o.z.data());
    fill(part(57, 5), o.B.data()), fill(part(62, 5), o.C.data());
    const View<float, 3> state(wide.data() + 3, {2, 5, 19}, {200, 40, 1});
    fill(state, o.state.data());
    auto in = inputs(c, o);
    in.x = part(0, 19), in.dt = part(19, 19), in.z = part(38, 19);
    in.B = View<const float, 3>(part(57, 5)), in.C = View<const float, 3>(part(62, 5));
    const View<float, 3> y = part(67, 19);
    form(in, state, y);
    for (Index b = 0; b < 2; ++b) {
      for (Index t = 0; t < 21; ++t)
        for (Index d = 0; d < 19; ++d) REQUIRE(y.row(b, t)[d] == expected.y(b, t, d));
      for (Index n = 0; n < 5; ++n)
        for (Index d = 0; d < 19; ++d) REQUIRE(state.row(b, n)[d] == expected.state(b, n, d));
    }
  }
}

TEST_CASE("a step allocates nothing, nor does a warm forward pass", "[ssm]") {
  const SsmCase c{1, 1, 300, 16, 1}, longer{1, 50, 300, 16, 1};
  const auto o = operands<float>(c), p = operands<float>(longer);
  auto state = o.state;
  Tensor<float, 3> y(1, 1, 300), all(1, 50, 300);
  Arena arena;
  const Workspace workspace({}, &arena);
  const auto both = [&] {
    ssm::step(inputs(c, o), View<float, 3>(state), y);
    ssm::forward(inputs(longer, p), View<float, 3>(state), all, workspace);
  };
  both();
  const long before = allocations();
  both();
  CHECK(allocations() == before);
}

TEST_CASE("wrong arguments are named, and nothing is written", "[ssm][error]") {
  const SsmCase c{2, 8, 12, 4, 3};
  const auto good = operands<float>(c);
  const auto message = [&](const SsmCase& kind, auto&& spoil) {
    auto o = good;
    spoil(o);
    auto state = o.state;
    Tensor<float, 3> y(2, 8, 12);
    y.setConstant(7.f);
    std::string text;
    try {
      ssm::recurrent(inputs(kind, o), View<float, 3>(state), y);
    } catch (const std::invalid_argument& e) {
      text = e.what();
    }
    for (Index i = 0; i < y.size(); ++i) REQUIRE(y.data()[i] == 7.f);
    REQUIRE(same_bits(state, o.state));
    return text;
  };
  using O = SsmOperands<float>;
  CHECK(message(c, [](O& o) { o.dt.resize(2, 7, 12); }) ==
        "ssm::recurrent: dt must be [2, 8, 12] to match x, got [2, 7, 12]");
  CHECK(message(c, [](O& o) { o.A.resize(4, 11); }) ==
        "ssm::recurrent: A must be [4, 12] to match x, got [4, 11]");
  CHECK(message(c, [](O& o) { o.B.resize(2, 8, 3, 5); }) ==
        "ssm::recurrent: B must be [2, 8, 3, 4] to match x and A, got [2, 8, 3, 5]");
  CHECK(message(c, [](O& o) { o.C.resize(2, 8, 2, 4); }) ==
        "ssm::recurrent: C must be [2, 8, 3, 4] to match x and A, got [2, 8, 2, 4]");
  CHECK(message(c, [](O& o) { o.B.resize(2, 8, 5, 4), o.C.resize(2, 8, 5, 4); }) ==
        "ssm::recurrent: channels must be a multiple of the 5 groups, got 12");
  CHECK(message(c, [](O& o) { o.D.resize(3); }) ==
        "ssm::recurrent: D must be [12] to match x, got [3]");
  CHECK(message(c, [](O& o) { o.z.resize(2, 8, 13); }) ==
        "ssm::recurrent: z must be [2, 8, 12] to match x, got [2, 8, 13]");
  CHECK(message(c, [](O& o) { o.dt_bias.resize(1); }) ==
        "ssm::recurrent: dt_bias must be [12] to match x, got [1]");
  CHECK(message(c, [](O& o) { o.state.resize(2, 12, 4), o.state.setZero(); }) ==
        "ssm::recurrent: state must be [2, 4, 12] to match x and A, got [2, 12, 4]");
  SsmCase odd = c, limits = c, packed = c;
  odd.complex = true;
  CHECK(message(odd, [](O& o) { o.A.resize(5, 12); }) ==
        "ssm::recurrent: A must be real and imaginary parts, an even number, got 5 rows");
  limits.dt_min = 2, limits.dt_max = 1;
  CHECK(message(limits, [](O&) {}) ==
        "ssm::recurrent: dt_min must be at most dt_max, got 2.000000 above 1.000000");
  packed.cu_seqlens = {0, 8};
  CHECK(message(packed, [](O&) {}) ==
        "ssm::recurrent: cu_seqlens must be used with a batch of 1, got a batch of 2");
  auto state = good.state;
  Tensor<float, 3> y(2, 8, 12), saved(1, 4, 12);
  const View<float, 3> memory(state);
  CHECK_THROWS_WITH(ssm::chunkwise(inputs(c, good), 0, memory, y),
                    "ssm::chunkwise: chunk_size must be at least 1, got 0");
  CHECK_THROWS_WITH(ssm::chunkwise(inputs(c, good), 8, memory, y, {}, saved),
                    "ssm::chunkwise: saved must be [2, 4, 12] to match the inputs, got [1, 4, 12]");
  CHECK_THROWS_WITH(ssm::step(inputs(c, good), memory, y), "ssm::step: T must be 1, got 8");
  CHECK_THROWS_WITH(ssm::backward(inputs(c, good), saved, y, memory, {}),
                    "ssm::backward: saved must be [2, 4, 12] to match the inputs, got [1, 4, 12]");
  CHECK_THROWS_WITH(ssm::backward(inputs(c, good), saved, y, memory, {.dx = saved}),
                    "ssm::backward: dx must be [2, 8, 12] as its input, got [1, 4, 12]");
}
