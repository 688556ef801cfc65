// SPDX-License-Identifier: MIT

#include "support/catch.hpp"
#include "support/layer_laws.hpp"

#include <sluice/layers/mixers/recent_rows.hpp>

#include <vector>

using namespace sluice;

TEMPLATE_TEST_CASE("recent rows: laws", "[layers][law]", float, double) {
  const auto count = GENERATE(Index(1), Index(2), Index(9), Index(50));
  const auto width = GENERATE(Index(1), Index(5));
  CAPTURE(count, width);
  testing::require_layer_laws(RecentRows<TestType>(width, count), width);
}

TEST_CASE("recent rows are what indexing says", "[layers]") {
  const auto x = testing::uniform<double, 3>({2, 17, 3}, -1, 1, 1);
  const RecentRows<double> layer(3, 4);
  auto state = layer.initial_state(2);
  Tape<double> tape;
  tape.start();
  const auto y = layer(tape.input(View<const double, 3>(x)), state);
  REQUIRE(y.shape() == Shape<3>{2, 17, 12});
  for (Index b = 0; b < 2; ++b)
    for (Index t = 0; t < 17; ++t)
      for (Index k = 0; k < 4; ++k)
        for (Index c = 0; c < 3; ++c) {
          const double then = t >= k ? x(b, t - k, c) : 0;
          CHECK(y.value.row(b, t)[k * 3 + c] == (k == 0 ? then : then - x(b, t, c)));
        }
  CHECK(state.rows(1, 2, 0) == x(1, 16, 0));
  CHECK(state.rows(1, 0, 2) == x(1, 14, 2));
}

TEST_CASE("recent rows refuse what does not fit", "[layers][error]") {
  CHECK_THROWS_AS(RecentRows<float>(3, 0), ArgumentError);
  CHECK_THROWS_AS(RecentRows<float>(0, 4), ArgumentError);
  const RecentRows<float> layer(3, 4);
  const auto x = testing::uniform<float, 3>({2, 5, 4}, -1, 1, 1);
  auto state = layer.initial_state(2);
  Tape<float> tape;
  tape.start();
  CHECK_THROWS_WITH(
      layer(tape.input(View<const float, 3>(x)), state),
      "RecentRows: x must be [2, 5, 3] to have the width of the layer, got [2, 5, 4]");
}

TEST_CASE("recent rows refuse another batch, and sequences packed wrongly", "[layers][error]") {
  const RecentRows<float> layer(3, 4);
  const auto x = testing::uniform<float, 3>({1, 5, 3}, -1, 1, 1);
  auto state = layer.initial_state(2);
  Tape<float> tape;
  tape.start();
  CHECK_THROWS_WITH(layer(tape.input(x), state),
                    "RecentRows: state must be [1, 3, 3] to match x, got [2, 3, 3]");
  tape.pack(std::vector<Index>{0, 2, 4});
  CHECK_THROWS_WITH(layer(tape.input(x), state),
                    "RecentRows: cu_seqlens must be from 0 to T = 5, got 0 to 4");
}
