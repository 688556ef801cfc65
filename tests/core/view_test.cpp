// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/core/each_row.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/core/view.hpp>

#include <type_traits>
#include <utility>
#include <vector>

using namespace sluice;

TEST_CASE("a tensor becomes a view of the same elements", "[core][view]") {
  Tensor<float, 3> x(2, 3, 5);
  x.setZero();
  const View<float, 3> v = x;
  CHECK(v.data() == x.data());
  CHECK(v.shape() == Shape<3>{2, 3, 5});
  CHECK(v.size() == 30);
  CHECK(v.contiguous());
  v.row(1, 2)[4] = 7;
  CHECK(x(1, 2, 4) == 7);
  CHECK(v.stride(0) == 15);
  CHECK(v.stride(1) == 5);
  CHECK(v.stride(2) == 1);
}

TEST_CASE("constness follows the tensor, and cannot be lost", "[core][view]") {
  using Mutable = View<float, 2>;
  using ReadOnly = View<const float, 2>;
  STATIC_REQUIRE(std::is_convertible_v<Mutable, ReadOnly>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<ReadOnly, Mutable>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<const Tensor<float, 2>&, Mutable>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<Tensor<float, 3>&, Mutable>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<Tensor<double, 2>&, Mutable>);
  STATIC_REQUIRE(std::is_trivially_copyable_v<Mutable>);

  Tensor<float, 2> x(1, 1);
  const Tensor<float, 2>& constant = x;
  STATIC_REQUIRE(std::is_same_v<decltype(View(x)), Mutable>);
  STATIC_REQUIRE(std::is_same_v<decltype(View(constant)), ReadOnly>);
}

TEST_CASE("the default view is absent", "[core][view]") {
  const View<double, 2> none;
  CHECK_FALSE(none);
  CHECK(none.size() == 0);
  CHECK(View<double, 0>(nullptr, {}).size() == 1);
}

TEST_CASE("a slice keeps the strides of the whole", "[core][view]") {
  Tensor<double, 3> x(2, 6, 4);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = double(i);
  const View<double, 3> all = x;

  const auto middle = slice(all, 1, 2, 3);
  CHECK(middle.shape() == Shape<3>{2, 3, 4});
  CHECK_FALSE(middle.contiguous());
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 3; ++t)
      for (Index d = 0; d < 4; ++d) CHECK(middle.row(b, t)[d] == x(b, t + 2, d));

  const auto head = slice(all, 2, 1, 2);
  CHECK(head.row(1, 5) == &x(1, 5, 1));
  CHECK(slice(all, 0, 1, 1).contiguous());
  CHECK(slice(all, 1, 6, 0).size() == 0);
}

TEST_CASE("rows fold the leading axes", "[core][view]") {
  Tensor<float, 4> x(2, 3, 5, 4);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = float(i);
  const View<float, 4> all = x;

  SECTION("contiguous") {
    const auto m = rows(all);
    CHECK(m.shape() == Shape<2>{30, 4});
    CHECK(m.row(17) == all.row(1, 0, 2));
  }
  SECTION("part of the innermost axis") {
    const auto part = slice(all, 3, 1, 2);
    REQUIRE(has_rows(part));
    const auto m = rows(part);
    CHECK(m.shape() == Shape<2>{30, 2});
    CHECK(m.row(29) == &x(1, 2, 4, 1));
  }
  SECTION("an axis cut in the middle has no single stride") {
    CHECK_FALSE(has_rows(slice(all, 2, 0, 3)));
    CHECK_FALSE(has_rows(slice(all, 1, 0, 2)));
    CHECK(has_rows(slice(all, 0, 1, 1)));
  }
  SECTION("axes of length 1 do not matter") {
    const auto one = slice(slice(all, 0, 1, 1), 2, 3, 1);  // [1, 3, 1, 4]
    REQUIRE(has_rows(one));
    const auto m = rows(one);
    CHECK(m.shape() == Shape<2>{3, 4});
    CHECK(m.row(2) == &x(1, 2, 3, 0));
  }
  SECTION("a vector is one row, a number one element") {
    const View<float, 1> vector(x.data(), {7});
    CHECK(rows(vector).shape() == Shape<2>{1, 7});
    CHECK(rows(View<float, 0>(x.data(), {})).shape() == Shape<2>{1, 1});
  }
}

TEST_CASE("rows are visited in order, several views side by side", "[core][view]") {
  Tensor<double, 3> x(2, 3, 8), y(2, 3, 5);
  const View<double, 3> part = slice(slice(View<double, 3>(x), 2, 1, 5), 1, 1, 2);
  const View<double, 3> other = slice(View<double, 3>(y), 1, 0, 2);
  CHECK(row_length(part) == 5);
  CHECK(row_length(View<double, 1>(x.data(), {7})) == 7);
  CHECK(row_length(View<double, 0>(x.data(), {})) == 1);
  std::vector<std::pair<const double*, const double*>> got, expected;
  for_each_row([&](const double* a, const double* b) { got.emplace_back(a, b); }, part, other);
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 2; ++t) expected.emplace_back(&x(b, t + 1, 1), &y(b, t, 0));
  CHECK(got == expected);
}

TEST_CASE("strides of rows: of one row and of many", "[core][view]") {
  Tensor<float, 4> x(2, 3, 5, 4);
  const View<float, 4> all = x;
  const auto one = rows(slice(slice(slice(all, 0, 1, 1), 1, 1, 1), 2, 1, 1));
  CHECK(one.shape() == Shape<2>{1, 4});
  CHECK(one.stride(0) == 4);
  CHECK(one.stride(1) == 1);
  const auto batch = rows(slice(slice(all, 1, 1, 1), 2, 1, 1));  // stride of the outermost axis
  CHECK(batch.stride(0) == 60);
  const auto inner = rows(slice(slice(all, 0, 1, 1), 3, 1, 2));
  CHECK(inner.shape() == Shape<2>{15, 2});
  CHECK(inner.stride(0) == 4);
  // An axis that repeats its elements.
  CHECK_FALSE(has_rows(View<float, 3>(x.data(), {3, 5, 4}, {0, 4, 1})));
  CHECK(has_rows(View<float, 3>(x.data(), {3, 5, 4}, {20, 4, 1})));
}
