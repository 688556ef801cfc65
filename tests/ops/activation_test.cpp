// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/gradient_check.hpp"
#include "support/tensor.hpp"

#include <sluice/ops/activation.hpp>
#include <sluice/ops/arithmetic.hpp>

using namespace sluice;
using testing::check_gradients;
using testing::uniform;

namespace {

const Activation kinds[] = {Activation::identity, Activation::relu,      Activation::squared_relu,
                            Activation::sigmoid,  Activation::tanh,      Activation::silu,
                            Activation::gelu,     Activation::gelu_tanh, Activation::log_sigmoid};

/// Columns [1, 1 + n) of a variable: rows that are further apart than they are long.
Variable<double, 3> columns(const Variable<double, 3>& x, Index n) {
  return {
      x.tape, slice(x.value, 2, 1, n),
      x.gradient ? slice(x.gradient, 2, 1, n) : View<double, 3>(nullptr, {x.dim(0), x.dim(1), n})};
}

}  // namespace

TEST_CASE("gradients of activations", "[activation]") {
  const auto x = uniform<double, 3>({2, 3, GENERATE(1, 5, 17)}, -3, 3, 1);
  check_gradients([](auto v) { return relu(v); }, x);
  check_gradients([](auto v) { return squared_relu(v); }, x);
  check_gradients([](auto v) { return square(v); }, x);
  check_gradients([](auto v) { return exp(v); }, x);
  check_gradients([](auto v) { return sigmoid(v); }, x);
  check_gradients([](auto v) { return tanh(v); }, x);
  check_gradients([](auto v) { return silu(v); }, x);
  check_gradients([](auto v) { return gelu(v); }, x);
  check_gradients([](auto v) { return gelu_tanh(v); }, x);
  check_gradients([](auto v) { return softplus(v); }, x);
  check_gradients([](auto v) { return log_sigmoid(v); }, x);
  check_gradients([](auto v) { return log_sigmoid(v, 1.0 / 16); }, x);
  check_gradients([](auto v) { return elu_plus_one(v); }, x);
  check_gradients([](auto v) { return at_least(v, 0.5); }, x);
}

TEST_CASE("gradients of gates", "[activation]") {
  const Index n = GENERATE(1, 5, 17);
  const auto a = uniform<double, 3>({2, 3, n}, -3, 3, 1),
             b = uniform<double, 3>({2, 3, n}, -3, 3, 2);
  check_gradients([](auto u, auto v) { return gated_silu(u, v); }, a, b);
  check_gradients([](auto u, auto v) { return gated_sigmoid(u, v); }, a, b);
  check_gradients([](auto u, auto v) { return gated_gelu(u, v); }, a, b);
  check_gradients([](auto u) { return gated_silu(u, u); }, a);
  for (const Activation kind : kinds) {
    CAPTURE(int(kind));
    check_gradients([&](auto u, auto v) { return gate(kind, u, v); }, a, b);
    check_gradients([&](auto u) { return activate(kind, u); }, a);
  }
}

TEST_CASE("parts of wider rows pass through", "[activation]") {
  const Index n = GENERATE(1, 5, 17);
  const auto wide = uniform<double, 3>({2, 3, n + 2}, -3, 3, 1),
             x = uniform<double, 3>({2, 3, n}, -3, 3, 2);
  check_gradients([&](auto w) { return silu(columns(w, n)); }, wide);
  check_gradients([&](auto w, auto v) { return gated_silu(columns(w, n), v); }, wide, x);
  check_gradients([&](auto w, auto v) { return gated_gelu(v, columns(w, n)) + columns(w, n); },
                  wide, x);
  Tape<double> tape;
  tape.start();
  CHECK(silu(columns(tape.input(View(wide)), n)).value.contiguous());
}

TEST_CASE("names agree with functions", "[activation]") {
  const auto a = uniform<double, 2>({3, 17}, -3, 3, 1), b = uniform<double, 2>({3, 17}, -3, 3, 2);
  Tape<double> tape;
  tape.start();
  const auto u = tape.input(View(a)), v = tape.input(View(b));
  const auto same = [](const auto& p, const auto& q) {
    for (Index i = 0; i < 3; ++i)
      for (Index j = 0; j < 17; ++j)
        if (p.value.row(i)[j] != q.value.row(i)[j]) return false;
    return true;
  };
  CHECK(same(activate(Activation::silu, u), silu(u)));
  CHECK(same(activate(Activation::gelu, u), gelu(u)));
  CHECK(same(activate(Activation::gelu_tanh, u), gelu_tanh(u)));
  CHECK(same(activate(Activation::tanh, u), tanh(u)));
  CHECK(same(activate(Activation::sigmoid, u), sigmoid(u)));
  CHECK(same(activate(Activation::log_sigmoid, u), log_sigmoid(u)));
  CHECK(same(activate(Activation::relu, u), relu(u)));
  CHECK(same(at_least(u, 0), relu(u)));
  CHECK(same(activate(Activation::squared_relu, u), squared_relu(u)));
  CHECK(same(activate(Activation::identity, u), u));
  CHECK(same(gate(Activation::silu, u, v), gated_silu(u, v)));
  CHECK(same(gate(Activation::identity, u, v), u * v));
  CHECK_FALSE(same(gelu(u), gelu_tanh(u)));
}

TEST_CASE("gates name the shape that differs", "[activation][error]") {
  const auto a = uniform<float, 2>({2, 5}, -1, 1, 1), b = uniform<float, 2>({2, 4}, -1, 1, 2);
  Tape<float> tape;
  tape.start();
  CHECK_THROWS_WITH(gated_silu(tape.input(View(a)), tape.input(View(b))),
                    "gate: b must be [2, 5] to match a, got [2, 4]");
}
