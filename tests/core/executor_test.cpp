// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/core/executor.hpp>

#include <type_traits>
#include <vector>

using namespace sluice;
using Index = Executor::Index;

namespace {

/// A pool that runs everything at once, backwards, and counts its calls.
struct Backwards {
  int calls = 0;
  int concurrency() const { return 4; }
  void run(Index n, Executor::Function f, void* context) {
    ++calls;
    while (n-- > 0) f(context, n);
  }
};

/// The pool of somebody who does not know us.
struct Stranger {
  int submitted = 0;
};
struct StrangerAdapter {
  static Index concurrency(const Stranger&) { return 2; }
  static void run(Stranger& pool, Index n, Executor::Function f, void* context) {
    for (Index i = 0; i < n; ++i, ++pool.submitted) f(context, i);
  }
};

std::vector<Index> order(const Executor& executor, Index n) {
  std::vector<Index> seen;
  executor.for_each(n, [&](Index i) { seen.push_back(i); });
  return seen;
}

}  // namespace

TEST_CASE("without a pool, in order on the spot", "[core][executor]") {
  const Executor executor;
  CHECK(executor.concurrency() == 1);
  CHECK(order(executor, 4) == std::vector<Index>{0, 1, 2, 3});
  CHECK(order(executor, 0).empty());
  CHECK(order(executor, -1).empty());
}

TEST_CASE("a pool is referred to, not owned", "[core][executor]") {
  STATIC_REQUIRE(sizeof(Executor) == 2 * sizeof(void*));
  STATIC_REQUIRE(std::is_trivially_copyable_v<Executor>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<int&, Executor>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<Backwards, Executor>);  // a temporary would dangle

  Backwards pool;
  const Executor executor = pool, copy = executor;
  CHECK(copy.concurrency() == 4);
  CHECK(order(copy, 3) == std::vector<Index>{2, 1, 0});
  CHECK(pool.calls == 1);
  CHECK(order(executor, 1) == std::vector<Index>{0});
  CHECK(pool.calls == 1);  // one item is not worth a hand-over
  CHECK(order(executor, 2) == std::vector<Index>{1, 0});
  CHECK(pool.calls == 2);
}

TEST_CASE("a pool of another form, by an adapter", "[core][executor]") {
  Stranger pool;
  const auto executor = Executor::adapt<StrangerAdapter>(pool);
  CHECK(executor.concurrency() == 2);
  CHECK(order(executor, 3) == std::vector<Index>{0, 1, 2});
  CHECK(pool.submitted == 3);
}
