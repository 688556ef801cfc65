// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <sluice/core/arena.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

using namespace sluice;
using testing::allocations;

namespace {

/// Bytes of a thousand requests, from 0 to more than the first block.
std::size_t request(int i) { return static_cast<std::size_t>(i) * 977 % 100003; }

/// A pool that begins in the middle, and knows how much it was asked for.
struct Rotating {
  std::ptrdiff_t asked = 0;
  std::ptrdiff_t concurrency() const { return 3; }
  void run(std::ptrdiff_t n, Executor::Function f, void* context) {
    asked += n;
    for (std::ptrdiff_t i = 0; i < n; ++i) f(context, (i + n / 2) % n);
  }
};

}  // namespace

TEST_CASE("pieces are aligned and do not overlap", "[core][arena]") {
  Arena arena;
  std::vector<std::pair<std::byte*, std::size_t>> pieces;
  for (int i = 0; i < 1000; ++i) {
    const std::size_t bytes = request(i);
    auto* p = static_cast<std::byte*>(arena.allocate(bytes));
    REQUIRE(reinterpret_cast<std::uintptr_t>(p) % Arena::alignment == 0);
    std::memset(p, i % 251, bytes);
    pieces.emplace_back(p, bytes);
  }
  for (int i = 0; i < 1000; ++i) {
    const auto [p, bytes] = pieces[static_cast<std::size_t>(i)];
    bool intact = true;
    for (std::size_t k = 0; k < bytes; ++k) intact = intact && p[k] == std::byte(i % 251);
    REQUIRE(intact);
  }
}

TEST_CASE("the second pass over the same work asks for nothing", "[core][arena]") {
  Arena arena;
  const auto pass = [&] {
    arena.clear();
    bool aligned = true;
    for (int i = 0; i < 1000; ++i)
      aligned =
          aligned &&
          reinterpret_cast<std::uintptr_t>(arena.allocate(request(i))) % Arena::alignment == 0;
    return aligned;
  };
  bool aligned = pass();
  const auto capacity = arena.capacity();
  const long before = allocations();
  for (int repeat = 0; repeat < 3; ++repeat) aligned = pass() && aligned;
  CHECK(allocations() == before);
  CHECK(arena.capacity() == capacity);
  CHECK(aligned);
}

TEST_CASE("a mark takes back what came after it", "[core][arena]") {
  Arena arena;
  void* kept = arena.allocate(100);
  const auto mark = arena.mark();
  void* first = arena.allocate(1000);
  arena.allocate(1 << 20);  // in a block of its own
  arena.release(mark);
  CHECK(arena.allocate(1000) == first);
  arena.clear();
  CHECK(arena.allocate(100) == kept);
}

TEST_CASE("scratch is given back at the end of its scope", "[core][arena]") {
  Arena arena;
  double* first = nullptr;
  for (int i = 0; i < 3; ++i) {
    Scratch scratch(Workspace({}, &arena));
    auto* p = scratch.allocate<double>(33);
    if (i == 0) first = p;
    CHECK(p == first);
  }
  Scratch alone(Workspace{});
  alone.allocate<float>(10)[9] = 1;
}

TEST_CASE("scratch holds as many scalars as were asked for", "[core][arena]") {
  Arena arena;
  Scratch scratch(Workspace({}, &arena));
  auto* x = scratch.allocate<double>(100);
  auto* y = scratch.allocate<double>(100);
  auto* z = scratch.allocate<std::byte>(64);
  CHECK(y - x == 104);  // up to the next cache line
  CHECK(z == reinterpret_cast<std::byte*>(y + 104));
  CHECK(scratch.allocate<std::byte>(1) - z == 64);  // fills its line
}

TEST_CASE("an arena grows by blocks of twice the size", "[core][arena]") {
  constexpr std::size_t first = std::size_t{1} << 16;
  Arena arena;
  CHECK(arena.capacity() == 0);
  CHECK(arena.allocate(0) != nullptr);
  CHECK(arena.capacity() == first);
  arena.allocate(first);  // the empty piece took nothing
  CHECK(arena.capacity() == first);
  const auto mark = arena.mark();
  arena.allocate(1);
  CHECK(arena.capacity() == first + 2 * first);
  arena.release(mark);
  arena.allocate(10 * first);
  CHECK(arena.capacity() == 3 * first + 10 * first);
  Arena large;
  large.allocate(3 * first + 1);
  CHECK(large.capacity() == 3 * first + Arena::alignment);
}

TEST_CASE("tasks are shared among workers, each once", "[core][executor]") {
  for (const std::ptrdiff_t tasks : {0, 1, 3, 7})
    for (const std::ptrdiff_t workers : {1, 3, 10}) {
      std::vector<int> count(8, 0);
      Rotating pool;
      share(pool, tasks, workers, [&](std::ptrdiff_t task, std::ptrdiff_t worker) {
        ++count.at(static_cast<std::size_t>(task));
        CHECK(worker < std::min(tasks, workers));
        CHECK(worker >= 0);
      });
      for (std::ptrdiff_t task = 0; task < 8; ++task)
        CHECK(count[static_cast<std::size_t>(task)] == (task < tasks ? 1 : 0));
      CHECK(pool.asked == (std::min(tasks, workers) < 2 ? 0 : std::min(tasks, workers)));
    }
}

TEST_CASE("errors say what was wrong", "[core][error]") {
  CHECK_THROWS_WITH(require_shape("gla::recurrent", "k", Shape<4>{2, 7, 4, 16},
                                  Shape<4>{2, 8, 4, 16}, "to match q"),
                    "gla::recurrent: k must be [2, 8, 4, 16] to match q, got [2, 7, 4, 16]");
  CHECK_NOTHROW(require_shape("f", "x", Shape<1>{3}, Shape<1>{3}, ""));
  CHECK_THROWS_AS(require_shape("f", "x", Shape<1>{3}, Shape<1>{4}, "to match y"), ShapeError);
  CHECK_THROWS_WITH(require(false, "gla::chunkwise", "chunk_size", "at least 1", "0"),
                    "gla::chunkwise: chunk_size must be at least 1, got 0");
  CHECK_THROWS_AS(require(false, "f", "n", "odd", "2"), ArgumentError);
  CHECK_NOTHROW(require(true, "f", "n", "odd", "3"));
  CHECK(to_string(Shape<0>{}) == "[]");
  CHECK(to_string(Shape<2>{1, -1}) == "[1, -1]");
}
