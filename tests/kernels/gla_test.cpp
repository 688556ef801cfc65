// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/gla_problem.hpp"

#include <sluice/parallel/thread_team.hpp>

#include <string_view>

using namespace sluice;
using namespace sluice::testing;
using gla::GateKind;

namespace {

// Odd on purpose: nothing divides a vector width, a block or a chunk; value heads come in groups.
const GlaShape shapes[] = {{1, 1, 1, 1, 1, 1},    {2, 17, 3, 3, 8, 16},  {1, 67, 1, 2, 5, 19},
                           {1, 40, 2, 4, 20, 70}, {2, 33, 1, 1, 64, 64}, {2, 0, 2, 2, 4, 4}};
const GateKind kinds[] = {GateKind::none, GateKind::constant, GateKind::scalar, GateKind::vector};

// Sums of up to 67 products of numbers below 1: some ten roundings' worth.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, double> ? 1e-13 : 2e-6;

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Every seventh gate shut for good.
template <class Scalar>
void shut_some(GlaProblem<Scalar>& p) {
  for (Index i = 0; i < p.g.size(); i += 7) p.g.data()[i] = -infinity;
  for (Index i = 0; i < p.g_scalar.size(); i += 7) p.g_scalar.data()[i] = -infinity;
}

template <class Scalar>
bool same_bits(const Tensor<Scalar, 4>& a, const Tensor<Scalar, 4>& b) {
  const auto bits = [](const Tensor<Scalar, 4>& x) {
    return std::string_view(reinterpret_cast<const char*>(x.data()),
                            sizeof(Scalar) * std::size_t(x.size()));
  };
  return bits(a) == bits(b);
}

}  // namespace

TEMPLATE_TEST_CASE("every form equals naive", "[gla][law]", float, double) {
  for (const GlaShape& shape : shapes)
    for (const GateKind kind : kinds)
      for (const bool bonus : {false, true})
        for (const double strongest : {0., 1e-8, 0.1, 1., 8., 80., 1e4}) {
          GlaProblem<TestType> p(shape, kind, bonus, TestType(strongest));
          if (strongest == 1.) shut_some(p);
          const auto expected = run(p, GlaForm{"naive"});
          for (const GlaForm& form : gla_forms) {
            CAPTURE(shape.T, shape.K, shape.V, int(kind), bonus, strongest, form.name,
                    form.chunk_size);
            const auto actual = run(p, form);
            REQUIRE(largest_error(expected.o, actual.o) <= tolerance<TestType>);
            REQUIRE(largest_error(expected.state, actual.state) <= tolerance<TestType>);
          }
        }
}

TEMPLATE_TEST_CASE("two parts make a whole, and the form may change between them", "[gla][law]",
                   float, double) {
  for (const bool bonus : {false, true}) {
    const GlaProblem<TestType> whole({2, 37, 1, 2, 9, 12}, GateKind::vector, bonus, TestType(1));
    const auto at_once = run(whole, GlaForm{"blocked"});
    for (Index cut = 0; cut <= whole.n.T; ++cut)
      for (std::size_t i = 0; i < gla_forms.size(); ++i) {
        CAPTURE(cut, i, bonus);
        const auto first = run(whole.tokens(0, cut, whole.state), gla_forms[i]);
        const auto second = run(whole.tokens(cut, whole.n.T, first.state),
                                gla_forms[(i + std::size_t(cut)) % gla_forms.size()]);
        REQUIRE(largest_error(slice_tokens(at_once.o, 0, cut), first.o) <= tolerance<TestType>);
        REQUIRE(largest_error(slice_tokens(at_once.o, cut, whole.n.T), second.o) <=
                tolerance<TestType>);
        REQUIRE(largest_error(at_once.state, second.state) <= tolerance<TestType>);
      }
  }
}

TEST_CASE("a token at a time is a stream of steps", "[gla][law]") {
  const GlaProblem<float> p({2, 19, 2, 2, 6, 10}, GateKind::vector, false, 1.f);
  const auto whole = run(p, GlaForm{"recurrent"});
  auto state = p.state;
  for (Index t = 0; t < p.n.T; ++t) {
    const auto token = p.tokens(t, t + 1, state);
    Tensor<float, 4> o(p.n.B, 1, p.n.HV, p.n.V);
    gla::step(token.inputs(), p.scale, state, o);
    REQUIRE(same_bits(o, slice_tokens(whole.o, t, t + 1)));
  }
  REQUIRE(same_bits(state, whole.state));
}

TEMPLATE_TEST_CASE("packed sequences equal separate ones", "[gla][law]", float, double) {
  const std::vector<Index> starts{0, 5, 5, 38, 39, 67};
  const auto sequences = Index(starts.size()) - 1;
  GlaProblem<TestType> packed({1, 67, 2, 2, 7, 9}, GateKind::vector, true, TestType(1));
  packed.cu_seqlens = starts;
  packed.state = uniform<TestType, 4>({sequences, 2, 7, 9}, -1, 1, 21);
  packed.dstate = uniform<TestType, 4>({sequences, 2, 7, 9}, -1, 1, 22);
  const auto gradients = backward(packed);
  auto du = packed.u;
  du.setZero();
  for (const GlaForm& form : gla_forms) {
    const auto all = run(packed, form);
    for (Index n = 0; n < sequences; ++n) {
      CAPTURE(form.name, n);
      const Index from = starts[std::size_t(n)], to = starts[std::size_t(n) + 1];
      const auto take = [&](const Tensor<TestType, 4>& x) {
        Tensor<TestType, 4> one(1, 2, 7, 9);
        std::copy_n(x.data() + n * one.size(), one.size(), one.data());
        return one;
      };
      auto part = packed.tokens(from, to, take(packed.state));
      part.cu_seqlens.clear();
      part.dstate = take(packed.dstate);
      const auto alone = run(part, form);
      REQUIRE(largest_error(alone.o, slice_tokens(all.o, from, to)) <= tolerance<TestType>);
      REQUIRE(largest_error(alone.state, take(all.state)) <= tolerance<TestType>);
      if (form.name != "blocked") continue;
      const auto own = backward(part);
      REQUIRE(same_bits(own.dq, slice_tokens(gradients.dq, from, to)));
      REQUIRE(same_bits(own.dk, slice_tokens(gradients.dk, from, to)));
      REQUIRE(same_bits(own.dv, slice_tokens(gradients.dv, from, to)));
      REQUIRE(same_bits(own.dg, slice_tokens(gradients.dg, from, to)));
      REQUIRE(same_bits(own.dstate, take(gradients.dstate)));
      du += own.du;
    }
  }
  REQUIRE(largest_error(du, gradients.du) <= tolerance<TestType>);
}

TEST_CASE("a later token changes no bit of what came before", "[gla][law]") {
  for (const GlaForm& form : gla_forms)
    for (const Index changed : {0, 1, 15, 16, 32, 60}) {
      CAPTURE(form.name, form.chunk_size, changed);
      GlaProblem<float> p({1, 61, 1, 1, 8, 8}, GateKind::vector, false, 1.f);
      const auto before = run(p, form);
      for (auto* x : {&p.q, &p.k, &p.v, &p.g})
        for (Index i = 0; i < 8; ++i) (*x)(0, changed, 0, i) = x == &p.g ? -80.f : 5.f;
      const auto after = run(p, form);
      REQUIRE(same_bits(slice_tokens(before.o, 0, changed), slice_tokens(after.o, 0, changed)));
      REQUIRE(!same_bits(before.o, after.o));
    }
}

TEST_CASE("the number of threads changes no bit", "[gla][law]") {
  ThreadTeam three(3), seven(7);
  for (const GlaShape& shape : {GlaShape{2, 131, 2, 4, 9, 33}, GlaShape{1, 1100, 1, 1, 8, 16}})
    for (const GateKind kind : kinds) {
      const GlaProblem<float> p(shape, kind, true, 8.f);
      const auto with = [&](Executor executor) {
        const auto blocked = run(p, [&](const auto& in, float scale, auto& state, auto& o) {
          gla::forward(in, scale, state, o, executor);
        });
        const auto chunked = run(p, [&](const auto& in, float scale, auto& state, auto& o) {
          gla::chunkwise(in, scale, 32, state, o, executor);
        });
        return std::tuple{blocked, chunked, backward(p, executor)};
      };
      const auto [blocked, chunked, gradients] = with({});
      for (const Executor executor : {Executor(three), Executor(seven)}) {
        const auto [b, c, g] = with(executor);
        REQUIRE(same_bits(blocked.o, b.o));
        REQUIRE(same_bits(blocked.state, b.state));
        REQUIRE(same_bits(chunked.o, c.o));
        REQUIRE(same_bits(chunked.state, c.state));
        REQUIRE(same_bits(gradients.dq, g.dq));
        REQUIRE(same_bits(gradients.dk, g.dk));
        REQUIRE(same_bits(gradients.dv, g.dv));
        REQUIRE(same_bits(gradients.dg, g.dg));
        REQUIRE(same_bits(gradients.dstate, g.dstate));
        REQUIRE(std::memcmp(gradients.du.data(), g.du.data(), 4 * std::size_t(g.du.size())) == 0);
        REQUIRE(std::memcmp(gradients.dg_constant.data(), g.dg_constant.data(),
                            4 * std::size_t(g.dg_constant.size())) == 0);
      }
    }
}

TEST_CASE("heads of a fused projection are read in place", "[gla]") {
  const GlaProblem<float> p({2, 21, 2, 2, 6, 6}, GateKind::vector, false, 1.f);
  const auto expected = run(p, GlaForm{"naive"});
  // One row a token: q, k, v, g of both heads, then the room for o.
  Tensor<float, 3> fused(2, 21, 5 * 12);
  const auto part = [&](Index i) {
    return View<float, 4>(fused.data() + 12 * i, {2, 21, 2, 6}, {21 * 60, 60, 6, 1});
  };
  const Tensor<float, 4>* sources[] = {&p.q, &p.k, &p.v, &p.g};
  for (const GlaForm& form : gla_forms) {
    for (Index i = 0; i < 4; ++i)
      for (Index b = 0; b < 2; ++b)
        for (Index t = 0; t < 21; ++t)
          for (Index h = 0; h < 2; ++h)
            for (Index c = 0; c < 6; ++c) part(i).row(b, t, h)[c] = (*sources[i])(b, t, h, c);
    const gla::Inputs<float> in{
        .q = part(0), .k = part(1), .v = part(2), .g = View<const float, 4>(part(3))};
    auto state = p.state;
    if (form.name == "chunkwise")
      gla::chunkwise(in, p.scale, form.chunk_size, state, part(4));
    else if (form.name == "recurrent")
      gla::recurrent(in, p.scale, state, part(4));
    else if (form.name == "blocked")
      gla::blocked(in, p.scale, state, part(4));
    else
      gla::forward(in, p.scale, state, part(4));
    double worst = 0;
    for (Index b = 0; b < 2; ++b)
      for (Index t = 0; t < 21; ++t)
        for (Index h = 0; h < 2; ++h)
          for (Index c = 0; c < 6; ++c)
            worst =
                std::max(worst, double(std::abs(part(4).row(b, t, h)[c] - expected.o(b, t, h, c))));
    CAPTURE(form.name);
    REQUIRE(worst <= 1e-5);
  }
}

TEST_CASE("gates of minus infinity reset exactly", "[gla]") {
  for (const GlaForm& form : gla_forms) {
    GlaProblem<float> p({1, 40, 1, 1, 8, 8}, GateKind::vector, false, 1.f);
    p.g.setConstant(-infinity);
    const auto r = run(p, form);
    for (Index t = 0; t < 40; ++t) {
      double qk = 0;
      for (Index i = 0; i < 8; ++i) qk += double(p.q(0, t, 0, i)) * p.k(0, t, 0, i);
      for (Index j = 0; j < 8; ++j)
        REQUIRE(std::abs(r.o(0, t, 0, j) - p.scale * qk * p.v(0, t, 0, j)) < 1e-6);
    }
    for (Index i = 0; i < 8; ++i)
      for (Index j = 0; j < 8; ++j)
        REQUIRE(r.state(0, 0, i, j) == p.k(0, 39, 0, i) * p.v(0, 39, 0, j));
  }
}

TEST_CASE("wrong arguments are named, and nothing is written", "[gla][error]") {
  const GlaProblem<float> p({2, 8, 4, 4, 16, 16}, GateKind::vector, false, 1.f);
  const auto message = [](const GlaProblem<float>& bad) {
    Tensor<float, 4> o(bad.v.dimensions());
    o.setConstant(7.f);
    auto state = bad.state;
    std::string text;
    try {
      gla::recurrent(bad.inputs(), bad.scale, state, o);
    } catch (const std::invalid_argument& e) {
      text = e.what();
    }
    for (Index i = 0; i < o.size(); ++i) REQUIRE(o.data()[i] == 7.f);
    return text;
  };
  auto bad = p;
  bad.k = uniform<float, 4>({2, 7, 4, 16}, -1, 1, 2);
  CHECK(message(bad) == "gla::recurrent: k must be [2, 8, 4, 16] to match q, got [2, 7, 4, 16]");
  bad = p;
  bad.g = uniform<float, 4>({2, 8, 4, 15}, -1, 0, 2);
  CHECK(message(bad) ==
        "gla::recurrent: g must be [2, 8, 4, 16] to match k and the heads of v, got [2, 8, 4, 15]");
  bad = p;
  bad.v = uniform<float, 4>({2, 8, 6, 16}, -1, 1, 2);
  CHECK(message(bad) ==
        "gla::recurrent: the heads of v must be a multiple of the 4 heads of q, got 6");
  bad = p;
  bad.state = uniform<float, 4>({2, 4, 16, 15}, -1, 1, 2);
  CHECK(message(bad) ==
        "gla::recurrent: state must be [2, 4, 16, 16] to match k and v, got [2, 4, 16, 15]");
  bad = p;
  bad.cu_seqlens = {0, 8};
  CHECK(message(bad) ==
        "gla::recurrent: cu_seqlens must be used with a batch of 1, got a batch of 2");
  Tensor<float, 4> o(p.v.dimensions());
  auto state = p.state;
  CHECK_THROWS_WITH(gla::chunkwise(p.inputs(), p.scale, 0, state, o),
                    "gla::chunkwise: chunk_size must be at least 1, got 0");
}
