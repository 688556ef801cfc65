// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/ops/heads.hpp>
#include <sluice/ops/norm.hpp>
#include <sluice/ops/slice.hpp>

using namespace sluice;
using testing::uniform;

namespace {

/// A recording pass over x [B, T, D]; every element of a result's gradient gets its own number.
struct Pass {
  Tensor<double, 3> x, dx;
  Tape<double> tape;
  struct Nothing {
    static constexpr auto fields() { return std::tuple{}; }
  } nothing;

  Pass(Index B, Index T, Index D)
      : x(uniform<double, 3>({B, T, D}, -1, 1, 1)), dx(zeros<double>(Shape<3>{B, T, D})) {
    tape.record(nothing, nothing);
  }

  Variable<double, 3> input() { return tape.input(View<const double, 3>(x), View<double, 3>(dx)); }

  template <int Rank>
  static void number(const View<double, Rank>& gradient) {
    double n = 0;
    for_each_row(
        [&](double* row) {
          for (Index i = 0; i < row_length(gradient); ++i) row[i] += ++n;
        },
        gradient);
  }
};

}  // namespace

TEST_CASE("heads are views, there and back", "[heads]") {
  Pass p(2, 3, 10);
  const auto x = p.input();
  const auto heads = split_heads(x, 2);
  CHECK(heads.shape() == Shape<4>{2, 3, 2, 5});
  CHECK(heads.value.row(1, 2, 1) == p.x.data() + (1 * 3 + 2) * 10 + 5);
  const auto merged = merge_heads(heads);
  CHECK(merged.shape() == x.shape());
  CHECK(merged.value.data() == x.value.data());
  CHECK(merged.gradient.data() == p.dx.data());
  CHECK_THROWS_AS(split_heads(x, 3), ArgumentError);
  CHECK_THROWS_AS(split_heads(x, 0), ArgumentError);
}

TEST_CASE("heads of a part of a fused projection", "[heads]") {
  Pass p(2, 3, 30);
  const auto [q, k, v] = split(p.input(), {10, 8, 12});
  CHECK(k.shape() == Shape<3>{2, 3, 8});
  const auto heads = split_heads(k, 4);
  CHECK(heads.value.row(1, 1, 3)[1] == p.x(1, 1, 10 + 7));
  CHECK(merge_heads(heads).value.data() == k.value.data());
  Pass::number(heads.gradient);
  double n = 0;
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 3; ++t)
      for (Index i = 0; i < 30; ++i) CHECK(p.dx(b, t, i) == (i >= 10 && i < 18 ? ++n : 0));
  for (const Index last : {-1, 11, 13})
    CHECK_THROWS_WITH(split(p.input(), {10, 8, last}),
                      "split: the widths must be of sum 30, got " + std::to_string(18 + last));
  CHECK_THROWS_AS(split(p.input(), {-10, 28, 12}), ArgumentError);
  CHECK(split(p.input(), {30, 0})[1].shape() == Shape<3>{2, 3, 0});
}

TEST_CASE("parts of heads are copied when they are merged", "[heads]") {
  Pass p(2, 3, 12);
  const auto part = slice(split_heads(p.input(), 2), 3, 1, 4);  // channels 1 to 4 of every head
  const auto merged = merge_heads(part);
  REQUIRE(merged.shape() == Shape<3>{2, 3, 8});
  CHECK(merged.value.row(1, 2)[5] == p.x(1, 2, 8));
  Pass::number(merged.gradient);
  p.tape.backward();
  double n = 0;
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 3; ++t)
      for (Index i = 0; i < 12; ++i) CHECK(p.dx(b, t, i) == (i % 6 >= 1 && i % 6 < 5 ? ++n : 0));
}

TEST_CASE("one head is the whole, and parts of any number of heads are merged", "[heads]") {
  for (const Index heads : {1, 3, 4}) {
    CAPTURE(heads);
    Pass p(2, 3, 12);
    const auto x = p.input();
    const Index D = 12 / heads;
    const auto all = split_heads(x, heads);
    CHECK(all.shape() == Shape<4>{2, 3, heads, D});
    const auto part = slice(all, 3, 1, D - 2);
    const auto merged = merge_heads(part);
    REQUIRE(merged.shape() == Shape<3>{2, 3, heads * (D - 2)});
    CHECK((merged.value.data() == part.value.data()) == (heads == 1));
    for (Index h = 0; h < heads; ++h)
      for (Index i = 0; i < D - 2; ++i)
        CHECK(merged.value(1, 2, h * (D - 2) + i) == p.x(1, 2, h * D + 1 + i));
  }
}

TEST_CASE("a part of a projection is split again", "[slice]") {
  Pass p(2, 3, 30);
  const auto part = slice(p.input(), 2, 0, 20);
  const auto [a, b] = split(part, {5, 15});
  CHECK(b.value.row(1, 2) == &p.x(1, 2, 5));
  CHECK_THROWS_WITH(split(part, {5, 25}), "split: the widths must be of sum 20, got 30");
}

TEST_CASE("repeated heads stand next to each other, and their gradients are summed", "[heads]") {
  Pass p(2, 3, 10);
  const auto y = repeat_heads(split_heads(p.input(), 2), 3);
  REQUIRE(y.shape() == Shape<4>{2, 3, 6, 5});
  for (Index h = 0; h < 6; ++h) CHECK(y.value.row(1, 2, h)[4] == p.x(1, 2, h / 3 * 5 + 4));
  Pass::number(y.gradient);
  p.tape.backward();
  // Row n of the 12 input heads collects entries 15 n + i + 1, + 5 and + 10 further on.
  for (Index n = 0; n < 12; ++n)
    for (Index i = 0; i < 5; ++i) CHECK(p.dx.data()[n * 5 + i] == 3 * double(15 * n + i + 1) + 15);
  CHECK(repeat_heads(split_heads(p.input(), 2), 1).value.data() == p.x.data());
  CHECK_THROWS_AS(repeat_heads(split_heads(p.input(), 2), 0), ArgumentError);
}

TEST_CASE("tokens of one sequence are a view, of several a copy", "[slice]") {
  const Index B = GENERATE(1, 2);
  Pass p(B, 7, 3);
  const auto y = slice(p.input(), 1, 2, 4);
  REQUIRE(y.shape() == Shape<3>{B, 4, 3});
  CHECK((y.value.data() == p.x.data() + 6) == (B == 1));
  CHECK(has_rows(y.value));
  CHECK(has_rows(y.gradient));
  for (Index b = 0; b < B; ++b) CHECK(y.value.row(b, 3)[1] == p.x(b, 5, 1));
  Pass::number(y.gradient);
  p.tape.backward();
  double n = 0;
  for (Index b = 0; b < B; ++b)
    for (Index t = 0; t < 7; ++t)
      for (Index i = 0; i < 3; ++i) CHECK(p.dx(b, t, i) == (t >= 2 && t < 6 ? ++n : 0));
}

TEST_CASE("without a gradient there is none to slice", "[slice]") {
  const auto x = uniform<double, 3>({2, 3, 8}, -1, 1, 1);
  Tape<double> tape;
  tape.start();
  const auto in = tape.input(View<const double, 3>(x));
  CHECK(!slice(in, 2, 4, 4).gradient);
  CHECK(!slice(in, 1, 1, 2).gradient);
  CHECK(!merge_heads(split_heads(in, 2)).gradient);
  CHECK(slice(in, 1, 3, 0).value.size() == 0);
}

TEST_CASE("a slice must lie within its axis", "[slice]") {
  Pass p(2, 7, 3);
  const auto x = p.input();
  CHECK_THROWS_AS(slice(x, 1, 5, 3), ArgumentError);
  CHECK_THROWS_AS(slice(x, 1, -1, 3), ArgumentError);
  CHECK_THROWS_AS(slice(x, 3, 0, 1), ArgumentError);
  try {
    slice(x, 1, 5, 3);
  } catch (const ArgumentError& e) {
    CHECK(std::string(e.what()) == "slice: the part must be within [0, 7), got [5, 8)");
  }
}

TEST_CASE("views of a wide axis allocate nothing", "[heads]") {
  const auto x = uniform<double, 3>({1, 1, 4096}, -1, 1, 1);
  const auto weight = uniform<double, 1>({2048}, -1, 1, 2);
  Tape<double> tape;
  const auto pass = [&] {
    tape.start();
    const auto parts = split(tape.input(View<const double, 3>(x)), {2048, 2048});
    repeat_heads(split_heads(parts[0], 16), 2);
    gated_rms_norm(parts[0], parts[1], weight, {.group_size = 128});
  };
  pass();
  const long before = testing::allocations();
  pass();
  CHECK(testing::allocations() == before);
}
