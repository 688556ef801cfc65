// SPDX-License-Identifier: MIT
// The laws are tested on a layer that keeps them, and on layers that break one each.
#include "support/layer_file.hpp"
#include "support/layer_laws.hpp"

#include <sluice/core/operation.hpp>
#include <sluice/layers/blocks/transformer_block.hpp>
#include <sluice/layers/feed_forward/linear.hpp>
#include <sluice/layers/mixers/gated_linear_attention.hpp>
#include <sluice/layers/mixers/mamba.hpp>
#include <sluice/layers/norms/rms_norm.hpp>

using namespace sluice;
using namespace sluice::testing;

namespace {

enum class Flaw { none, forgets, looks_ahead, wrong_gradient, allocates };

/// s_t = decay (.) s_{t-1} + u_t, y_t = s_t: the least recurrent layer, between two projections.
template <class S>
struct Leaky {
  using Scalar = S;
  Linear<S> in_proj, out_proj;
  RMSNorm<S> norm;
  Tensor<S, 1> decay;  ///< [D]
  Flaw flaw = Flaw::none;

  struct State {
    Tensor<S, 2> memory;  ///< [B, D]
    static constexpr auto fields() { return std::tuple{field("memory", &State::memory)}; }
  };

  Leaky(Index width, Rng& rng)
      : in_proj(width, width + 2, rng, {.bias = true}),
        out_proj(width + 2, width, rng),
        norm(width + 2),
        decay(width + 2) {
    fill_uniform(decay, rng, S(0.3), S(0.9));
  }

  static constexpr auto fields() {
    return std::tuple{field("in_proj", &Leaky::in_proj), field("out_proj", &Leaky::out_proj),
                      field("norm", &Leaky::norm), field("decay", &Leaky::decay)};
  }

  State initial_state(Index batch) const { return {zeros<S>(Shape<2>{batch, decay.dimension(0)})}; }

  Variable<S, 3> operator()(const Variable<S, 3>& x, State& state) const {
    return out_proj(norm(leak(in_proj(x), state)));
  }

 private:
  Variable<S, 3> leak(const Variable<S, 3>& u, State& state) const {
    const auto a = use(*u.tape, decay);
    const Flaw wrong = flaw;
    struct Kept {
      View<const S, 3> y;
      View<const S, 2> before;
    };
    return recurrent_operation(
        u.shape(), state.memory,
        [&](const View<S, 3>& y, const View<S, 2>& memory, bool) {
          const auto before = room(*u.tape, memory.shape());
          std::copy_n(memory.data(), memory.size(), before.data());
          if (flaw == Flaw::forgets && y.dim(1) == 1) state.memory.setZero();
          if (flaw == Flaw::allocates) ::operator delete(::operator new(4));
          for (Index b = 0; b < y.dim(0); ++b)
            for (Index t = 0; t < y.dim(1); ++t)
              for (Index i = 0; i < y.dim(2); ++i) {
                y(b, t, i) = memory(b, i) = a.value(i) * memory(b, i) + u.value(b, t, i);
                if (flaw == Flaw::looks_ahead && t + 1 < y.dim(1))
                  y(b, t, i) += u.value(b, t + 1, i);
              }
          return Kept{y, before};
        },
        [=](const Kept& kept, const View<const S, 3>& dy, const View<S, 2>& dmemory) {
          const S factor = wrong == Flaw::wrong_gradient ? S(1.001) : S(1);
          for (Index b = 0; b < dy.dim(0); ++b)
            for (Index i = 0; i < dy.dim(2); ++i)
              for (Index t = dy.dim(1); t-- > 0;) {
                S& ds = dmemory(b, i);
                ds += dy(b, t, i);
                const S last = t > 0 ? kept.y(b, t - 1, i) : kept.before(b, i);
                if (a.gradient) a.gradient(i) += ds * last * factor;
                if (u.gradient) u.gradient(b, t, i) += ds;
                ds *= a.value(i);
              }
        },
        u, a);
  }
};

template <class S>
Leaky<S> flawed(Flaw flaw) {
  Rng rng(3);
  Leaky<S> layer(5, rng);
  layer.flaw = flaw;
  return layer;
}

}  // namespace

TEST_CASE("a streamable layer keeps its laws in double", "[law]") {
  STATIC_REQUIRE(Streamable<Leaky<double>>);
  STATIC_REQUIRE(!Streamable<Linear<double>>);
  require_layer_laws(flawed<double>(Flaw::none), 5);
}

TEST_CASE("layers survive a file", "[law]") {
  CHECK(survives_a_file(flawed<double>(Flaw::none)));
  CHECK(survives_a_file(flawed<float>(Flaw::none)));
  Rng rng(1);
  GatedLinearAttentionConfig c;
  c.width = 8, c.num_heads = 2, c.use_short_conv = true;
  CHECK(survives_a_file(transformer_block<GatedLinearAttention<float>>(c, 12, rng)));
  CHECK(survives_a_file(Mamba<double>({.width = 8, .state_size = 4}, rng)));
}

TEST_CASE("a streamable layer keeps its laws in float", "[law]") {
  require_layer_laws(flawed<float>(Flaw::none), 5, {.fold_tolerance = 1e-6});
}

TEST_CASE("broken laws are seen", "[law]") {
  const auto x = uniform<double, 3>({2, 9, 5}, -1, 1, 4);
  const LawOptions options;
  std::string where;
  const auto good = flawed<double>(Flaw::none);
  CHECK(fold_error(good, x, {1}) < 1e-14);
  CHECK(gradient_error(good, x, options, where) < 1e-8);

  CHECK(fold_error(flawed<double>(Flaw::forgets), x, {1}) > 1e-3);
  CHECK(fold_error(flawed<double>(Flaw::forgets), x, {2, 3, 4}) < 1e-14);
  CHECK(causal(good, x, 4));
  CHECK(!causal(flawed<double>(Flaw::looks_ahead), x, 4));
  CHECK(gradient_error(flawed<double>(Flaw::wrong_gradient), x, options, where) > 1e-4);
  CHECK(where == "layer.decay");
  CHECK(warm_step_allocations(good, 2, 5) == 0);
  CHECK(warm_step_allocations(flawed<double>(Flaw::allocates), 2, 5) >= 10);
}
