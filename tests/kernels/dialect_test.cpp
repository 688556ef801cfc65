// SPDX-License-Identifier: MIT
/// \file
/// How every family of kernels is called: tensors and views alike, inputs in braces, numbers of any
/// type. Most of this test is that it compiles; that the calls do the same is checked too.
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/activation/activation.hpp>
#include <sluice/kernels/conv.hpp>
#include <sluice/kernels/elementwise/rows.hpp>
#include <sluice/kernels/gla.hpp>
#include <sluice/kernels/linear/backward.hpp>
#include <sluice/kernels/loss/cross_entropy.hpp>
#include <sluice/kernels/norm/gated_rms_norm.hpp>
#include <sluice/kernels/norm/layer_norm.hpp>
#include <sluice/kernels/norm/rms_norm.hpp>
#include <sluice/kernels/rotary/rotary.hpp>
#include <sluice/kernels/ssd/discretise.hpp>
#include <sluice/kernels/ssd/skip.hpp>
#include <sluice/kernels/ssm.hpp>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

template <int Rank>
Tensor<float, Rank> draw(const Shape<Rank>& shape, unsigned seed) {
  return uniform<float, Rank>(shape, -1, 1, seed);
}

}  // namespace

TEST_CASE("gated linear attention takes braces and numbers of any type", "[dialect]") {
  const auto q = draw<4>({2, 9, 1, 4}, 1), k = draw<4>({2, 9, 1, 4}, 2);
  const auto v = draw<4>({2, 9, 1, 5}, 3), start = draw<4>({2, 1, 4, 5}, 4);
  Tensor<float, 4> o(2, 9, 1, 5), expected(2, 9, 1, 5), saved(2, 1, 4, 5), state = start;
  gla::forward(gla::Inputs<float>{.q = q, .k = k, .v = v}, 0.125f, View<float, 4>(state),
               View<float, 4>(expected));
  const auto restart = [&] { state = start, o.setZero(); };
  const auto same = [&](const char* name) { require_close(name, expected, o, 1e-5); };
  restart(), gla::forward({.q = q, .k = k, .v = v}, 0.125, state, o), same("forward");
  restart(), gla::recurrent({.q = q, .k = k, .v = v}, 0.125, state, o), same("recurrent");
  restart(), gla::chunkwise({.q = q, .k = k, .v = v}, 0.125, 16, state, o), same("chunkwise");
  restart(), gla::naive({.q = q, .k = k, .v = v}, 0.125, state, o), same("naive");
  restart(), gla::blocked({.q = q, .k = k, .v = v}, 0.125, state, o, {}, saved), same("blocked");
  restart(), gla::forward<simd::DefaultArch, float>({.q = q, .k = k, .v = v}, 0.125, state, o);
  same("a scalar that is named");
  const auto dout = draw<4>({2, 9, 1, 5}, 5);
  auto dstate = draw<4>({2, 1, 4, 5}, 6), once_more = dstate, dq = q, as_views = q;
  gla::backward({.q = q, .k = k, .v = v}, 0.125, saved, dout, dstate, {.dq = dq});
  gla::backward(gla::Inputs<float>{.q = q, .k = k, .v = v}, 0.125f, View<const float, 4>(saved),
                View<const float, 4>(dout), View<float, 4>(once_more),
                gla::Gradients<float>{.dq = as_views});
  require_close("dq", as_views, dq, 0);
  require_close("dstate", once_more, dstate, 0);
}

TEST_CASE("the normaliser takes tensors and numbers of any type", "[dialect]") {
  const auto q = draw<4>({2, 3, 1, 4}, 1), k = draw<4>({2, 3, 1, 4}, 2);
  auto sum = draw<4>({2, 1, 1, 4}, 3);
  Tensor<float, 3> weight(2, 3, 1), dweight(2, 3, 1);
  gla::normaliser(q, k, sum, weight);
  Tensor<float, 4> o(2, 3, 1, 4), dq = q, dsum = sum, dnumerator = q;
  gla::divide_heads(q, weight, o);
  CHECK(o(1, 2, 0, 3) == Approx(q(1, 2, 0, 3) / weight(1, 2, 0)).epsilon(1e-6));
  dweight.setZero();
  gla::divide_heads_backward(o, weight, o, dnumerator, dweight);
  gla::normaliser_backward(q, k, sum, dweight, dsum, dq, {});
}

TEST_CASE("the selective scan takes braces and numbers of any type", "[dialect]") {
  const auto x = draw<3>({2, 9, 5}, 1);
  Tensor<float, 3> dt = draw<3>({2, 9, 5}, 2).abs();
  const Tensor<float, 2> A = -draw<2>({3, 5}, 3).abs();
  const auto B = draw<3>({2, 9, 3}, 4), start = draw<3>({2, 3, 5}, 5);
  Tensor<float, 3> y(2, 9, 5), expected(2, 9, 5), state = start, saved(4, 3, 5);
  ssm::forward(ssm::Inputs<float>{.x = x, .dt = dt, .A = A, .B = B, .C = B}, View<float, 3>(state),
               View<float, 3>(expected));
  const auto restart = [&] { state = start, y.setZero(); };
  const auto same = [&](const char* name) { require_close(name, expected, y, 1e-5); };
  restart(), ssm::forward({.x = x, .dt = dt, .A = A, .B = B, .C = B}, state, y, {}, saved);
  same("forward");
  restart(), ssm::recurrent({.x = x, .dt = dt, .A = A, .B = B, .C = B}, state, y);
  same("recurrent");
  restart(), ssm::chunkwise({.x = x, .dt = dt, .A = A, .B = B, .C = B}, 4, state, y);
  same("chunkwise");
  restart(), ssm::naive({.x = x, .dt = dt, .A = A, .B = B, .C = B}, state, y), same("naive");
  auto dstate = draw<3>({2, 3, 5}, 6), dx = x;
  ssm::backward({.x = x, .dt = dt, .A = A, .B = B, .C = B}, saved, y, dstate, {.dx = dx});
  Tensor<float, 3> one(2, 1, 5), gate = -dt;
  state = Tensor<float, 3>(2, 1, 5).setZero();
  ssm::forward(ssm::gated_recurrence(x, gate), state, y);
  state.setZero();
  const Tensor<float, 3> first = testing::slice_tokens(x, 0, 1), g = -first.abs();
  ssm::step(ssm::gated_recurrence(first, g), state, one);
  require_close("the first token", testing::slice_tokens(y, 0, 1), one, 1e-6);
}

TEST_CASE("the convolution takes braces", "[dialect]") {
  const auto x = draw<3>({2, 9, 5}, 1), start = draw<3>({2, 3, 5}, 2);
  const auto weight = draw<2>({5, 4}, 3);
  Tensor<float, 3> y(2, 9, 5), expected(2, 9, 5), state = start;
  conv::forward(conv::Inputs<float>{.x = x, .weight = weight}, View<float, 3>(state),
                View<float, 3>(expected));
  state = start, conv::forward({.x = x, .weight = weight}, state, y);
  require_close("forward", expected, y, 0);
  state = start, conv::naive({.x = x, .weight = weight}, state, y);
  require_close("naive", expected, y, 1e-6);
  auto dx = x;
  conv::backward({.x = x, .weight = weight}, start, y, {}, {.dx = dx});
  const Tensor<float, 3> token = testing::slice_tokens(x, 0, 1);
  Tensor<float, 3> out(2, 1, 5);
  state = start, conv::step({.x = token, .weight = weight}, state, out);
  require_close("step", testing::slice_tokens(expected, 0, 1), out, 0);
}

TEST_CASE("the steps of Mamba-2 take braces", "[dialect]") {
  const auto x = draw<4>({2, 3, 2, 4}, 1);
  const auto dt = draw<3>({2, 3, 2}, 2);
  const auto A = draw<1>({2}, 3);
  const auto D = draw<2>({2, 1}, 4);
  Tensor<float, 4> v(2, 3, 2, 4), dx = x, out = x;
  Tensor<float, 3> g(2, 3, 2);
  ssd::discretise({.x = x, .dt = dt, .A = A, .dt_max = 4}, v, g);
  CHECK(g(0, 0, 0) < 0);
  dx.setZero();
  ssd::discretise_backward({.x = x, .dt = dt, .A = A}, v, g, {.dx = dx});
  ssd::add_skip(v, x, D, out);
  CHECK(out(1, 2, 1, 3) == Approx(v(1, 2, 1, 3) + D(1, 0) * x(1, 2, 1, 3)).epsilon(1e-6));
  ssd::add_skip_backward(x, D, v, dx, {});
}

TEST_CASE("the linear layer takes tensors", "[dialect]") {
  const auto x = draw<2>({3, 4}, 1), weight = draw<2>({5, 4}, 2);
  const auto bias = draw<1>({5}, 3);
  Tensor<float, 2> y(3, 5), with_views(3, 5), dx = x;
  kernels::linear(x, weight, bias, y);
  kernels::linear(View<const float, 2>(x), weight, View<const float, 1>(bias),
                  View<float, 2>(with_views));
  require_close("y", with_views, y, 0);
  kernels::linear_backward(x, weight, y, dx, {}, {});
}

TEST_CASE("norms take tensors and numbers of any type", "[dialect]") {
  const auto x = draw<3>({2, 3, 5}, 1), z = draw<3>({2, 3, 5}, 2);
  const auto weight = draw<1>({5}, 3);
  Tensor<float, 3> y(2, 3, 5), with_views(2, 3, 5), dx = x;
  kernels::rms_norm(x, weight, 1e-6, y);
  kernels::rms_norm(View<const float, 3>(x), View<const float, 1>(weight), 1e-6f,
                    View<float, 3>(with_views));
  require_close("rms", with_views, y, 0);
  kernels::rms_norm_backward(x, weight, 1e-6, z, dx, {});
  kernels::layer_norm(x, weight, {}, 1e-5, y);
  kernels::layer_norm_backward(x, weight, 1e-5, z, dx, {}, {});
  kernels::gated_rms_norm(x, z, weight, {.group_size = 5, .activation = Activation::sigmoid}, y);
  kernels::gated_rms_norm_backward(x, z, weight, {}, y, dx, {}, {});
  CHECK_THROWS_WITH(kernels::gated_rms_norm(x, z, weight, {.activation = Activation::relu}, y),
                    "gated_rms_norm: activation must be silu or sigmoid, got another");
}

TEST_CASE("elementwise kernels take tensors and numbers of any type", "[dialect]") {
  const auto x = draw<3>({2, 3, 5}, 1), z = draw<3>({2, 3, 5}, 2);
  const auto row = draw<1>({5}, 3);
  Tensor<float, 3> y(2, 3, 5);
  kernels::add(x, z, y);
  CHECK(y(1, 2, 4) == x(1, 2, 4) + z(1, 2, 4));
  kernels::affine(x, 0.5, 2, y);
  CHECK(y(1, 2, 4) == 0.5f * x(1, 2, 4) + 2);
  kernels::add_scaled(x, 0.5, y);
  kernels::add_row(x, row, y);
  CHECK(y(1, 2, 4) == x(1, 2, 4) + row(4));
  Tensor<float, 1> sum(5);
  sum.setZero();
  kernels::add_rows(x, sum);
  kernels::add_row_products(x, z, sum);
  kernels::activation(kernels::Relu{}, x, y);
  CHECK(y(1, 2, 4) == std::max(x(1, 2, 4), 0.f));
  kernels::activation(Activation::relu, x, y);
  CHECK(y(1, 2, 4) == std::max(x(1, 2, 4), 0.f));
  kernels::gated(Activation::identity, x, z, y);
  CHECK(y(1, 2, 4) == x(1, 2, 4) * z(1, 2, 4));
  auto dx = x;
  kernels::activation_backward(Activation::relu, x, z, dx);
  kernels::gated_backward(Activation::silu, x, z, y, dx, {});
}

TEST_CASE("losses and rotary embeddings take tensors", "[dialect]") {
  const auto x = draw<3>({2, 3, 6}, 1), target = draw<3>({2, 3, 6}, 2);
  const auto error = kernels::pointwise_loss(kernels::SquaredError{}, x, target, {});
  CHECK(error.weight == 36);
  auto dx = x;
  kernels::pointwise_loss_backward(kernels::SquaredError{}, x, target, {}, 1 / error.weight, dx);
  Tensor<std::int64_t, 2> ids(2, 3);
  ids.setConstant(4);
  Tensor<float, 1> norms(6);
  CHECK(kernels::cross_entropy(x, ids, {}, norms).weight == 6);
  kernels::cross_entropy_backward(x, ids, {}, norms, 0.5, dx);
  const auto q = draw<4>({2, 3, 1, 6}, 3);
  Tensor<float, 4> turned = q;
  Tensor<float, 2> cosine(3, 3), sine(3, 3);
  kernels::rotary_angles(0, 100, cosine, sine);
  kernels::rotary(q, cosine, sine, turned);
  CHECK(turned(1, 0, 0, 5) == q(1, 0, 0, 5));
  kernels::rotary_backward(q, cosine, sine, turned);
}
