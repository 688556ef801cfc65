// SPDX-License-Identifier: MIT
/// \file
/// The small kernels: gathered rows, repeated heads, dropout, poles. Each against its definition,
/// and its adjoint A* by <A x, y> = <x, A* y>.
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/kernels/dropout/dropout.hpp>
#include <sluice/kernels/gather/gather.hpp>
#include <sluice/kernels/heads/repeat.hpp>
#include <sluice/kernels/ssm/poles.hpp>

#include <cmath>
#include <cstdint>

using namespace sluice;
using testing::require_close;
using testing::uniform;

namespace {

template <int Rank>
Tensor<double, Rank> draw(const Shape<Rank>& shape, unsigned seed) {
  return uniform<double, Rank>(shape, -1, 1, seed);
}

template <int Rank>
double dot(const Tensor<double, Rank>& a, const Tensor<double, Rank>& b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += a.data()[i] * b.data()[i];
  return sum;
}

/// A tensor whose rows lie in wider ones.
template <int Rank>
View<double, Rank> in_wider_rows(Tensor<double, Rank>& room, const Shape<Rank>& shape) {
  Shape<Rank> wide = shape;
  wide[Rank - 1] += 2;
  room = Tensor<double, Rank>(wide);
  room.setConstant(7);
  return slice(View<double, Rank>(room), Rank - 1, 1, shape[Rank - 1]);
}

// A few roundings of sums of a hundred products.
constexpr double rounding = 1e-13;

}  // namespace

TEST_CASE("rows are gathered by number, and their gradients are scattered", "[gather]") {
  const auto table = draw<2>({6, 5}, 1);
  Tensor<std::int64_t, 2> ids(2, 4);
  ids.setValues({{0, 5, 5, 2}, {1, 0, 3, 5}});
  Tensor<double, 3> y(2, 4, 5);
  kernels::gather(table, ids, y);
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 4; ++t)
      for (Index i = 0; i < 5; ++i) CHECK(y(b, t, i) == table(ids(b, t), i));
  const auto dy = draw<3>({2, 4, 5}, 2);
  Tensor<double, 2> dtable(6, 5);
  dtable.setZero();
  kernels::gather_backward(ids, dy, dtable);
  CHECK(std::abs(dot(y, dy) - dot(table, dtable)) < rounding);
  CHECK(dtable(4, 0) == 0);
  kernels::gather_backward(ids, dy, {});
  auto twice = dtable;
  kernels::gather_backward(ids, dy, twice);
  const Tensor<double, 2> expected = 2. * dtable;
  require_close("added", expected, twice, 1e-15);

  Tensor<double, 3> room;
  const auto part = in_wider_rows<3>(room, {2, 4, 5});
  kernels::gather(table, ids, part);
  CHECK(part.row(1, 3)[4] == table(5, 4));
  CHECK(room(1, 3, 0) == 7);

  ids(1, 2) = 6;
  y.setConstant(3);
  CHECK_THROWS_WITH(kernels::gather(table, ids, y), "gather: ids[1, 2] must be in [0, 6), got 6");
  CHECK(y(0, 0, 0) == 3);
  CHECK_THROWS_WITH(kernels::gather_backward(ids, dy, dtable),
                    "gather_backward: ids[1, 2] must be in [0, 6), got 6");
  Tensor<double, 3> narrow(2, 4, 4);
  CHECK_THROWS_WITH(kernels::gather(table, ids, narrow),
                    "gather: y must be [2, 4, 5] to match ids and table, got [2, 4, 4]");
  Tensor<std::int64_t, 1> none(0);
  Tensor<double, 2> nothing(0, 5);
  kernels::gather(table, none, nothing);
}

TEST_CASE("heads are repeated in a row", "[heads]") {
  const auto x = draw<4>({2, 3, 2, 4}, 1);
  Tensor<double, 4> y(2, 3, 6, 4), room;
  kernels::repeat_heads(x, y);
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 3; ++t)
      for (Index h = 0; h < 6; ++h)
        for (Index i = 0; i < 4; ++i) CHECK(y(b, t, h, i) == x(b, t, h / 3, i));
  const auto part = in_wider_rows<4>(room, {2, 3, 6, 4});
  kernels::repeat_heads(x, part);
  CHECK(part.row(1, 2, 5)[3] == x(1, 2, 1, 3));
  CHECK(room(1, 2, 5, 5) == 7);
  const auto dy = draw<4>({2, 3, 6, 4}, 2);
  Tensor<double, 4> dx(2, 3, 2, 4);
  dx.setZero();
  kernels::repeat_heads_backward(dy, dx);
  CHECK(std::abs(dot(y, dy) - dot(x, dx)) < rounding);
  CHECK(dx(0, 0, 1, 0) == dy(0, 0, 3, 0) + dy(0, 0, 4, 0) + dy(0, 0, 5, 0));
  kernels::repeat_heads_backward(dy, {});
  Tensor<double, 4> odd(2, 3, 5, 4), short_(2, 2, 4, 4);
  CHECK_THROWS_WITH(kernels::repeat_heads(x, odd),
                    "repeat_heads: the heads of y must be a multiple of the 2 of x, got 5");
  CHECK_THROWS_WITH(kernels::repeat_heads(x, short_),
                    "repeat_heads: y must be [2, 3, 4, 4] to match the rest, got [2, 2, 4, 4]");
}

TEST_CASE("dropout keeps the share it says, scaled, and its adjoint the same elements",
          "[dropout]") {
  const Rng mask(5);
  const Index n = 40'000;
  Tensor<double, 2> x(100, n / 100), y(100, n / 100), dx(100, n / 100), again(100, n / 100);
  x.setConstant(1);
  const double p = 0.3;
  kernels::dropout(x, p, mask, y);
  Index kept = 0;
  for (Index i = 0; i < n; ++i) {
    if (y.data()[i] == 0) continue;
    REQUIRE(y.data()[i] == 1 / (1 - p));
    ++kept;
  }
  // Six deviations of the binomial distribution.
  CHECK(std::abs(double(kept) - (1 - p) * n) < 6 * std::sqrt(n * p * (1 - p)));
  kernels::dropout(x, p, mask, again);
  require_close("the same mask", y, again, 0);
  kernels::dropout(x, p, Rng(6), again);
  CHECK(testing::relative_error(y, again) > 0.1);
  dx.setConstant(2);
  kernels::dropout_backward(x, p, mask, dx);
  const Tensor<double, 2> expected = y + y.constant(2);
  require_close("dx", expected, dx, 0);
  kernels::dropout(x, 0, mask, y);
  require_close("nothing dropped", x, y, 0);
  x.setConstant(HUGE_VAL);
  kernels::dropout(x, p, mask, y);
  CHECK(std::none_of(y.data(), y.data() + n, [](double v) { return std::isnan(v); }));
  CHECK_THROWS_WITH(kernels::dropout(x, 1, mask, y),
                    "dropout: probability must be in [0, 1), got 1.000000");
  CHECK_THROWS_AS(kernels::dropout_backward(x, -0.1, mask, dx), ArgumentError);
}

TEST_CASE("poles are negative and transposed", "[ssm]") {
  const Index channels = GENERATE(1, 5, 33), states = GENERATE(1, 4, 19);
  auto log = draw<2>({channels, states}, 1);
  Tensor<double, 2> A(states, channels), dlog(channels, states), slopes(channels, states);
  ssm::negative_poles(log, A);
  for (Index d = 0; d < channels; ++d)
    for (Index n = 0; n < states; ++n) CHECK(std::abs(A(n, d) + std::exp(log(d, n))) < 1e-15);
  const auto dA = draw<2>({states, channels}, 2);
  dlog.setConstant(1);
  ssm::negative_poles_backward(A, dA, dlog);
  for (Index d = 0; d < channels; ++d)
    for (Index n = 0; n < states; ++n) slopes(d, n) = 1 - dA(n, d) * std::exp(log(d, n));
  require_close("dA_log", slopes, dlog, 1e-14);
  Tensor<double, 2> room;
  const auto part = in_wider_rows<2>(room, {states, channels});
  ssm::negative_poles(log, part);
  CHECK(part.row(states - 1)[channels - 1] == A(states - 1, channels - 1));
  CHECK(room(0, 0) == 7);
  CHECK_THROWS_AS(ssm::negative_poles(log, room), ShapeError);
}
