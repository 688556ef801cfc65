// SPDX-License-Identifier: MIT
// Branches, blocks and stacks: what stands around a sublayer, who gets which condition, whose
// state.
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/layer_laws.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/blocks.hpp>
#include <sluice/layers/mixers/gated_linear_attention.hpp>
#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/layers/norms/layer_norm.hpp>
#include <sluice/ops/loss.hpp>

#include <string>
#include <vector>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

using S = double;
template <int R>
using V = Variable<S, R>;

/// y = factor x: a norm, a sublayer or a gate whose effect can be told.
template <int Factor>
struct Times {
  using Scalar = S;
  static constexpr auto fields() { return std::tuple{}; }
  template <int R>
  V<R> operator()(const V<R>& x) const {
    return scale(x, Factor);
  }
};
struct Names {
  [[maybe_unused]] static constexpr std::string_view norm = "norm", inner = "inner", gate = "gate";
};

template <class Wiring, class Norm = Times<2>>
double through(double x) {
  const Branch<Norm, Times<-5>, Add, Names, Wiring> branch(Norm{}, Times<-5>{});
  Tensor<S, 3> in(1, 1, 1);
  in.setConstant(x);
  Tape<S> tape;
  return branch(tape.input(in)).value(0, 0, 0);
}

/// A norm without weights that a condition [B, D] scales and shifts; begins as the plain norm.
struct AdaptiveNorm {
  using Scalar = S;
  using Condition = V<2>;
  Linear<S> modulation;  ///< [2 D, D]

  AdaptiveNorm(Index width, Rng& rng)
      : modulation(width, 2 * width, rng, {.bias = true, .deviation = 0.3}) {}
  static constexpr auto fields() {
    return std::tuple{field("modulation", &AdaptiveNorm::modulation)};
  }
  template <int R>
  V<R> operator()(const V<R>& x, const Condition& c) const {
    const Index B = x.dim(0), D = x.dim(R - 1);
    const auto [shift, scale] = split(modulation(c), {D, D});
    return rms_norm(x) * add_scalar(over(scale, B, D, x.shape()), 1) + over(shift, B, D, x.shape());
  }

 private:
  /// [B, D] as [B, 1, .., D].
  template <std::size_t R>
  static V<int(R)> over(const V<2>& c, Index B, Index D, const std::array<Index, R>&) {
    std::array<Index, R> shape;
    shape.fill(1);
    shape[0] = B, shape[R - 1] = D;
    const V<2> whole = copy(c);
    return {c.tape, {whole.value.data(), shape}, {whole.gradient.data(), shape}};
  }
};

/// A gate that a number opens: x + open y.
struct NumberGate {
  using Condition = double;
  static constexpr auto fields() { return std::tuple{}; }
  template <int R>
  V<R> operator()(const V<R>& x, const V<R>& y, double open) const {
    return x + scale(y, open);
  }
};

/// Every token by itself.
struct PerToken {
  using Scalar = S;
  Linear<S> proj;
  static constexpr auto fields() { return std::tuple{field("proj", &PerToken::proj)}; }
  template <int R>
  V<R> operator()(const V<R>& x) const {
    return silu(proj(x));
  }
};

using GLA = GatedLinearAttention<S>;
using Image = Block<PerToken, PerToken, AdaptiveNorm, NumberGate, FlaNames>;
using Conditional = Block<GLA, PerToken, AdaptiveNorm, NumberGate, FlaNames>;

GatedLinearAttentionConfig small() {
  GatedLinearAttentionConfig c;
  c.width = 8, c.num_heads = 2, c.gate_low_rank_dim = 3, c.deviation = 0.4;
  return c;
}

template <class Mixer>
auto conditional(Mixer mixer, Rng& rng) {
  const auto norm = [&] { return AdaptiveNorm(8, rng); };
  return Block<Mixer, PerToken, AdaptiveNorm, NumberGate, FlaNames>(
      {norm(), std::move(mixer)}, {norm(), PerToken{Linear<S>(8, 8, rng)}});
}

template <class M>
std::vector<std::string> names_of(const M& model) {
  std::vector<std::string> names;
  for_each_tensor([&](std::string_view name, const auto&) { names.emplace_back(name); }, model);
  return names;
}

}  // namespace

TEST_CASE("a wiring says what stands around a sublayer", "[block]") {
  // norm 2 x, inner -5 x, gate the sum.
  CHECK(through<Pre>(3) == 3 + -5 * (2 * 3));
  CHECK(through<Post>(3) == 2 * (3 + -5 * 3));
  CHECK(through<PostBranch>(3) == 3 + 2 * (-5 * 3));
  CHECK(through<Reordered>(3) == 3);  // relu of -30
  CHECK(through<Reordered>(-3) == -3 + 30);
  CHECK((through<Sandwich, NormPair<Times<2>, Times<7>>>(3)) == 3 + 7 * (-5 * (2 * 3)));
}

TEST_CASE("a block has a state only if a part of it has", "[block]") {
  STATIC_REQUIRE(Causal<TransformerBlock<GLA>>);
  STATIC_REQUIRE(Streamable<TransformerBlock<GLA>>);
  STATIC_REQUIRE(Streamable<MambaBlock<Mamba<S>>>);
  STATIC_REQUIRE_FALSE(Causal<Image>);
  STATIC_REQUIRE_FALSE(Streamable<Image>);
  STATIC_REQUIRE_FALSE(Streamable<Conditional>);  // not without its conditions
  STATIC_REQUIRE(Streamable<Conditional, V<2>, double>);
}

TEST_CASE("checkpoints call the parts as the names say", "[block]") {
  Rng rng(1);
  const auto block = transformer_block<GLA>(small(), 12, rng);
  const std::vector<std::string> expected = {
      "attn_norm.weight",    "attn.q_proj.weight",    "attn.k_proj.weight",
      "attn.v_proj.weight",  "attn.gk_proj.0.weight", "attn.gk_proj.1.weight",
      "attn.gk_proj.1.bias", "attn.g_proj.weight",    "attn.g_norm_swish_gate.weight",
      "attn.o_proj.weight",  "mlp_norm.weight",       "mlp.gate_proj.weight",
      "mlp.up_proj.weight",  "mlp.down_proj.weight"};
  CHECK(names_of(block) == expected);
}

TEST_CASE("a transformer block is its formula", "[block]") {
  Rng rng(2);
  const auto block = transformer_block<GLA>(small(), 12, rng, {.norm_eps = 1e-3});
  const auto x = uniform<S, 3>({2, 5, 8}, -1, 1, 1);
  auto state = block.initial_state(2), other = state;
  Tape<S> tape;
  const auto in = tape.input(x);
  const auto h = in + block.mix.inner(rms_norm(in, block.mix.norm.weight, 1e-3), state);
  const auto expected = h + block.feed.inner(rms_norm(h, block.feed.norm.weight, 1e-3));
  const auto y = block(in, other);
  for (Index i = 0; i < x.size(); ++i) CHECK(y.value.data()[i] == expected.value.data()[i]);
  testing::require_layer_laws(block, 8);
}

TEST_CASE("conditions reach the parts that declare them, by their type", "[block]") {
  Rng rng(3);
  const auto block = conditional(PerToken{Linear<S>(8, 8, rng)}, rng);
  const auto image = uniform<S, 4>({2, 3, 4, 8}, -1, 1, 1);
  const auto target = uniform<S, 4>({2, 3, 4, 8}, -1, 1, 2);
  auto vector = uniform<S, 2>({2, 8}, -1, 1, 3);
  auto dvector = zeros<S>(Shape<2>{2, 8});
  Tape<S> tape;
  const auto loss = [&] {
    return mean_squared_error(block(tape.input(image), tape.input(vector, dvector), 0.7), target);
  };
  auto gradient = zeros_like(block);
  tape.record(block, gradient);
  tape.backward(loss());
  const auto slope = testing::differences(vector, [&] {
    tape.start();
    return loss().value();
  });
  require_close("gradient by the condition", slope, dvector, 1e-7);
  // A closed gate lets nothing through.
  tape.start();
  const auto closed = block(tape.input(image), tape.input(vector), 0.);
  for (Index i = 0; i < image.size(); ++i) CHECK(closed.value.data()[i] == image.data()[i]);
}

TEST_CASE("a causal block with conditions folds", "[block]") {
  Rng rng(4);
  const auto block = conditional(GLA(small(), rng), rng);
  const auto x = uniform<S, 3>({2, 7, 8}, -1, 1, 1);
  const auto c = uniform<S, 2>({2, 8}, -1, 1, 2);
  auto whole_state = block.initial_state(2), state = whole_state;
  Tape<S> tape, one;
  const auto whole = block(tape.input(x), whole_state, tape.input(c), 0.7);
  for (Index t = 0; t < 7; ++t) {
    one.start();
    const auto y = block(slice(one.input(x), 1, t, 1), state, one.input(c), 0.7);
    for (Index b = 0; b < 2; ++b)
      for (Index i = 0; i < 8; ++i)
        CHECK(std::abs(y.value(b, 0, i) - whole.value(b, t, i)) < 1e-12);
  }
}

namespace {

/// A feed-forward layer with a memory: the sum of all tokens so far.
struct Sum {
  using Scalar = S;
  struct State {
    Tensor<S, 2> sum;
    static constexpr auto fields() { return std::tuple{field("sum", &State::sum)}; }
  };
  static constexpr auto fields() { return std::tuple{}; }
  State initial_state(Index batch) const { return {zeros<S>(Shape<2>{batch, 8})}; }
  V<3> operator()(const V<3>& x, State& state) const {
    return recurrent_operation(
        x.shape(), state.sum,
        [&](const View<S, 3>& y, const View<S, 2>& sum, bool) {
          for (Index b = 0; b < y.dim(0); ++b)
            for (Index t = 0; t < y.dim(1); ++t)
              for (Index i = 0; i < 8; ++i) y(b, t, i) = sum(b, i) += x.value(b, t, i);
          return NoState{};
        },
        [=](NoState, const View<const S, 3>& dy, const View<S, 2>& dsum) {
          for (Index b = 0; b < dy.dim(0); ++b)
            for (Index t = dy.dim(1); t-- > 0;)
              for (Index i = 0; i < 8; ++i) {
                dsum(b, i) += dy(b, t, i);
                if (x.gradient) x.gradient(b, t, i) += dsum(b, i);
              }
        },
        x);
  }
};

using BothCausal = Block<GLA, Sum, RMSNorm<S>, Add, FlaNames>;
using FeedCausal = Block<PerToken, Sum, RMSNorm<S>, Add, FlaNames>;

}  // namespace

TEST_CASE("either branch of a block, or both, may have the memory", "[block]") {
  Rng rng(5);
  const RMSNorm<S> norm(8);
  testing::require_layer_laws(BothCausal({norm, GLA(small(), rng)}, {norm, Sum{}}), 8);
  testing::require_layer_laws(FeedCausal({norm, PerToken{Linear<S>(8, 8, rng)}}, {norm, Sum{}}), 8);
  CHECK(names_of(BothCausal({norm, GLA(small(), rng)}, {norm, Sum{}}).initial_state(1)) ==
        std::vector<std::string>{"mix.memory", "feed.sum"});
}

TEST_CASE("dropout and drop-path belong to the branch", "[block]") {
  Rng rng(6);
  auto block = transformer_block<GLA>(small(), 12, rng);
  const auto x = uniform<S, 3>({6, 5, 8}, -1, 1, 1);
  const auto run = [&](bool training) {
    auto state = block.initial_state(6);
    Tape<S> tape;
    tape.start();
    if (training) tape.train(Rng(3));
    return testing::detail::flat(block(tape.input(x), state).value);
  };
  const auto plain = run(false);
  CHECK(run(true) == plain);
  block.mix.dropout = 0.3;
  CHECK(run(false) == plain);
  CHECK(run(true) != plain);
  CHECK(run(true) == run(true));
  block.mix.dropout = 0, block.mix.drop_path = block.feed.drop_path = 0.5;
  const auto dropped = run(true);
  Index untouched = 0;  // sequences whose branches are both dropped
  for (Index b = 0; b < 6; ++b)
    untouched += std::equal(x.data() + 40 * b, x.data() + 40 * (b + 1), dropped.begin() + 40 * b);
  CHECK(untouched > 0);
  CHECK(untouched < 6);
}

namespace {

using Hybrid = Stack<TransformerBlock<GLA>, MambaBlock<Mamba<S>>>;

Hybrid hybrid() {
  Rng rng(7);
  Hybrid stack;
  stack.reserve(3);
  const auto mamba = [&] {
    return MambaBlock<Mamba<S>>(RMSNorm<S>(8), Mamba<S>({.width = 8, .state_size = 4}, rng));
  };
  stack.push_back(mamba());
  stack.push_back(transformer_block<GLA>(small(), 12, rng));
  stack.push_back(mamba());
  return stack;
}

}  // namespace

TEST_CASE("a stack of several kinds of block is a layer like any other", "[block]") {
  const auto stack = hybrid();
  STATIC_REQUIRE(Streamable<Hybrid>);
  testing::require_layer_laws(stack, 8);
  const auto names = names_of(stack);
  CHECK(names.front() == "0.norm.weight");
  CHECK(names[names.size() - 1] == "2.mixer.out_proj.weight");
  CHECK(std::count(names.begin(), names.end(), "1.attn.q_proj.weight") == 1);
  CHECK(names_of(stack.initial_state(1)) == std::vector<std::string>{"0.conv1d.recent", "0.memory",
                                                                     "1.memory", "2.conv1d.recent",
                                                                     "2.memory"});
}

TEST_CASE("a stack is its blocks, one after the other", "[block]") {
  const auto stack = hybrid();
  CHECK_FALSE(stack.recompute);
  CHECK(stack.size() == 3);
  const auto x = uniform<S, 3>({2, 5, 8}, -1, 1, 1);
  auto state = stack.initial_state(2);
  const auto& first = std::get<1>(stack[0]);
  const auto& second = std::get<0>(stack[1]);
  const auto& third = std::get<1>(stack[2]);
  auto a = first.initial_state(2), c = third.initial_state(2);
  auto b = second.initial_state(2);
  Tape<S> tape;
  const auto in = tape.input(x);
  const auto expected = third(second(first(in, a), b), c);
  const auto y = stack(in, state);
  for (Index i = 0; i < x.size(); ++i) CHECK(y.value.data()[i] == expected.value.data()[i]);
  require_close("first", a.memory, std::get<1>(state.layers[0]).memory, 0);
  require_close("second", b.memory, std::get<0>(state.layers[1]).memory, 0);
  require_close("third", c.memory, std::get<1>(state.layers[2]).memory, 0);
}

TEST_CASE("the options of a transformer block reach its parts", "[block]") {
  Rng rng(8);
  const auto plain = transformer_block<GLA>(small(), 12, rng);
  CHECK((plain.mix.dropout == 0 && plain.feed.dropout == 0));
  const auto block = transformer_block<GLA>(
      small(), 12, rng, {.norm_eps = 1e-3, .linear = {.bias = true}, .dropout = 0.25});
  CHECK((block.mix.dropout == 0.25 && block.feed.dropout == 0.25));
  CHECK((block.mix.norm.eps == 1e-3 && block.feed.norm.eps == 1e-3));
  CHECK((block.feed.inner.gate_proj.bias && block.feed.inner.down_proj.bias));
}

TEST_CASE("a stack that recomputes has the same gradients in less memory", "[block]") {
  auto stack = hybrid();
  for (auto& place : stack.blocks)
    if (auto* block = std::get_if<0>(&place)) block->mix.dropout = 0.2;
  const auto x = uniform<S, 3>({2, 60, 8}, -1, 1, 1), target = uniform<S, 3>({2, 60, 8}, -1, 1, 2);
  const auto train = [&](bool recompute) {
    stack.recompute = recompute;
    auto gradient = zeros_like(stack);
    auto state = stack.initial_state(2);
    Tape<S> tape;
    tape.record(stack, gradient);
    tape.train(Rng(5));
    tape.backward(mean_squared_error(stack(tape.input(x), state), target));
    return std::pair(std::move(gradient), tape.capacity());
  };
  const auto [kept, kept_bytes] = train(false);
  const auto [again, again_bytes] = train(true);
  for_each_tensor([](std::string_view name, const auto& a,
                     const auto& b) { require_close(std::string(name), a, b, 1e-12); },
                  kept, again);
  CHECK(again_bytes < kept_bytes);
}
