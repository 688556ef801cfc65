// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/conv.hpp>
#include <sluice/parallel/thread_team.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

using namespace sluice;
using testing::differences;
using testing::relative_error;
using testing::require_close;
using testing::uniform;

namespace {

struct Size {
  Index B, T, D, W;
};

// Odd on purpose: nothing divides a vector, a tile or a slice of taps; some texts are shorter than
// the window, some longer than a piece.
const Size sizes[] = {{1, 1, 1, 1},  {2, 1, 9, 4},     {2, 2, 5, 4},  {3, 17, 19, 3},
                      {1, 5, 33, 9}, {2, 131, 133, 4}, {1, 40, 7, 1}, {2, 0, 3, 4}};

// A few roundings of sums of W products.
template <class Scalar>
constexpr double tolerance = sizeof(Scalar) == 8 ? 1e-14 : 1e-6;

template <class Scalar>
struct Problem {
  Tensor<Scalar, 3> x, state, dy, dstate;
  Tensor<Scalar, 2> weight;
  Tensor<Scalar, 1> bias;
  bool has_bias, silu;
  std::vector<Index> cu_seqlens;

  Problem(const Size& n, bool b, bool s, std::vector<Index> starts = {})
      : x(uniform<Scalar, 3>({n.B, n.T, n.D}, -1, 1, 1)),
        dy(uniform<Scalar, 3>({n.B, n.T, n.D}, -1, 1, 2)),
        weight(uniform<Scalar, 2>({n.D, n.W}, -1, 1, 3)),
        bias(uniform<Scalar, 1>({n.D}, -1, 1, 4)),
        has_bias(b),
        silu(s),
        cu_seqlens(std::move(starts)) {
    const Index N = inputs().sequences();
    state = uniform<Scalar, 3>({N, n.W - 1, n.D}, -1, 1, 5);
    dstate = uniform<Scalar, 3>({N, n.W - 1, n.D}, -1, 1, 6);
  }

  conv::Inputs<Scalar> inputs() const {
    conv::Inputs<Scalar> in{.x = x, .weight = weight};
    if (has_bias) in.bias = bias;
    in.activation = silu ? Activation::silu : Activation::identity;
    in.cu_seqlens = cu_seqlens;
    return in;
  }

  /// Tokens [from, to) as a problem of its own, from another state.
  Problem tokens(Index from, Index to, const Tensor<Scalar, 3>& initial) const {
    Problem part = *this;
    part.cu_seqlens.clear();
    part.x = testing::slice_tokens(x, from, to), part.dy = testing::slice_tokens(dy, from, to);
    part.state = initial;
    return part;
  }
};

template <class Scalar>
struct Result {
  Tensor<Scalar, 3> y, state;
};

/// Runs `form(inputs, state, y)`; y is NaN before.
template <class Scalar, class Form>
Result<Scalar> run(const Problem<Scalar>& p, const Form& form) {
  Result<Scalar> r{p.x, p.state};
  r.y.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
  form(p.inputs(), View<Scalar, 3>(r.state), View<Scalar, 3>(r.y));
  return r;
}
const auto naive = [](const auto&... a) { conv::naive(a...); };
const auto forward = [](const auto&... a) { conv::forward(a...); };

template <class Scalar>
struct Gradients {
  Tensor<Scalar, 3> dx, dstate;
  Tensor<Scalar, 2> dweight;
  Tensor<Scalar, 1> dbias;
};

/// By the kernel; dx begins as NaN, gradients of parameters as 0.
template <class Scalar>
Gradients<Scalar> gradients(const Problem<Scalar>& p, const Workspace& workspace = {}) {
  Gradients<Scalar> g{p.x, p.dstate, p.weight, p.bias};
  g.dx.setConstant(std::numeric_limits<Scalar>::quiet_NaN());
  g.dweight.setZero(), g.dbias.setZero();
  conv::Gradients<Scalar> to{.dx = g.dx, .dweight = g.dweight};
  if (p.has_bias) to.dbias = g.dbias;
  conv::backward(p.inputs(), p.state, p.dy, g.dstate, to, workspace);
  return g;
}

/// The same by the definition; of dx, 1 is there before if `added`.
template <class Scalar>
Gradients<Scalar> naive_gradients(const Problem<Scalar>& p, bool added) {
  Gradients<Scalar> g{p.x, p.dstate, p.weight, p.bias};
  g.dx.setConstant(added ? Scalar(1) : std::numeric_limits<Scalar>::quiet_NaN());
  g.dweight.setZero(), g.dbias.setZero();
  conv::Gradients<Scalar> to{.dx = g.dx, .dweight = g.dweight, .dbias = g.dbias};
  to.accumulate = added;
  conv::naive_backward(p.inputs(), p.state, p.dy, g.dstate, to);
  return g;
}

template <class Scalar>
Tensor<Scalar, 3> sequence(const Tensor<Scalar, 3>& x, Index n) {
  return x.slice(Eigen::array<Index, 3>{n, 0, 0},
                 Eigen::array<Index, 3>{1, x.dimension(1), x.dimension(2)});
}

template <class Tensor>
bool same_bits(const Tensor& a, const Tensor& b) {
  return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(),
                                                               sizeof(typename Tensor::Scalar) *
                                                                   std::size_t(a.size())) == 0);
}

}  // namespace

TEMPLATE_TEST_CASE("the convolution equals its formula", "[conv][law]", float, double) {
  for (const Size& n : sizes)
    for (const bool bias : {false, true})
      for (const bool silu : {false, true}) {
        CAPTURE(n.B, n.T, n.D, n.W, bias, silu);
        const Problem<TestType> p(n, bias, silu);
        const auto expected = run(p, naive), got = run(p, forward);
        require_close("y", expected.y, got.y, tolerance<TestType>);
        require_close("state", expected.state, got.state, 0);
      }
}

TEMPLATE_TEST_CASE("a text in two pieces, and token by token", "[conv][law]", float, double) {
  const Problem<TestType> p({2, 13, 19, 6}, true, true);
  const auto whole = run(p, forward);
  for (Index cut = 0; cut <= 13; ++cut) {
    CAPTURE(cut);
    const auto first = run(p.tokens(0, cut, p.state), forward);
    const auto second = run(p.tokens(cut, 13, first.state), forward);
    CHECK(same_bits(testing::slice_tokens(whole.y, 0, cut), first.y));
    CHECK(same_bits(testing::slice_tokens(whole.y, cut, 13), second.y));
    CHECK(same_bits(whole.state, second.state));
  }
  auto state = p.state;
  for (Index t = 0; t < 13; ++t) {
    const auto one = run(p.tokens(t, t + 1, state), [](const auto&... a) { conv::step(a...); });
    CHECK(same_bits(testing::slice_tokens(whole.y, t, t + 1), one.y));
    state = one.state;
  }
  CHECK(same_bits(whole.state, state));
}

TEST_CASE("packed sequences are those by themselves", "[conv][law]") {
  for (const Index W : {1, 4, 7}) {
    const std::vector<Index> starts{0, 0, 3, 150, 150, 151, 290};
    const Problem<double> p({1, 290, 11, W}, true, true, starts);
    const auto packed = run(p, forward), slow = run(p, naive);
    require_close("y", slow.y, packed.y, tolerance<double>);
    const auto all = gradients(p);
    Gradients<double> sum{p.x, p.dstate, p.weight, p.bias};
    sum.dweight.setZero(), sum.dbias.setZero();
    for (std::size_t n = 0; n + 1 < starts.size(); ++n) {
      CAPTURE(W, n);
      auto own = p.tokens(starts[n], starts[n + 1], sequence(p.state, Index(n)));
      own.dstate = sequence(p.dstate, Index(n));
      const auto alone = run(own, forward);
      CHECK(same_bits(testing::slice_tokens(packed.y, starts[n], starts[n + 1]), alone.y));
      CHECK(same_bits(sequence(packed.state, Index(n)), alone.state));
      const auto g = gradients(own);
      CHECK(same_bits(testing::slice_tokens(all.dx, starts[n], starts[n + 1]), g.dx));
      CHECK(same_bits(sequence(all.dstate, Index(n)), g.dstate));
      sum.dweight += g.dweight, sum.dbias += g.dbias;
    }
    require_close("dweight", sum.dweight, all.dweight, 1e-13);
    require_close("dbias", sum.dbias, all.dbias, 1e-13);
  }
}

TEST_CASE("gradients of the convolution are its differences", "[conv][gradient]") {
  const std::vector<std::pair<Size, std::vector<Index>>> cases = {
      {{2, 7, 3, 4}, {}}, {{1, 2, 5, 4}, {}},   {{2, 3, 2, 1}, {}},
      {{1, 1, 3, 6}, {}}, {{1, 130, 1, 3}, {}}, {{1, 9, 2, 4}, {0, 2, 2, 9}}};
  for (const auto& [n, starts] : cases)
    for (const bool silu : {false, true}) {
      CAPTURE(n.B, n.T, n.D, n.W, silu, starts.size());
      Problem<double> p(n, true, silu, starts);
      const auto g = gradients(p);
      const auto loss = [&] {
        const auto r = run(p, forward);
        double sum = 0;
        for (Index i = 0; i < r.y.size(); ++i) sum += r.y.data()[i] * p.dy.data()[i];
        for (Index i = 0; i < r.state.size(); ++i) sum += r.state.data()[i] * p.dstate.data()[i];
        return sum;
      };
      require_close("dx", differences(p.x, loss), g.dx, 1e-7);
      require_close("dstate", differences(p.state, loss), g.dstate, 1e-7);
      require_close("dweight", differences(p.weight, loss), g.dweight, 1e-7);
      require_close("dbias", differences(p.bias, loss), g.dbias, 1e-7);
    }
}

TEMPLATE_TEST_CASE("gradients of the convolution are those of the definition", "[conv][gradient]",
                   float, double) {
  // Sums over time and rows of a few hundred products.
  const double limit = sizeof(TestType) == 8 ? 1e-13 : 1e-5;
  const std::vector<Index> none, starts{0, 0, 3, 150, 150, 151, 290};
  std::vector<std::pair<Size, std::vector<Index>>> cases;
  for (const Size& n : sizes) cases.push_back({n, none});
  for (const Index W : {1, 4, 9}) cases.push_back({{1, 290, 11, W}, starts});
  for (const auto& [n, cuts] : cases)
    for (const bool silu : {false, true}) {
      CAPTURE(n.B, n.T, n.D, n.W, silu, cuts.size());
      const Problem<TestType> p(n, true, silu, cuts);
      const auto expected = naive_gradients(p, false), got = gradients(p);
      require_close("dx", expected.dx, got.dx, limit);
      require_close("dstate", expected.dstate, got.dstate, limit);
      require_close("dweight", expected.dweight, got.dweight, limit);
      require_close("dbias", expected.dbias, got.dbias, limit);
      const Tensor<TestType, 3> less_one = naive_gradients(p, true).dx - p.x.constant(TestType(1));
      require_close("dx added", expected.dx, less_one, limit);
    }
}

TEST_CASE("the definition's gradients are its differences", "[conv][gradient]") {
  for (const bool silu : {false, true}) {
    Problem<double> p({1, 9, 2, 4}, true, silu, {0, 2, 2, 9});
    const auto g = naive_gradients(p, false);
    const auto loss = [&] {
      const auto r = run(p, naive);
      double sum = 0;
      for (Index i = 0; i < r.y.size(); ++i) sum += r.y.data()[i] * p.dy.data()[i];
      for (Index i = 0; i < r.state.size(); ++i) sum += r.state.data()[i] * p.dstate.data()[i];
      return sum;
    };
    require_close("dx", differences(p.x, loss), g.dx, 1e-7);
    require_close("dstate", differences(p.state, loss), g.dstate, 1e-7);
    require_close("dweight", differences(p.weight, loss), g.dweight, 1e-7);
    require_close("dbias", differences(p.bias, loss), g.dbias, 1e-7);
  }
}

TEST_CASE("a gradient by x is added where that is asked for", "[conv][gradient]") {
  const Problem<double> p({2, 9, 5, 4}, true, true);
  const auto expected = gradients(p);
  auto dx = p.x, dstate = p.dstate;
  dx.setConstant(2);
  conv::Gradients<double> to{.dx = dx};
  to.accumulate = true;
  conv::backward(p.inputs(), p.state, p.dy, dstate, to);
  Tensor<double, 3> plus = expected.dx + expected.dx.constant(2);
  require_close("dx", plus, dx, 1e-15);
  require_close("dstate", expected.dstate, dstate, 0);
}

TEST_CASE("the number of threads changes no bit of the convolution", "[conv][law]") {
  ThreadTeam three(3), seven(7);
  const Problem<float> p({2, 300, 150, 4}, true, true);
  const auto once = run(p, forward);
  const auto g = gradients(p);
  for (const Executor executor : {Executor(three), Executor(seven)}) {
    const auto r =
        run(p, [&](const auto& in, auto state, auto y) { conv::forward(in, state, y, executor); });
    const auto d = gradients(p, executor);
    CHECK(same_bits(once.y, r.y));
    CHECK(same_bits(once.state, r.state));
    CHECK(same_bits(g.dx, d.dx));
    CHECK(same_bits(g.dstate, d.dstate));
    CHECK(same_bits(g.dweight, d.dweight));
    CHECK(same_bits(g.dbias, d.dbias));
  }
}

TEST_CASE("channels of a fused projection are convolved in place", "[conv]") {
  const Problem<float> p({2, 21, 10, 4}, true, false);
  const auto expected = run(p, naive);
  Tensor<float, 3> fused(2, 21, 30);
  const auto part = [&](Index i) {
    return View<float, 3>(fused.data() + 10 * i, {2, 21, 10}, {21 * 30, 30, 1});
  };
  fused.setZero();
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 21; ++t) std::copy_n(&p.x(b, t, 0), 10, part(1).row(b, t));
  auto in = p.inputs();
  in.x = part(1);
  auto state = p.state;
  conv::forward(in, state, part(2));
  Tensor<float, 3> y(p.x.dimensions());
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 21; ++t) std::copy_n(part(2).row(b, t), 10, &y(b, t, 0));
  require_close("y", expected.y, y, 1e-6);
  for (Index i = 0; i < 10; ++i) CHECK(fused(1, 20, i) == 0);
}

TEST_CASE("a step of the convolution allocates nothing", "[conv]") {
  const Problem<float> p({3, 1, 200, 9}, true, true);
  auto state = p.state, y = p.x;
  const auto in = p.inputs();
  const View<float, 3> to_state(state), to(y);
  const long before = testing::allocations();
  conv::step(in, to_state, to);
  CHECK(testing::allocations() == before);
}

TEST_CASE("operands of the convolution that do not agree are named", "[conv][error]") {
  const auto message = [](const Problem<float>& p) -> std::string {
    auto y = p.x, state = p.state;
    try {
      conv::forward(p.inputs(), state, y);
    } catch (const std::invalid_argument& e) {
      CHECK(same_bits(state, p.state));
      return e.what();
    }
    return "";
  };
  const Problem<float> p({2, 7, 5, 4}, true, true);
  CHECK(message(p) == "");
  auto bad = p;
  bad.weight.resize(6, 4);
  CHECK(message(bad) == "conv::forward: weight must be [5, 4] to match x, got [6, 4]");
  bad = p, bad.weight.resize(5, 0);
  CHECK(message(bad) == "conv::forward: the width of the window must be at least 1, got 0");
  bad = p, bad.bias.resize(4);
  CHECK(message(bad) == "conv::forward: bias must be [5] to match x, got [4]");
  bad = p, bad.state.resize(2, 4, 5);
  CHECK(message(bad) ==
        "conv::forward: state must be [2, 3, 5] to match x and weight, got [2, 4, 5]");
  bad = p, bad.cu_seqlens = {0, 7};
  CHECK(message(bad) ==
        "conv::forward: cu_seqlens must be used with a batch of 1, got a batch of 2");
}
