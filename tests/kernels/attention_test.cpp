// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/attention.hpp>
#include <sluice/parallel/thread_team.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace sluice;
using namespace sluice::testing;

namespace {

struct Sizes {
  Index B, T, S, H, HK, K, V;
};

template <class S>
struct Problem {
  Sizes n;
  Tensor<S, 4> q, k, v, bias, dout;
  bool causal = false, biased = false;
  Index offset = 0, window = 0;
  std::vector<Index> cu_seqlens;
  double scale;

  explicit Problem(const Sizes& sizes, S size = 1)
      : n(sizes),
        q(uniform<S, 4>({n.B, n.T, n.H, n.K}, -size, size, 1)),
        k(uniform<S, 4>({n.B, n.S, n.HK, n.K}, -size, size, 2)),
        v(uniform<S, 4>({n.B, n.S, n.HK, n.V}, -1, 1, 3)),
        bias(uniform<S, 4>({n.B, n.H, n.T, n.S}, -2, 2, 4)),
        dout(uniform<S, 4>({n.B, n.T, n.H, n.V}, -1, 1, 5)),
        scale(1 / std::sqrt(double(std::max<Index>(n.K, 1)))) {}

  attention::Inputs<S> inputs() const {
    attention::Inputs<S> in{.q = q, .k = k, .v = v};
    if (biased) in.bias = bias;
    in.causal = causal, in.offset = offset, in.window = window, in.cu_seqlens = cu_seqlens;
    return in;
  }
};

template <class S>
struct Result {
  Tensor<S, 4> o;
  Tensor<S, 3> lse;

  explicit Result(const Sizes& n) : o(n.B, n.T, n.H, n.V), lse(n.B, n.H, n.T) {
    o.setConstant(std::numeric_limits<S>::quiet_NaN());
    lse.setConstant(std::numeric_limits<S>::quiet_NaN());
  }
};

template <class S>
struct Gradient {
  Tensor<S, 4> dq, dk, dv, dbias;

  explicit Gradient(const Problem<S>& p, S begin = 0)
      : dq(shape_of(p.q)), dk(shape_of(p.k)), dv(shape_of(p.v)), dbias(shape_of(p.bias)) {
    for (auto* t : {&dq, &dk, &dv, &dbias}) t->setConstant(begin);
  }
  attention::Gradients<S> views(bool biased, bool accumulate = false) {
    attention::Gradients<S> to{.dq = dq, .dk = dk, .dv = dv, .accumulate = accumulate};
    if (biased) to.dbias = dbias;
    return to;
  }
};

template <class S>
Result<S> run(const Problem<S>& p, const Workspace& workspace = {}) {
  Result<S> r(p.n);
  attention::forward(p.inputs(), p.scale, r.o, workspace, r.lse);
  return r;
}

template <class S>
Result<S> defined(const Problem<S>& p) {
  Result<S> r(p.n);
  attention::naive(p.inputs(), p.scale, r.o, {}, r.lse);
  return r;
}

// float: a sum of a hundred products, and powers that lose what their argument has rounded.
template <class S>
constexpr double tolerance = std::is_same_v<S, double> ? 1e-14 : 2e-6;
template <class S>
constexpr double slope_tolerance = std::is_same_v<S, double> ? 1e-13 : 5e-6;

/// The largest difference, relative to the largest entry or to the products it is made of.
template <class S>
void require_near(const std::string& name, const Tensor<S, 4>& expected, const Tensor<S, 4>& got) {
  double worst = 0, largest = 1;
  for (Index i = 0; i < got.size(); ++i) {
    const double error = std::abs(double(got.data()[i]) - double(expected.data()[i]));
    worst = std::isnan(error) ? HUGE_VAL : std::max(worst, error);
    largest = std::max(largest, std::abs(double(expected.data()[i])));
  }
  INFO(name << ": largest error " << worst << " beside " << largest);
  REQUIRE(worst <= slope_tolerance<S> * largest);
}

template <class S>
void require_same_sums(const Tensor<S, 3>& expected, const Tensor<S, 3>& lse) {
  for (Index i = 0; i < lse.size(); ++i) {
    if (std::isinf(expected.data()[i]))
      REQUIRE(lse.data()[i] == expected.data()[i]);
    else
      REQUIRE(std::abs(lse.data()[i] - expected.data()[i]) <=
              tolerance<S> * (4 + std::abs(expected.data()[i])));
  }
}

template <class S>
void require_all_forms_agree(const Problem<S>& p) {
  const auto expected = defined(p), r = run(p);
  require_near("o", expected.o, r.o);
  require_same_sums(expected.lse, r.lse);

  Gradient<S> wanted(p), got(p);
  attention::naive_backward(p.inputs(), p.scale, expected.o, expected.lse, p.dout,
                            wanted.views(p.biased));
  attention::backward(p.inputs(), p.scale, r.o, r.lse, p.dout, got.views(p.biased));
  require_near("dq", wanted.dq, got.dq);
  require_near("dk", wanted.dk, got.dk);
  require_near("dv", wanted.dv, got.dv);
  require_near("dbias", wanted.dbias, got.dbias);
}

const Sizes sizes[] = {{1, 1, 1, 1, 1, 1, 1},    {2, 3, 9, 2, 1, 5, 3},
                       {1, 7, 7, 3, 3, 16, 8},   {1, 8, 8, 2, 2, 8, 8},
                       {2, 65, 65, 4, 2, 20, 7}, {1, 130, 70, 2, 1, 33, 17},
                       {1, 37, 601, 1, 1, 6, 9}, {1, 600, 40, 2, 2, 4, 20}};

}  // namespace

TEMPLATE_TEST_CASE("attention equals its definition, and so do its gradients", "[attention]", float,
                   double) {
  for (const Sizes& n : sizes)
    for (const bool causal : {false, true})
      for (const bool biased : {false, true})
        for (const Index window : {Index{0}, Index{1}, Index{40}}) {
          CAPTURE(n.T, n.S, n.K, n.V, causal, biased, window);
          Problem<TestType> p(n);
          p.causal = causal, p.biased = biased, p.window = window;
          p.offset = n.S - n.T;
          require_all_forms_agree(p);
        }
}

TEST_CASE("gradients of attention are differences", "[attention][gradient]") {
  for (const bool causal : {false, true}) {
    Problem<double> p({1, 11, 13, 2, 1, 3, 2});
    p.causal = causal, p.biased = true, p.window = 9, p.offset = 2;
    const auto r = run(p);
    Gradient<double> g(p);
    attention::backward(p.inputs(), p.scale, r.o, r.lse, p.dout, g.views(true));
    const auto loss = [&] {
      const auto o = defined(p).o;
      double sum = 0;
      for (Index i = 0; i < o.size(); ++i) sum += o.data()[i] * p.dout.data()[i];
      return sum;
    };
    const auto check = [&](Tensor<double, 4>& x, const Tensor<double, 4>& dx) {
      for (Index i = 0; i < x.size(); ++i) {
        const double old = x.data()[i], h = 1e-5;
        x.data()[i] = old + h;
        const double up = loss();
        x.data()[i] = old - h;
        const double down = loss();
        x.data()[i] = old;
        REQUIRE(std::abs((up - down) / (2 * h) - dx.data()[i]) < 1e-8);
      }
    };
    check(p.q, g.dq), check(p.k, g.dk), check(p.v, g.dv), check(p.bias, g.dbias);
  }
}

TEMPLATE_TEST_CASE("a query that sees nothing gives zeros", "[attention]", float, double) {
  using S = TestType;
  for (const Index T : {Index{3}, Index{70}}) {
    Problem<S> p({1, T, T, 2, 1, 4, 3});
    p.causal = true, p.biased = true;
    p.offset = -2;  // the first two queries stand before the first key
    for (Index j = 0; j < T; ++j) p.bias(0, 1, T - 1, j) = -std::numeric_limits<S>::infinity();
    require_all_forms_agree(p);
    const auto r = run(p);
    for (Index i = 0; i < p.n.V; ++i) {
      CHECK(r.o(0, 0, 0, i) == 0);
      CHECK(r.o(0, 1, 1, i) == 0);
      CHECK(r.o(0, T - 1, 1, i) == 0);
    }
    CHECK(r.lse(0, 1, T - 1) == -std::numeric_limits<S>::infinity());
    CHECK(r.o(0, 2, 0, 0) == p.v(0, 0, 0, 0));
  }
}

TEMPLATE_TEST_CASE("scores of hundreds overflow nowhere", "[attention]", float, double) {
  using S = TestType;
  Problem<S> p({1, 70, 70, 1, 1, 8, 5}, S(60));
  p.causal = true;
  const auto expected = defined(p), r = run(p);
  // Of a score of 10 000 rounding leaves a thousandth in float.
  require_close("o", expected.o, r.o, std::is_same_v<S, double> ? 1e-11 : 2e-3);
  Gradient<S> g(p);
  attention::backward(p.inputs(), p.scale, r.o, r.lse, p.dout, g.views(false));
  for (Index i = 0; i < g.dq.size(); ++i) REQUIRE(std::isfinite(g.dq.data()[i]));
}

TEMPLATE_TEST_CASE("packed sequences attend to themselves alone", "[attention]", float, double) {
  using S = TestType;
  const std::vector<Index> starts = {0, 1, 70, 70, 75, 210};
  Problem<S> p({1, 210, 210, 2, 1, 5, 6});
  p.causal = true, p.window = 50;
  p.cu_seqlens = starts;
  require_all_forms_agree(p);
  const auto packed = run(p);
  for (std::size_t n = 0; n + 1 < starts.size(); ++n) {
    const Index from = starts[n], T = starts[n + 1] - from;
    if (T == 0) continue;
    Problem<S> one({1, T, T, 2, 1, 5, 6});
    one.q = slice_tokens(p.q, from, from + T), one.k = slice_tokens(p.k, from, from + T);
    one.v = slice_tokens(p.v, from, from + T);
    one.causal = true, one.window = 50;
    require_close("o", run(one).o, slice_tokens(packed.o, from, from + T), tolerance<S>);
  }
}

TEST_CASE("queries may be read in pieces", "[attention]") {
  Problem<double> p({2, 100, 100, 2, 1, 8, 4});
  p.causal = true, p.window = 30;
  const auto whole = run(p);
  for (const Index piece : {Index{1}, Index{7}, Index{64}}) {
    Tensor<double, 4> o(shape_of(whole.o));
    for (Index t = 0; t < 100; t += piece) {
      auto in = p.inputs();
      const Index n = std::min(piece, 100 - t);
      in.q = slice(in.q, 1, t, n), in.offset = t;
      attention::forward(in, p.scale, slice(View<double, 4>(o), 1, t, n));
    }
    require_close("o", whole.o, o, 1e-14);
  }
}

TEST_CASE("attention does not depend on threads, and adds where it is asked to", "[attention]") {
  ThreadTeam team(3);
  Problem<float> p({2, 700, 700, 4, 2, 16, 16});
  p.causal = true, p.biased = true;
  const auto one = run(p), many = run(p, Executor(team));
  CHECK(relative_error(one.o, many.o) == 0);
  Gradient<float> a(p), b(p), c(p, 1), shared(p);
  attention::backward(p.inputs(), p.scale, one.o, one.lse, p.dout, a.views(true));
  attention::backward(p.inputs(), p.scale, one.o, one.lse, p.dout, b.views(true), Executor(team));
  CHECK(relative_error(a.dq, b.dq) == 0);
  CHECK(relative_error(a.dk, b.dk) == 0);
  CHECK(relative_error(a.dbias, b.dbias) == 0);
  attention::backward(p.inputs(), p.scale, one.o, one.lse, p.dout, c.views(true, true));
  CHECK(std::abs(c.dq(0, 9, 1, 2) - a.dq(0, 9, 1, 2) - 1) < 1e-6);
  CHECK(std::abs(c.dv(1, 9, 1, 2) - a.dv(1, 9, 1, 2) - 1) < 1e-5);
  CHECK(std::abs(c.dbias(1, 3, 20, 2) - a.dbias(1, 3, 20, 2) - 1) < 1e-6);

  // One gradient for all heads and rows: their sum, whatever the threads.
  auto to = shared.views(true);
  to.dbias = View<float, 4>(shared.dbias.data(), shape_of(p.bias), {0, 0, 700, 1});
  attention::backward(p.inputs(), p.scale, one.o, one.lse, p.dout, to, Executor(team));
  for (const Index t : {Index{0}, Index{350}, Index{699}}) {
    double sum = 0;
    for (Index b_ = 0; b_ < 2; ++b_)
      for (Index h = 0; h < 4; ++h) sum += a.dbias(b_, h, t, t / 2);
    CHECK(std::abs(shared.dbias(0, 0, t, t / 2) - sum) < 1e-6);
  }
}

TEST_CASE("attention refuses what does not fit", "[attention]") {
  Problem<float> p({1, 4, 6, 4, 2, 8, 3});
  Result<float> r(p.n);
  const auto message = [&](const auto& change) -> std::string {
    auto in = p.inputs();
    change(in);
    try {
      attention::forward(in, 1, r.o, {}, r.lse);
    } catch (const std::invalid_argument& e) {
      CHECK(std::isnan(r.o(0, 0, 0, 0)));
      return e.what();
    }
    return "";
  };
  const Tensor<float, 4> heads(1, 6, 3, 8), values(1, 6, 3, 3), wide(1, 6, 2, 9), late(1, 5, 2, 3);
  CHECK(message([&](auto& in) { in.k = wide; }) ==
        "attention::forward: k must be [1, 6, 2, 8] to match q, got [1, 6, 2, 9]");
  CHECK(message([&](auto& in) { in.v = late; }) ==
        "attention::forward: v must be [1, 6, 2, 3] to match k, got [1, 5, 2, 3]");
  CHECK(message([&](auto& in) { in.k = heads, in.v = values; }) ==
        "attention::forward: the heads of q must be a multiple of the 3 of k, got 4");
  CHECK(message([&](auto& in) { in.window = -1; }) ==
        "attention::forward: window must be at least 0, got -1");
  CHECK(message([&](auto& in) { in.bias = heads; }) ==
        "attention::forward: bias must be [1, 4, 4, 6] to match q and k, got [1, 6, 3, 8]");
  const std::vector<Index> packed = {0, 4};
  CHECK(message([&](auto& in) { in.cu_seqlens = packed; }) ==
        "attention::forward: the keys must be as many as the 4 queries where sequences are packed, "
        "got 6");
  CHECK_THROWS_WITH(
      attention::forward(p.inputs(), 1, Tensor<float, 4>(values)),
      "attention::forward: o must be [1, 4, 4, 3] to match q and v, got [1, 6, 3, 3]");
}

TEST_CASE("attention over nothing is nothing", "[attention]") {
  for (const Sizes& n :
       {Sizes{0, 5, 5, 2, 1, 4, 3}, Sizes{2, 0, 5, 2, 1, 4, 3}, Sizes{2, 5, 0, 2, 1, 4, 3},
        Sizes{2, 70, 0, 2, 1, 4, 3}, Sizes{1, 70, 70, 0, 0, 4, 3}, Sizes{1, 70, 70, 2, 1, 0, 3},
        Sizes{1, 9, 9, 2, 1, 4, 0}}) {
    CAPTURE(n.B, n.T, n.S, n.H, n.K, n.V);
    require_all_forms_agree(Problem<float>(n));
  }
}
