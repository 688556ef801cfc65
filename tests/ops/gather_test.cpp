// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/tensor.hpp"

#include <sluice/layers/embeddings/embedding.hpp>
#include <sluice/ops/dropout.hpp>
#include <sluice/ops/gather.hpp>

#include <cmath>
#include <cstdint>

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
