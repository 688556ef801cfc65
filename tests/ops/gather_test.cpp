// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/embeddings/embedding.hpp>
#include <sluice/ops/dropout.hpp>
#include <sluice/ops/gather.hpp>
#include <sluice/ops/packing.hpp>
#include <sluice/ops/slice.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

using namespace sluice;
using testing::uniform;

TEST_CASE("an embedding reads rows, and its gradient adds to them", "[embedding]") {
  Rng rng(1);
  const Embedding<double> layer(5, 3, rng);
  auto gradient = zeros_like(layer);
  const std::int64_t ids[] = {4, 0, 4, 2};
  Tape<double> tape;
  tape.record(layer, gradient);
  const auto y = layer(tape, View<const std::int64_t, 2>(ids, {2, 2}));
  REQUIRE(y.shape() == Shape<3>{2, 2, 3});
  for (Index n = 0; n < 4; ++n)
    for (Index i = 0; i < 3; ++i) {
      CHECK(y.value.row(n / 2, n % 2)[i] == layer.weight(ids[n], i));
      y.gradient.row(n / 2, n % 2)[i] = double(10 * n + i);
    }
  tape.backward();
  for (Index i = 0; i < 3; ++i) {
    CHECK(gradient.weight(0, i) == double(10 + i));
    CHECK(gradient.weight(1, i) == 0);
    CHECK(gradient.weight(2, i) == double(30 + i));
    CHECK(gradient.weight(3, i) == 0);
    CHECK(gradient.weight(4, i) == double(20 + 2 * i));
  }
}

TEST_CASE("an id out of range is named, with its place", "[embedding]") {
  Rng rng(1);
  const Embedding<float> layer(5, 3, rng);
  Tape<float> tape;
  const std::int64_t high[] = {4, 0, 4, 2, 1, 5}, low[] = {-1, 0};
  const auto message = [&](const View<const std::int64_t, 2>& ids) -> std::string {
    try {
      layer(tape, ids);
    } catch (const ArgumentError& e) {
      return e.what();
    }
    return "";
  };
  CHECK(message({high, {2, 3}}) == "gather: ids[1, 2] must be in [0, 5), got 5");
  CHECK(message({low, {1, 2}}) == "gather: ids[0, 0] must be in [0, 5), got -1");
  CHECK(message({high, {2, 2}, {3, 1}}) == "");  // the bad one lies beyond the rows seen
}

TEST_CASE("rows of a part of a wider table, by ids of any shape", "[embedding]") {
  const auto wide = uniform<double, 2>({5, 8}, -1, 1, 1);
  auto dwide = zeros<double>(Shape<2>{5, 8});
  const std::int64_t ids[] = {4, 1, 9, 1, 4, 9};
  Tape<double> tape;
  tape.record();
  const auto table = slice(tape.input(wide, dwide), 1, 2, 3);
  const auto y = gather(table, View<const std::int64_t, 2>(ids, {2, 2}, {3, 1}));
  REQUIRE(y.shape() == Shape<3>{2, 2, 3});
  const Index read[] = {4, 1, 1, 4};
  for (Index n = 0; n < 4; ++n)
    for (Index i = 0; i < 3; ++i) {
      CHECK(y.value(n / 2, n % 2, i) == wide(read[n], 2 + i));
      y.gradient(n / 2, n % 2, i) = 1;
    }
  tape.backward();
  for (Index n = 0; n < 5; ++n)
    for (Index i = 0; i < 8; ++i)
      CHECK(dwide(n, i) == ((n == 1 || n == 4) && i >= 2 && i < 5 ? 2 : 0));
}

TEST_CASE("dropout keeps or scales, and the way back takes the same mask", "[dropout]") {
  const Index D = 33;
  const auto x = uniform<float, 3>({4, 50, D}, 1, 2, 1);
  auto dx = zeros<float>(shape_of(x));
  Tape<float> tape;
  tape.record();
  CHECK(dropout(tape.input(x), 0.25).value.data() == x.data());
  tape.train(Rng(9));
  const auto in = tape.input(View<const float, 3>(x), View<float, 3>(dx));
  CHECK(dropout(in, 0).value.data() == x.data());
  const auto y = dropout(in, 0.25), z = dropout(in, 0.25);
  std::fill_n(y.gradient.data(), y.gradient.size(), 3.f);
  tape.backward();
  Index dropped = 0, differ = 0;
  for (Index i = 0; i < x.size(); ++i) {
    const bool kept = y.value.data()[i] != 0;
    dropped += kept ? 0 : 1;
    differ += (z.value.data()[i] != 0) != kept;
    if (kept) CHECK(y.value.data()[i] == x.data()[i] * (4.f / 3));
    CHECK(dx.data()[i] == (kept ? 4.f : 0.f));
  }
  // Binomial: six standard deviations about the mean.
  const double n = double(x.size());
  CHECK(std::abs(double(dropped) - 0.25 * n) < 6 * std::sqrt(n * 0.25 * 0.75));
  CHECK(std::abs(double(differ) - 0.375 * n) < 6 * std::sqrt(n * 0.375 * 0.625));

  const auto drawn = [&](std::uint64_t seed) {
    tape.train(Rng(seed));
    const auto a = dropout(in, 0.5);
    return std::vector<float>(a.value.data(), a.value.data() + a.value.size());
  };
  const auto a = drawn(3);
  CHECK(a == drawn(3));
  CHECK(a != drawn(4));
  CHECK_THROWS_AS(dropout(in, 1), ArgumentError);
  CHECK_THROWS_AS(dropout(in, -0.1), ArgumentError);
}

TEST_CASE("a probability out of range is named, in training or not", "[dropout][error]") {
  const auto x = uniform<float, 2>({4, 5}, 1, 2, 1);
  Tape<float> tape;
  for (const bool training : {false, true}) {
    tape.start();
    if (training) tape.train(Rng(9));
    const auto in = tape.input(x);
    CHECK_THROWS_WITH(dropout(in, 1), "dropout: probability must be in [0, 1), got 1.000000");
    CHECK_THROWS_WITH(drop_path(in, 1.5), "drop_path: probability must be in [0, 1), got 1.500000");
    CHECK_THROWS_AS(drop_path(in, std::nan("")), ArgumentError);
    CHECK_NOTHROW(dropout(in, 0.999));
  }
}

TEST_CASE("padded rows are packed, and spread out again with their gradients", "[packing]") {
  // A row of no token, rows of all, and more starts than a cache line holds.
  const std::vector<std::int64_t> lengths{2, 0, 4, 1, 4, 0, 3, 4};
  const Index B = 8, T = 4, D = 3, total = 18;
  std::vector<std::int64_t> padded(std::size_t(B * (T + 2)));
  for (std::size_t i = 0; i < padded.size(); ++i) padded[i] = std::int64_t(i);
  const View<const std::int64_t, 2> ids(padded.data() + 1, {B, T}, {T + 2, 1});
  const auto x = uniform<double, 3>({1, total, D}, -1, 1, 1);
  auto dx = zeros<double>(Shape<3>{1, total, D});
  dx.setConstant(1);
  Tape<double> tape;
  tape.record();
  Variable<double, 3> y;
  {
    const LeftPadding<double> padding(tape, ids, View<const std::int64_t, 1>(lengths.data(), {B}));
    REQUIRE(padding.ids.shape() == Shape<2>{1, total});
    REQUIRE(tape.cu_seqlens().size() == std::size_t(B) + 1);
    Index n = 0;
    for (Index b = 0; b < B; ++b) {
      CHECK(tape.cu_seqlens()[std::size_t(b)] == n);
      for (Index t = T - lengths[std::size_t(b)]; t < T; ++t)
        CHECK(padding.ids(0, n++) == ids(b, t));
    }
    CHECK(tape.cu_seqlens()[std::size_t(B)] == total);
    y = padding.spread(tape.input(x, dx));
    CHECK_THROWS_WITH(
        LeftPadding<double>(tape, ids, View<const std::int64_t, 1>(lengths.data(), {B})),
        "LeftPadding: the pass must be one that is not packed, got a packed one");
  }
  CHECK(tape.cu_seqlens().empty());
  REQUIRE(y.shape() == Shape<3>{B, T, D});
  const auto each = [&](const auto& f) {
    Index n = 0;
    for (Index b = 0; b < B; ++b)
      for (Index t = 0; t < T; ++t) {
        const bool read = t >= T - lengths[std::size_t(b)];
        for (Index d = 0; d < D; ++d) f(b, t, d, read ? n : -1);
        n += read;
      }
  };
  each([&](Index b, Index t, Index d, Index n) {
    CHECK(y.value(b, t, d) == (n < 0 ? 0 : x(0, n, d)));
    CHECK(y.gradient(b, t, d) == 0);
    y.gradient.row(b, t)[d] = double((b * T + t) * D + d);
  });
  tape.backward();
  each([&](Index b, Index t, Index d, Index n) {
    if (n >= 0) CHECK(dx(0, n, d) == 1 + double((b * T + t) * D + d));
  });
}

TEST_CASE("lengths of padded rows that do not fit are named", "[packing][error]") {
  Tensor<std::int64_t, 2> ids(2, 4);
  ids.setZero();
  Tape<float> tape;
  tape.start();
  const auto message = [&](const std::vector<std::int64_t>& lengths) -> std::string {
    try {
      LeftPadding<float>(tape, ids,
                         View<const std::int64_t, 1>(lengths.data(), {Index(lengths.size())}));
    } catch (const std::invalid_argument& e) {
      CHECK(tape.cu_seqlens().empty());
      return e.what();
    }
    return "";
  };
  CHECK(message({0, 4}) == "");
  CHECK(message({4, 5}) == "LeftPadding: a length must be from 0 to T = 4, got 5 for row 1");
  CHECK(message({-1, 4}) == "LeftPadding: a length must be from 0 to T = 4, got -1 for row 0");
  CHECK(message({1, 2, 3}) == "LeftPadding: lengths must be [2] one a row of ids, got [3]");
}
