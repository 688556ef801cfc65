// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/blocks/checkpoint.hpp>
#include <sluice/layers/mixers/gated_linear_attention.hpp>
#include <sluice/ops/loss.hpp>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

using namespace sluice;
using Layer = GatedLinearAttention<double>;

namespace {

struct Stack {
  std::vector<Layer> layers;
  static constexpr auto fields() { return std::tuple{field("layers", &Stack::layers)}; }
};

struct States {
  std::vector<Layer::State> layers;
  static constexpr auto fields() { return std::tuple{field("layers", &States::layers)}; }
};

Stack make_stack(int depth) {
  Rng rng(1);
  GatedLinearAttentionConfig c;
  c.width = 16, c.num_heads = 2, c.gate_low_rank_dim = 3;
  Stack stack;
  for (int i = 0; i < depth; ++i) stack.layers.emplace_back(c, rng);
  return stack;
}

States first_states(const Stack& stack, Index batch) {
  States states;
  Rng rng(2);
  for (const auto& layer : stack.layers) states.layers.push_back(layer.initial_state(batch));
  for_each_tensor([&](std::string_view, auto& t) { fill_uniform(t, rng, -1., 1.); }, states);
  return states;
}

struct Gradients {
  double loss;
  Stack model;
  States final_state, state;
  Tensor<double, 3> dx;
  std::size_t memory;
};

Gradients train(const Stack& stack, Index T, bool checkpoints) {
  const Index B = 2, D = 16;
  const auto x = testing::uniform<double, 3>({B, T, D}, -1, 1, 3);
  const auto target = testing::uniform<double, 3>({B, T, D}, -1, 1, 4);
  States states = first_states(stack, B);
  Gradients g{0, zeros_like(stack), {}, zeros_like(states), zeros<double>(Shape<3>{B, T, D}), 0};
  Tape<double> tape;
  tape.record(stack, g.model);
  tape.also_record(states, g.state);
  auto y = tape.input(View<const double, 3>(x), View<double, 3>(g.dx));
  for (std::size_t i = 0; i < stack.layers.size(); ++i)
    y = checkpoints ? checkpoint(stack.layers[i], y, states.layers[i])
                    : stack.layers[i](y, states.layers[i]);
  const auto loss = mean_squared_error(y, View<const double, 3>(target));
  g.loss = loss.value();
  tape.backward(loss);
  g.final_state = states, g.memory = tape.capacity();
  return g;
}

// A few roundings: a pass that keeps nothing may choose another form of a kernel.
bool close(double a, double b) { return std::abs(a - b) <= 1e-13 * std::max(1., std::abs(a)); }

template <class A>
void require_close(const A& a, const A& b) {
  for_each_tensor(
      [](std::string_view name, const auto& x, const auto& y) {
        CAPTURE(name);
        for (Index i = 0; i < x.size(); ++i) REQUIRE(close(x.data()[i], y.data()[i]));
      },
      a, b);
}

}  // namespace

TEST_CASE("a layer that is run again on the way back has the same gradients", "[checkpoint]") {
  const Stack stack = make_stack(3);
  for (const Index T : {1, 37}) {
    const auto kept = train(stack, T, false), again = train(stack, T, true);
    REQUIRE(close(kept.loss, again.loss));
    require_close(kept.model, again.model);
    require_close(kept.state, again.state);
    require_close(kept.final_state, again.final_state);
    for (Index i = 0; i < kept.dx.size(); ++i)
      REQUIRE(close(kept.dx.data()[i], again.dx.data()[i]));
  }
}

TEST_CASE("a deep stack with checkpoints trains in a fraction of the memory", "[checkpoint]") {
  const Stack deep = make_stack(16);
  REQUIRE(train(deep, 200, true).memory < train(deep, 200, false).memory / 3);
}

TEST_CASE("a plain tape runs a checkpointed layer as it is", "[checkpoint]") {
  const Stack stack = make_stack(1);
  const auto x = testing::uniform<double, 3>({2, 5, 16}, -1, 1, 3);
  auto one = first_states(stack, 2), two = one;
  Tape<double> tape;
  tape.start();
  const auto input = tape.input(View<const double, 3>(x));
  const auto a = stack.layers[0](input, one.layers[0]);
  const auto b = checkpoint(stack.layers[0], input, two.layers[0]);
  for (Index i = 0; i < a.value.size(); ++i) REQUIRE(a.value.data()[i] == b.value.data()[i]);
  require_close(one, two);
}
