// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/gradient_check.hpp"

#include <sluice/ops/slice.hpp>
#include <sluice/ops/softmax_attention.hpp>

#include <cmath>
#include <vector>

using namespace sluice;
using namespace sluice::testing;

namespace {

const auto q = uniform<double, 4>({2, 9, 4, 3}, -1, 1, 1);
const auto k = uniform<double, 4>({2, 11, 2, 3}, -1, 1, 2);
const auto v = uniform<double, 4>({2, 11, 2, 5}, -1, 1, 3);

}  // namespace

TEST_CASE("gradients of attention reach queries, keys and values", "[attention][op][gradient]") {
  check_gradients([](auto a, auto b, auto c) { return softmax_attention(a, b, c); }, q, k, v);
  check_gradients(
      [](auto a, auto b, auto c) {
        return softmax_attention(a, b, c, {.scale = 0.7, .causal = true, .offset = 2, .window = 4});
      },
      q, k, v);
}

TEST_CASE("a bias is repeated, and its gradient summed", "[attention][op][gradient]") {
  for (const Shape<4>& shape :
       {Shape<4>{2, 4, 9, 11}, {1, 4, 9, 11}, {1, 1, 9, 11}, {2, 1, 1, 11}}) {
    CAPTURE(to_string(shape));
    check_gradients(
        [](auto a, auto b, auto c, auto bias) {
          return softmax_attention(a, b, c, {.causal = true, .offset = 2, .bias = bias});
        },
        q, k, v, uniform<double, 4>(shape, -1, 1, 4));
  }
}

TEST_CASE("a bias that does not fit is refused", "[attention][op]") {
  Tape<double> tape;
  tape.start();
  const Tensor<double, 4> bias(1, 3, 9, 11), row(1, 1, 9, 1);
  const auto attend = [&](const Tensor<double, 4>& b) {
    return softmax_attention(tape.input(q), tape.input(k), tape.input(v), {.bias = b});
  };
  CHECK_THROWS_WITH(attend(bias),
                    "softmax_attention: bias must fit [2, 4, 9, 11], axis by axis from the last, "
                    "got [1, 3, 9, 11]");
  CHECK_THROWS_WITH(attend(row), "softmax_attention: bias must be as long as the 11 keys, got 1");
}

TEST_CASE("packed sequences of a pass attend to themselves alone", "[attention][op]") {
  const auto x = uniform<double, 4>({1, 20, 2, 3}, -1, 1, 5);
  const std::vector<Index> starts = {0, 6, 20};
  Tape<double> tape;
  tape.start();
  tape.pack(starts);
  const auto in = tape.input(x);
  const auto packed = softmax_attention(in, in, in, {.causal = true});
  Tape<double> alone;
  alone.start();
  const auto part = slice(alone.input(x), 1, 6, 14);
  const auto one = softmax_attention(part, part, part, {.causal = true});
  for (Index t = 0; t < 14; ++t)
    for (Index h = 0; h < 2; ++h)
      for (Index i = 0; i < 3; ++i)
        CHECK(std::abs(packed.value(0, 6 + t, h, i) - one.value(0, t, h, i)) < 1e-15);
}
