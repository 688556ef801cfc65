// SPDX-License-Identifier: MIT
/// \file
/// Sizes of 0, and views with gaps, in every family that keeps a state.
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/conv.hpp>
#include <sluice/kernels/gla.hpp>
#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/ssd/discretise.hpp>
#include <sluice/kernels/ssm.hpp>

#include <array>
#include <limits>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

template <int Rank>
Tensor<float, Rank> draw(const Shape<Rank>& shape, unsigned seed) {
  return uniform<float, Rank>(shape, -1, 1, seed);
}

template <int Rank>
Tensor<float, Rank> empty_room(const Shape<Rank>& shape) {
  Tensor<float, Rank> x(shape);
  x.setConstant(nan);
  return x;
}

/// Every number is 0, and none is NaN.
template <class Tensor>
bool all_zero(const Tensor& x) {
  return std::all_of(x.data(), x.data() + x.size(), [](float v) { return v == 0; });
}

/// A tensor that lies in a wider one: `view` has a gap behind every row.
template <int Rank>
struct WithGaps {
  Tensor<float, Rank> room;
  View<float, Rank> view;

  explicit WithGaps(const Tensor<float, Rank>& x) {
    Shape<Rank> wide = shape_of(x);
    wide[Rank - 1] += 3;
    room = Tensor<float, Rank>(wide);
    room.setConstant(nan);
    view = slice(View<float, Rank>(room), Rank - 1, 0, x.dimension(Rank - 1));
    Tensor<float, Rank> copy = x;
    for_each_row([n = row_length(view)](const float* from, float* to) { std::copy_n(from, n, to); },
                 View<float, Rank>(copy), view);
  }

  Tensor<float, Rank> tensor() const {
    Tensor<float, Rank> x(view.shape());
    for_each_row([n = row_length(view)](const float* from, float* to) { std::copy_n(from, n, to); },
                 view, View<float, Rank>(x));
    return x;
  }

  /// Whether nothing has been written behind the rows.
  bool gaps_untouched() const {
    bool untouched = true;
    const View<const float, Rank> all(room);
    for_each_row(
        [&, n = row_length(all)](const float* row) {
          for (Index i = n - 3; i < n; ++i) untouched = untouched && row[i] != row[i];
        },
        all);
    return untouched;
  }
};

}  // namespace

TEST_CASE("gated linear attention of no batch, tokens, heads, keys or values", "[edges][gla]") {
  for (const auto& n : {std::array<Index, 6>{0, 5, 2, 2, 4, 4},
                        {2, 0, 2, 2, 4, 4},
                        {2, 5, 0, 0, 4, 4},
                        {2, 5, 2, 0, 4, 4},
                        {2, 40, 1, 2, 0, 4},
                        {2, 40, 2, 2, 4, 0},
                        {1, 1100, 1, 1, 0, 3},
                        {1, 1100, 1, 1, 3, 0},
                        {2, 3, 1, 1, 0, 3}})
    for (const bool bonus : {false, true}) {
      const Index B = n[0], T = n[1], H = n[2], HV = n[3], K = n[4], V = n[5];
      CAPTURE(B, T, H, HV, K, V, bonus);
      const auto q = draw<4>({B, T, H, K}, 1), k = draw<4>({B, T, H, K}, 2);
      const auto v = draw<4>({B, T, HV, V}, 3), start = draw<4>({B, HV, K, V}, 4);
      const Tensor<float, 4> g = -draw<4>({B, T, HV, K}, 5).abs();
      const auto u = draw<2>({HV, K}, 6);
      gla::Inputs<float> in{.q = q, .k = k, .v = v, .g = g};
      if (bonus) in.u = u;
      auto expected = empty_room<4>({B, T, HV, V}), state = start;
      gla::naive(in, 1, state, expected);
      const auto check = [&](const char* form, const auto& run) {
        CAPTURE(form);
        auto o = empty_room<4>({B, T, HV, V}), after = start;
        run(after, o);
        require_close("o", expected, o, 0);
        require_close("state", state, after, 0);
      };
      check("forward", [&](auto& s, auto& o) { gla::forward(in, 1, s, o); });
      check("recurrent", [&](auto& s, auto& o) { gla::recurrent(in, 1, s, o); });
      check("blocked", [&](auto& s, auto& o) { gla::blocked(in, 1, s, o); });
      check("chunkwise", [&](auto& s, auto& o) { gla::chunkwise(in, 1, 16, s, o); });

      Tensor<float, 4> saved(gla::saved_states(in), HV, K, V), o = expected, after = start;
      gla::forward(in, 1, after, o, {}, saved);
      auto dq = empty_room<4>({B, T, H, K}), dk = dq, dg = empty_room<4>({B, T, HV, K});
      auto dv = empty_room<4>({B, T, HV, V}), dstate = start;
      const auto dout = draw<4>({B, T, HV, V}, 7);
      gla::backward(in, 1, saved, dout, dstate, {.dq = dq, .dk = dk, .dv = dv, .dg = dg});
      CHECK(all_zero(dq));
      CHECK(all_zero(dk));
      CHECK(all_zero(dv));
      CHECK(all_zero(dg));
      require_close("dstate", start, dstate, 0);
      dq.setConstant(2);
      gla::backward(in, 1, saved, dout, dstate, {.dq = dq, .accumulate = true});
      const Tensor<float, 4> twos = dq.constant(2);
      require_close("dq", twos, dq, 0);
    }
}

TEST_CASE("the selective scan of no batch, tokens, channels or states", "[edges][ssm]") {
  for (const auto& n : {std::array<Index, 4>{0, 5, 4, 3},
                        {2, 0, 4, 3},
                        {2, 5, 0, 3},
                        {2, 21, 19, 0},
                        {2, 1, 4, 0},
                        {1, 1100, 3, 0}})
    for (const bool complex : {false, true}) {
      const Index batch = n[0], T = n[1], channels = n[2], states = n[3];
      CAPTURE(batch, T, channels, states, complex);
      const Index rows = complex ? 2 * states : states;
      const auto x = draw<3>({batch, T, channels}, 1), z = draw<3>({batch, T, channels}, 2);
      const Tensor<float, 3> dt = draw<3>({batch, T, channels}, 3).abs();
      const Tensor<float, 2> A = -draw<2>({rows, channels}, 4).abs();
      const auto B = draw<3>({batch, T, rows}, 5), start = draw<3>({batch, rows, channels}, 6);
      const auto D = draw<1>({channels}, 7);
      ssm::Inputs<float> in{.x = x, .dt = dt, .A = A, .B = B, .C = B, .D = D, .z = z};
      in.complex = complex;
      auto expected = empty_room<3>({batch, T, channels}), state = start;
      ssm::naive(in, state, expected);
      const auto check = [&](const char* form, const auto& run) {
        CAPTURE(form);
        auto y = empty_room<3>({batch, T, channels}), after = start;
        run(after, y);
        require_close("y", expected, y, 1e-6);  // of silu
        require_close("state", state, after, 0);
      };
      check("forward", [&](auto& s, auto& y) { ssm::forward(in, s, y); });
      check("recurrent", [&](auto& s, auto& y) { ssm::recurrent(in, s, y); });
      check("chunkwise", [&](auto& s, auto& y) { ssm::chunkwise(in, 16, s, y); });

      Tensor<float, 3> saved(ssm::saved_states(in), rows, channels), y = expected, after = start;
      ssm::forward(in, after, y, {}, saved);
      auto dx = empty_room<3>({batch, T, channels}), ddt = dx, dz = dx, dstate = start;
      auto dB = empty_room<3>({batch, T, rows}), dC = dB;
      Tensor<float, 1> dD(channels);
      dD.setZero();
      ssm::Gradients<float> grads{.dx = dx, .ddt = ddt, .dB = dB, .dC = dC, .dD = dD, .dz = dz};
      ssm::backward(in, saved, x, dstate, grads);
      // Without states y = D x silu(z), and the loss is <y, x>.
      auto by_x = dx, by_z = dz, zero = ddt;
      Tensor<float, 1> by_D(channels);
      by_D.setZero(), zero.setZero();
      for (Index i = 0; i < x.size(); ++i) {
        const float d = D(i % channels), s = 1 / (1 + std::exp(-z.data()[i])), a = x.data()[i];
        by_x.data()[i] = a * d * z.data()[i] * s;
        by_z.data()[i] = a * a * d * s * (1 + z.data()[i] * (1 - s));
        by_D(i % channels) += a * a * z.data()[i] * s;
      }
      require_close("dx", by_x, dx, 1e-6);
      require_close("dz", by_z, dz, 1e-6);
      require_close("ddt", zero, ddt, 0);
      require_close("dD", by_D, dD, 1e-5);  // a sum of up to a thousand
      require_close("dstate", start, dstate, 0);
      CHECK(all_zero(dB));
      CHECK(all_zero(dC));
    }
}

TEST_CASE("the convolution of no batch, tokens or channels", "[edges][conv]") {
  for (const auto& [B, T, D] : {std::array<Index, 3>{0, 5, 4}, {2, 0, 4}, {2, 5, 0}}) {
    CAPTURE(B, T, D);
    const auto x = draw<3>({B, T, D}, 1), start = draw<3>({B, 3, D}, 2);
    const auto weight = draw<2>({D, 4}, 3);
    auto y = empty_room<3>({B, T, D}), state = start, dx = y, dstate = start;
    Tensor<float, 2> dweight(D, 4);
    dweight.setZero();
    conv::forward({.x = x, .weight = weight}, state, y);
    require_close("state", start, state, 0);
    conv::backward({.x = x, .weight = weight}, start, y, dstate, {.dx = dx, .dweight = dweight});
    require_close("dstate", start, dstate, 0);
    CHECK(all_zero(dweight));
  }
}

TEST_CASE("the normaliser of no heads or keys", "[edges][normaliser]") {
  for (const auto& [H, K] : {std::array<Index, 2>{0, 4}, {2, 0}}) {
    CAPTURE(H, K);
    const auto q = draw<4>({2, 3, H, K}, 1);
    auto sum = draw<4>({2, 1, H, K}, 2);
    auto weight = empty_room<3>({2, 3, H});
    gla::normaliser(q, q, sum, weight);
    CHECK(all_zero(weight));
    auto dsum = sum, dq = q;
    gla::normaliser_backward(q, q, sum, weight, dsum, dq, dq);
  }
}

TEST_CASE("steps and linear layers of size 0", "[edges]") {
  const auto x = draw<4>({2, 3, 2, 0}, 1);
  const auto dt = draw<3>({2, 3, 2}, 2);
  const auto A = draw<1>({2}, 3);
  Tensor<float, 4> v(2, 3, 2, 0);
  auto g = empty_room<3>({2, 3, 2});
  ssd::discretise({.x = x, .dt = dt, .A = A}, v, g);
  CHECK(g(1, 2, 1) < 0);

  for (const auto& [rows, in, out] :
       {std::array<Index, 3>{0, 4, 5}, {3, 0, 5}, {3, 4, 0}, {20, 0, 5}, {20, 4, 0}}) {
    CAPTURE(rows, in, out);
    const auto input = draw<2>({rows, in}, 1), weight = draw<2>({out, in}, 2);
    const auto bias = draw<1>({out}, 3);
    auto y = empty_room<2>({rows, out});
    kernels::linear(input, weight, bias, y);
    for (Index i = 0; i < y.size(); ++i) CHECK(y.data()[i] == bias(i % out));
    auto dx = input, dweight = weight;
    kernels::linear_backward(input, weight, y, dx, dweight, {});
    require_close("dx", input, dx, 0);
    require_close("dweight", weight, dweight, 0);
  }
}

TEST_CASE("states of gated linear attention with gaps are refused by name", "[edges][error]") {
  const auto q = draw<4>({1, 40, 1, 4}, 1);
  const gla::Inputs<float> in{.q = q, .k = q, .v = q};
  const auto start = draw<4>({1, 1, 4, 4}, 2);
  Tensor<float, 4> o(1, 40, 1, 4), state = start, saved(2, 1, 4, 4), dstate = start;
  gla::forward(in, 1, state, o, {}, saved);
  WithGaps<4> gaps(saved), state_gaps(start);
  const auto refused = [](const char* where, const char* what) {
    return std::string(where) + ": " + what + " must be contiguous, got a strided view";
  };
  for (const auto& kernel : {0, 1}) {
    CAPTURE(kernel);
    const auto run = [&](View<float, 4> s, View<float, 4> to) {
      kernel == 0 ? gla::forward(in, 1, s, o, {}, to) : gla::blocked(in, 1, s, o, {}, to);
    };
    CHECK_THROWS_WITH(run(state, gaps.view), refused("gla::blocked", "saved"));
    CHECK_THROWS_WITH(run(state_gaps.view, {}), refused("gla::blocked", "state"));
  }
  CHECK(gaps.gaps_untouched());
  CHECK_THROWS_WITH(gla::recurrent(in, 1, state_gaps.view, o), refused("gla::recurrent", "state"));
  CHECK_THROWS_WITH(gla::chunkwise(in, 1, 8, state_gaps.view, o),
                    refused("gla::chunkwise", "state"));
  CHECK_THROWS_WITH(gla::backward(in, 1, gaps.view, o, dstate, {}),
                    refused("gla::backward", "saved"));
  CHECK_THROWS_WITH(gla::backward(in, 1, saved, o, state_gaps.view, {}),
                    refused("gla::backward", "dstate"));
  require_close("dstate", start, dstate, 0);
}

TEST_CASE("a scan reads and writes views with gaps where they are", "[edges][ssm]") {
  const Index channels = GENERATE(5, 16, 37);
  const auto x = draw<3>({2, 21, channels}, 1), z = draw<3>({2, 21, channels}, 2);
  const Tensor<float, 3> dt = draw<3>({2, 21, channels}, 3).abs();
  const Tensor<float, 2> A = -draw<2>({6, channels}, 4).abs();
  const auto B = draw<3>({2, 21, 6}, 5), start = draw<3>({2, 6, channels}, 6);
  const auto C = draw<2>({6, channels}, 7);
  for (const bool complex : {false, true}) {
    CAPTURE(channels, complex);
    ssm::Inputs<float> in{.x = x, .dt = dt, .A = A, .B = B, .C = C, .z = z}, loose = in;
    in.complex = loose.complex = complex;
    const WithGaps<3> gx(x), gz(z), gdt(dt), gB(B);
    const WithGaps<2> gA(A), gC(C);
    loose.x = gx.view, loose.z = gz.view, loose.dt = gdt.view, loose.A = gA.view;
    loose.B = gB.view, loose.C = gC.view;
    Tensor<float, 3> y(2, 21, channels), saved(ssm::saved_states(in), 6, channels), state = start;
    WithGaps<3> gy(y), gsaved(saved), gstate(start);
    for (const bool save : {false, true}) {
      state = start, gstate = WithGaps<3>(start);
      ssm::forward(in, state, y, {}, save ? View<float, 3>(saved) : View<float, 3>());
      ssm::forward(loose, gstate.view, gy.view, {}, save ? gsaved.view : View<float, 3>());
      require_close("y", y, gy.tensor(), 0);
      require_close("state", state, gstate.tensor(), 0);
      CHECK((gy.gaps_untouched() && gstate.gaps_untouched()));
    }
    require_close("saved", saved, gsaved.tensor(), 0);
    CHECK(gsaved.gaps_untouched());
    Tensor<float, 3> dx = x, dB = B, dstate = start;
    Tensor<float, 2> dA = A, dC = C;
    WithGaps<3> gdx(dx), gdB(dB), gdstate(dstate);
    WithGaps<2> gdA(dA), gdC(dC);
    ssm::backward(in, saved, y, dstate, {.dx = dx, .dA = dA, .dB = dB, .dC = dC});
    ssm::backward(loose, gsaved.view, gy.view, gdstate.view,
                  {.dx = gdx.view, .dA = gdA.view, .dB = gdB.view, .dC = gdC.view});
    require_close("dx", dx, gdx.tensor(), 0);
    require_close("dA", dA, gdA.tensor(), 0);
    require_close("dB", dB, gdB.tensor(), 0);
    require_close("dC", dC, gdC.tensor(), 0);
    require_close("dstate", dstate, gdstate.tensor(), 0);
    CHECK((gdx.gaps_untouched() && gdA.gaps_untouched() && gdB.gaps_untouched()));
    CHECK((gdC.gaps_untouched() && gdstate.gaps_untouched()));
  }
}

TEST_CASE("a convolution reads and writes views with gaps where they are", "[edges][conv]") {
  const auto x = draw<3>({2, 21, 7}, 1), start = draw<3>({2, 3, 7}, 2);
  const auto weight = draw<2>({7, 4}, 3);
  Tensor<float, 3> y(2, 21, 7), state = start, dx = x, dstate = start;
  Tensor<float, 2> dweight = weight;
  const WithGaps<3> gx(x), gstart(start);
  WithGaps<3> gy(y), gstate(start), gdx(x), gdstate(start);
  const WithGaps<2> gweight(weight);
  WithGaps<2> gdweight(weight);
  conv::forward({.x = x, .weight = weight}, state, y);
  conv::forward({.x = gx.view, .weight = gweight.view}, gstate.view, gy.view);
  require_close("y", y, gy.tensor(), 0);
  require_close("state", state, gstate.tensor(), 0);
  conv::backward({.x = x, .weight = weight}, start, y, dstate, {.dx = dx, .dweight = dweight});
  conv::backward({.x = gx.view, .weight = gweight.view}, gstart.view, gy.view, gdstate.view,
                 {.dx = gdx.view, .dweight = gdweight.view});
  require_close("dx", dx, gdx.tensor(), 0);
  require_close("dweight", dweight, gdweight.tensor(), 0);
  require_close("dstate", dstate, gdstate.tensor(), 0);
  CHECK((gy.gaps_untouched() && gstate.gaps_untouched() && gdx.gaps_untouched()));
  CHECK((gdweight.gaps_untouched() && gdstate.gaps_untouched()));
}

TEST_CASE("the normaliser reads and writes views with gaps where they are", "[edges][normaliser]") {
  const auto q = draw<4>({2, 3, 2, 5}, 1), k = draw<4>({2, 3, 2, 5}, 2);
  const auto start = draw<4>({2, 1, 2, 5}, 3);
  Tensor<float, 3> weight(2, 3, 2);
  auto sum = start, dsum = start, dq = q, dk = k;
  const WithGaps<4> gq(q), gk(k);
  WithGaps<4> gsum(start), gdsum(start), gdq(q), gdk(k);
  WithGaps<3> gweight(weight);
  gla::normaliser(q, k, sum, weight);
  gla::normaliser(gq.view, gk.view, gsum.view, gweight.view);
  require_close("weight", weight, gweight.tensor(), 0);
  require_close("key_sum", sum, gsum.tensor(), 0);
  gla::normaliser_backward(q, k, sum, weight, dsum, dq, dk);
  gla::normaliser_backward(gq.view, gk.view, gsum.view, gweight.view, gdsum.view, gdq.view,
                           gdk.view);
  require_close("dq", dq, gdq.tensor(), 0);
  require_close("dk", dk, gdk.tensor(), 0);
  require_close("dkey_sum", dsum, gdsum.tensor(), 0);
  CHECK((gweight.gaps_untouched() && gsum.gaps_untouched() && gdsum.gaps_untouched()));
  CHECK((gdq.gaps_untouched() && gdk.gaps_untouched()));
}
