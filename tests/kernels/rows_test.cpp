// SPDX-License-Identifier: MIT
/// \file
/// Kernels that have forgotten the rank of their operands: folding, strides of 0, threads.
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/activation/activation.hpp>
#include <sluice/kernels/common/rows.hpp>
#include <sluice/kernels/elementwise/rows.hpp>
#include <sluice/kernels/norm/gated_rms_norm.hpp>
#include <sluice/kernels/norm/layer_norm.hpp>
#include <sluice/kernels/norm/rms_norm.hpp>
#include <sluice/kernels/rotary/rotary.hpp>
#include <sluice/parallel/thread_team.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

template <int Rank>
Tensor<float, Rank> draw(const Shape<Rank>& shape, unsigned seed) {
  return uniform<float, Rank>(shape, -1, 1, seed);
}

template <class Tensor>
bool same_bits(const Tensor& a, const Tensor& b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), sizeof(float) * std::size_t(a.size())) == 0;
}

/// [D] as [A, B, D] whose rows are all the same memory.
template <class T>
View<T, 3> repeated(T* row, Index A, Index B, Index D) {
  return {row, {A, B, D}, {0, 0, 1}};
}

}  // namespace

TEST_CASE("leading axes are folded where one stride walks them", "[rows]") {
  const Tensor<float, 5> x(2, 3, 1, 4, 5);
  const View<const float, 5> all(x);
  const auto whole = common::rows_of(all);
  CHECK(whole.width == 5);
  CHECK(whole.count() == 24);
  CHECK(whole.shape[3] == 24);
  CHECK(whole.stride[0][3] == 5);

  const auto part = common::rows_of(slice(all, 3, 1, 2));  // two of four rows
  CHECK(part.count() == 12);
  CHECK(part.shape[3] == 2);
  CHECK(part.shape[2] == 6);
  CHECK(part.stride[0][2] == 20);

  const auto two = common::rows_of(all, slice(all, 1, 0, 3));
  CHECK(two.shape[3] == 24);
  const auto absent = common::rows_of(all, View<const float, 5>());
  CHECK(absent.shape[3] == 24);
  CHECK(absent.stride[1][3] == 0);
  CHECK(common::spans_of(all, all).width == 120);
  CHECK(common::spans_of(all, slice(all, 3, 1, 2)).width == 5);
  CHECK(common::rows_of(View<const float, 0>(x.data(), {})).width == 1);
}

TEST_CASE("ranges of rows are met once and in order", "[rows]") {
  const Index cut = GENERATE(0, 1, 5, 6, 7, 29, 30);
  // Axes [2, 3, 5] with gaps, so that none folds.
  const std::vector<float> memory(1000);
  const View<const float, 4> x(memory.data(), {2, 3, 5, 2}, {400, 100, 7, 1});
  const View<const float, 4> y(memory.data(), {2, 3, 5, 2}, {0, 0, 2, 1});
  const auto rows = common::rows_of(x, y, View<const float, 4>());
  REQUIRE(rows.count() == 30);
  CHECK(rows.distinct(0));
  CHECK(!rows.distinct(1));
  std::vector<std::pair<Index, Index>> met;
  const auto meet = [&](const float* p, const float* q, const float* none) {
    CHECK(none == nullptr);
    met.push_back({p - memory.data(), q - memory.data()});
  };
  const float* const absent = nullptr;
  common::for_each_row(rows, 0, cut, meet, x.data(), y.data(), absent);
  common::for_each_row(rows, cut, 30, meet, x.data(), y.data(), absent);
  std::vector<std::pair<Index, Index>> expected;
  for (Index a = 0; a < 2; ++a)
    for (Index b = 0; b < 3; ++b)
      for (Index c = 0; c < 5; ++c) expected.push_back({a * 400 + b * 100 + c * 7, c * 2});
  CHECK(met == expected);
}

TEST_CASE("a stride of 0 repeats rows, and adds up a result", "[rows]") {
  const Index A = 3, B = 4, D = GENERATE(1, 19, 64);
  const auto x = draw<3>({A, B, D}, 1);
  auto row = draw<1>({D}, 2);
  const auto many = repeated<const float>(row.data(), A, B, D);
  Tensor<float, 3> y(A, B, D), expected(A, B, D);
  kernels::add(x, many, y);
  kernels::add_row(x, row, expected);
  CHECK(same_bits(expected, y));
  kernels::multiply(many, x, y);
  kernels::multiply_row(x, row, expected);
  CHECK(same_bits(expected, y));
  kernels::gated(Activation::silu, many, x, y);
  for (Index i = 0; i < x.size(); ++i) {
    const float z = row(i % D);
    CHECK(std::abs(y.data()[i] - z / (1 + std::exp(-z)) * x.data()[i]) < 1e-6);
  }
  Tensor<float, 1> sum(D), rows(D);
  sum.setConstant(2), rows.setConstant(2);
  kernels::add_scaled(x, 1, repeated(sum.data(), A, B, D));
  kernels::add_rows(x, rows);
  CHECK(same_bits(rows, sum));
  for (Index d = 0; d < D; ++d) {
    float total = 2;
    for (Index n = 0; n < A * B; ++n) total += x.data()[n * D + d];
    CHECK(sum(d) == total);  // in the order of the rows
  }
  // One axis repeats, the other does not.
  const auto tokens = draw<2>({B, D}, 3);
  const View<const float, 3> over_batch(tokens.data(), {A, B, D}, {0, D, 1});
  kernels::subtract(x, over_batch, y);
  for (Index a = 0; a < A; ++a)
    for (Index b = 0; b < B; ++b)
      for (Index d = 0; d < D; ++d) CHECK(y(a, b, d) == x(a, b, d) - tokens(b, d));
  Tensor<float, 2> dtokens(B, D);
  dtokens.setZero();
  kernels::add_product(x, x, View<float, 3>(dtokens.data(), {A, B, D}, {0, D, 1}));
  for (Index b = 0; b < B; ++b) {
    const float all = x(0, b, 0) * x(0, b, 0) + x(1, b, 0) * x(1, b, 0) + x(2, b, 0) * x(2, b, 0);
    CHECK(std::abs(dtokens(b, 0) - all) < 1e-6);
  }
}

TEST_CASE("threads change no bit of kernels over rows", "[rows]") {
  ThreadTeam team(3);
  const Workspace shared{Executor(team)}, alone;
  // Enough numbers to share, in one piece and with gaps.
  const Index D = GENERATE(97, 1024);
  const auto wide = draw<3>({3, 401, D + 3}, 1), wide_z = draw<3>({3, 401, D + 3}, 2);
  const auto w = draw<1>({D}, 3);
  for (const bool gaps : {false, true}) {
    CAPTURE(D, gaps);
    const auto part = [&](const Tensor<float, 3>& from) {
      return gaps ? slice(View<const float, 3>(from), 2, 1, D)
                  : View<const float, 3>(from.data(), {3, 401, D});
    };
    const auto x = part(wide), z = part(wide_z);
    const auto check = [&](const char* name, const auto& run) {
      CAPTURE(name);
      auto one = draw<3>({3, 401, D}, 4), many = one, one_more = draw<3>({3, 401, D}, 5);
      auto many_more = one_more;
      run(View<float, 3>(one), View<float, 3>(one_more), alone);
      run(View<float, 3>(many), View<float, 3>(many_more), shared);
      CHECK(same_bits(one, many));
      CHECK(same_bits(one_more, many_more));
    };
    check("activation",
          [&](auto y, auto, const auto& s) { kernels::activation(Activation::gelu, x, y, s); });
    check("activation_backward", [&](auto y, auto, const auto& s) {
      kernels::activation_backward(Activation::silu, x, z, y, s);
    });
    check("gated",
          [&](auto y, auto, const auto& s) { kernels::gated(Activation::silu, x, z, y, s); });
    check("gated_backward", [&](auto y, auto v, const auto& s) {
      kernels::gated_backward(Activation::silu, x, z, x, y, v, s);
    });
    check("add", [&](auto y, auto, const auto& s) { kernels::add(x, z, y, s); });
    check("affine", [&](auto y, auto, const auto& s) { kernels::affine(x, 2, 3, y, s); });
    check("add_scaled", [&](auto y, auto, const auto& s) { kernels::add_scaled(x, 2, y, s); });
    check("add_row", [&](auto y, auto, const auto& s) { kernels::add_row(x, w, y, s); });
    check("add_rows", [&](auto y, auto, const auto& s) {
      kernels::add_rows(x, View<float, 1>(y.data(), {D}), s);
    });
    check("add_row_products", [&](auto y, auto, const auto& s) {
      kernels::add_row_products(x, z, View<float, 1>(y.data(), {D}), s);
    });
    check("rms_norm", [&](auto y, auto, const auto& s) { kernels::rms_norm(x, w, 1e-6, y, s); });
    for (const bool weight : {false, true}) {
      const auto dw = [&](auto v) { return View<float, 1>(weight ? v.data() : nullptr, {D}); };
      check("rms_norm_backward", [&](auto y, auto v, const auto& s) {
        kernels::rms_norm_backward(x, w, 1e-6, z, y, dw(v), s);
      });
      check("layer_norm_backward", [&](auto y, auto v, const auto& s) {
        kernels::layer_norm_backward(x, w, 1e-6, z, y, {}, dw(v), s);
      });
      check("gated_rms_norm_backward", [&](auto y, auto v, const auto& s) {
        kernels::gated_rms_norm_backward(x, z, w, {}, z, y, {}, dw(v), s);
      });
    }
    check("layer_norm",
          [&](auto y, auto, const auto& s) { kernels::layer_norm(x, w, {}, 1e-6, y, s); });
    check("gated_rms_norm",
          [&](auto y, auto, const auto& s) { kernels::gated_rms_norm(x, z, w, {}, y, s); });
  }
}

TEST_CASE("a rotary embedding of any rank turns heads alike", "[rows]") {
  const auto x = draw<5>({2, 3, 4, 2, 6}, 1);
  Tensor<float, 2> cosine(4, 3), sine(4, 3);
  kernels::rotary_angles(5, 100, cosine, sine);
  Tensor<float, 5> y(2, 3, 4, 2, 6), dx = x;
  kernels::rotary(x, cosine, sine, y);
  dx.setZero();
  kernels::rotary_backward(y, cosine, sine, dx);
  require_close("turned back", x, dx, 1e-6);
  const Tensor<float, 4> first = x.chip(1, 1);
  Tensor<float, 4> turned(2, 4, 2, 6);
  kernels::rotary(first, cosine, sine, turned);
  const Tensor<float, 4> among_others = y.chip(1, 1);
  CHECK(same_bits(turned, among_others));
}
