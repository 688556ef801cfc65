// SPDX-License-Identifier: MIT
// Several sequences packed into one row: each is what it would be alone, its gradients too.
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/blocks/mamba_block.hpp>
#include <sluice/layers/blocks/transformer_block.hpp>
#include <sluice/layers/mixers.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

const std::vector<Index> starts = {0, 4, 4, 5, 21};  // one is empty, one a single token
constexpr Index sequences = 4, T = 21;

/// What a pass gives: outputs, final states, and gradients of sum(c y) + sum(c' final state).
template <class L>
struct Outcome {
  L model;
  typename L::State state, dstate;
  Tensor<double, 3> y, dx;
};

template <class Tensor>
constexpr bool real = std::is_floating_point_v<typename Tensor::Scalar>;

/// Copies row `from` of every tensor of a state to row `to` of another's, which has other rows.
template <class State>
void copy_row(const State& source, Index from, State& target, Index to) {
  std::size_t i = 0;
  std::vector<std::vector<char>> rows;
  for_each_tensor(
      [&](std::string_view, const auto& t) {
        const std::size_t bytes =
            sizeof(*t.data()) * static_cast<std::size_t>(t.size() / t.dimension(0));
        const char* at = reinterpret_cast<const char*>(t.data()) + std::size_t(from) * bytes;
        rows.emplace_back(at, at + bytes);
      },
      source);
  for_each_tensor(
      [&](std::string_view, auto& t) {
        std::copy(rows[i].begin(), rows[i].end(),
                  reinterpret_cast<char*>(t.data()) + std::size_t(to) * rows[i].size());
        ++i;
      },
      target);
}

/// Tokens [from, to) of x [1, T, D], packed as `cu` says or one sequence, from a given state.
template <class L>
Outcome<L> run(const L& layer, const Tensor<double, 3>& x, const std::vector<Index>& cu,
               const typename L::State& begin, const typename L::State& dend,
               const Tensor<double, 3>& dy) {
  Outcome<L> o{zeros_like(layer), begin, dend, {}, zeros<double>(shape_of(x))};
  Tape<double> tape;
  tape.record(layer, o.model);
  tape.also_record(o.state, o.dstate);
  tape.pack(cu);
  const auto y = layer(tape.input(x, o.dx), o.state);
  o.y = Tensor<double, 3>(y.shape());
  for (Index t = 0; t < y.dim(1); ++t) {
    std::copy_n(y.value.row(0, t), y.dim(2), &o.y(0, t, 0));
    for (Index i = 0; i < y.dim(2); ++i) y.gradient.row(0, t)[i] += dy(0, t, i);
  }
  tape.backward();
  return o;
}

template <class L>
void require_packs(const std::string& name, const L& layer, Index width, Index out_width) {
  CAPTURE(name);
  const auto x = uniform<double, 3>({1, T, width}, -1, 1, 1);
  const auto dy = uniform<double, 3>({1, T, out_width}, -1, 1, 2);
  auto begin = layer.initial_state(sequences), dend = begin;
  Rng rng(3);
  for_each_tensor(
      [&](std::string_view, auto& a, auto& b) {
        if constexpr (real<std::remove_cvref_t<decltype(a)>>)
          fill_uniform(a, rng, 0.1, 1.), fill_uniform(b, rng, -1., 1.);
        else
          for (Index i = 0; i < a.size(); ++i) a.data()[i] = 3 * i;  // positions of their own
      },
      begin, dend);
  const auto packed = run(layer, x, starts, begin, dend, dy);

  auto sum = zeros_like(layer);
  auto state = begin, dstate = begin;
  for (Index n = 0; n < sequences; ++n) {
    const Index from = starts[std::size_t(n)], to = starts[std::size_t(n) + 1];
    auto one = layer.initial_state(1), done = one;
    copy_row(begin, n, one, 0), copy_row(dend, n, done, 0);
    const auto alone = run(layer, testing::slice_tokens(x, from, to), {}, one, done,
                           testing::slice_tokens(dy, from, to));
    require_close("y", alone.y, testing::slice_tokens(packed.y, from, to), 1e-12);
    require_close("dx", alone.dx, testing::slice_tokens(packed.dx, from, to), 1e-12);
    copy_row(alone.state, 0, state, n), copy_row(alone.dstate, 0, dstate, n);
    for_each_tensor(
        [](std::string_view, auto& to_all, const auto& part) {
          for (Index i = 0; i < part.size(); ++i) to_all.data()[i] += part.data()[i];
        },
        sum, alone.model);
  }
  for_each_tensor([](std::string_view what, const auto& a,
                     const auto& b) { require_close("d" + std::string(what), a, b, 1e-11); },
                  sum, packed.model);
  const auto same_states = [](const auto& a, const auto& b) {
    for_each_tensor(
        [](std::string_view what, const auto& p, const auto& q) {
          if constexpr (real<std::remove_cvref_t<decltype(p)>>)
            require_close(std::string(what), p, q, 1e-12);
          else
            for (Index i = 0; i < p.size(); ++i) CHECK(p.data()[i] == q.data()[i]);
        },
        a, b);
  };
  same_states(state, packed.state), same_states(dstate, packed.dstate);
}

}  // namespace

TEST_CASE("packed sequences reach every mixer", "[layer][packed]") {
  Rng rng(1);
  GatedLinearAttentionConfig gla;
  gla.width = 8, gla.num_heads = 2, gla.gate_low_rank_dim = 3, gla.use_short_conv = true;
  gla.deviation = 0.5;
  require_packs("gla", GatedLinearAttention<double>(gla, rng), 8, 8);
  RetentionConfig retention;
  retention.width = 8, retention.num_heads = 2, retention.deviation = 0.5;
  require_packs("retention", Retention<double>(retention, rng), 8, 8);
  LinearAttentionConfig linear;
  linear.width = 8, linear.num_heads = 2, linear.deviation = 0.5;
  require_packs("linear attention", LinearAttention<double>(linear, rng), 8, 8);
  linear.normalise = false;
  require_packs("linear attention, not normalised", LinearAttention<double>(linear, rng), 8, 8);
  require_packs("mamba", Mamba<double>({.width = 8, .state_size = 4}, rng), 8, 8);
  require_packs("mamba2", Mamba2<double>({.width = 8, .head_dim = 8, .state_size = 4}, rng), 8, 8);
  require_packs("convolution", ShortConvolution<double>({.channels = 6, .bias = true}, rng), 6, 6);
  require_packs("recent rows", RecentRows<double>(3, 4), 3, 12);
  OwnPast<double> past(3, 5, 2);
  fill_uniform(past.weight, rng, -1., 1.), fill_uniform(past.bias, rng, -1., 1.);
  require_packs("own past", past, 3, 6);
  require_packs("transformer block", transformer_block<Retention<double>>(retention, 12, rng), 8,
                8);
}

TEST_CASE("sequences that are packed wrongly are refused", "[layer][packed][error]") {
  const RecentRows<double> layer(3, 4);
  const auto x = uniform<double, 3>({1, 5, 3}, -1, 1, 1);
  auto state = layer.initial_state(2);
  Tape<double> tape;
  tape.start();
  tape.pack(std::vector<Index>{0, 2, 4});
  CHECK_THROWS_WITH(layer(tape.input(x), state),
                    "RecentRows: cu_seqlens must be from 0 to T = 5, got 0 to 4");
  tape.pack(std::vector<Index>{0, 2, 4, 5});
  CHECK_THROWS_WITH(layer(tape.input(x), state),
                    "RecentRows: state must be [3, 3, 3] to match x, got [2, 3, 3]");
  tape.pack({});
  CHECK(tape.cu_seqlens().empty());
}
