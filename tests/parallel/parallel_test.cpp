// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/core/executor.hpp>
#include <sluice/parallel/eigen_pool.hpp>
#include <sluice/parallel/thread_team.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

// The thread sanitizer ends a child that makes threads.
#if defined(SLUICE_HAS_FORK) && !defined(__SANITIZE_THREAD__)
#define SLUICE_TEST_FORK
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace sluice;

namespace {

struct Team {
  ThreadTeam threads;
  explicit Team(int n) : threads(n) {}
  Executor executor() { return threads; }
};

struct Pool {
  Eigen::ThreadPool threads;
  explicit Pool(int n) : threads(n) {}
  Executor executor() { return eigen_pool(threads); }
};

}  // namespace

TEMPLATE_TEST_CASE("every item runs exactly once", "[parallel]", Team, Pool) {
  const auto size = GENERATE(1, 2, 5);
  TestType owner(size);
  const Executor executor = owner.executor();
  CHECK(executor.concurrency() == size);
  for (const Executor::Index n : {0, 1, 2, 3, 17, 1000})
    for (int repeat = 0; repeat < 20; ++repeat) {
      std::vector<int> count(static_cast<std::size_t>(n), 0);
      executor.for_each(n, [&](Executor::Index i) { ++count[static_cast<std::size_t>(i)]; });
      REQUIRE(count == std::vector<int>(static_cast<std::size_t>(n), 1));
    }
}

TEMPLATE_TEST_CASE("many short calls, awake and asleep", "[parallel]", Team, Pool) {
  TestType owner(3);
  const Executor executor = owner.executor();
  long sum = 0;
  std::vector<long> part(4);
  for (int call = 0; call < 3000; ++call) {
    executor.for_each(4, [&](Executor::Index i) { part[static_cast<std::size_t>(i)] = i + call; });
    sum += std::accumulate(part.begin(), part.end(), 0L);
    if (call % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  CHECK(sum == 4L * 3000 * 2999 / 2 + 6L * 3000);
}

TEMPLATE_TEST_CASE("the threads work at the same time, the caller among them", "[parallel]", Team,
                   Pool) {
  TestType owner(3);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> arrived = 0;
  owner.executor().for_each(3, [&](Executor::Index) {
    {
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    }
    ++arrived;
    while (arrived < 3) std::this_thread::yield();  // ends only if three run at once
  });
  CHECK(seen.size() == 3);
  CHECK(seen.count(std::this_thread::get_id()) == 1);
}

TEMPLATE_TEST_CASE("an exception reaches the caller, and the threads live on", "[parallel]", Team,
                   Pool) {
  TestType owner(4);
  const Executor executor = owner.executor();
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::atomic<int> ran = 0;
    const auto failing = [&](Executor::Index i) {
      ++ran;
      if (i == 7) throw std::runtime_error("seven");
    };
    REQUIRE_THROWS_WITH(executor.for_each(100, failing), "seven");
    REQUIRE(ran >= 1);
    REQUIRE(ran <= 100);
  }
  REQUIRE_THROWS_AS(executor.for_each(100, [](Executor::Index) { throw 1; }), int);
  std::atomic<int> ran = 0;
  executor.for_each(100, [&](Executor::Index) { ++ran; });
  CHECK(ran == 100);
}

TEMPLATE_TEST_CASE("a call from inside a call", "[parallel]", Team, Pool) {
  TestType owner(3);
  const Executor executor = owner.executor();
  std::atomic<int> ran = 0;
  executor.for_each(8, [&](Executor::Index) {
    executor.for_each(
        8, [&](Executor::Index) { executor.for_each(3, [&](Executor::Index) { ++ran; }); });
  });
  CHECK(ran == 8 * 8 * 3);
}

TEMPLATE_TEST_CASE("calls from several threads", "[parallel]", Team, Pool) {
  TestType owner(3);
  const Executor executor = owner.executor();
  std::atomic<int> ran = 0;
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 4; ++c)
      callers.emplace_back([&] {
        for (int k = 0; k < 100; ++k) executor.for_each(10, [&](Executor::Index) { ++ran; });
      });
  }
  CHECK(ran == 4 * 100 * 10);
}

TEST_CASE("a pool is asked for as many helpers as there is work for", "[parallel]") {
  /// Keeps what it is given, and refuses when it has `room` of it.
  struct Lazy : Eigen::ThreadPoolInterface {
    int threads, room;
    std::vector<std::function<void()>> queue;
    Lazy(int n, int most) : threads(n), room(most) {}
    void Schedule(std::function<void()> f) override {
      if (std::ssize(queue) == room) throw std::runtime_error("full");
      queue.push_back(std::move(f));
    }
    int NumThreads() const override { return threads; }
    int CurrentThreadId() const override { return -1; }
  };
  const auto helpers = [](int threads, Executor::Index n, int room = 100) {
    Lazy pool(threads, room);
    int ran = 0;
    eigen_pool(pool).for_each(n, [&](Executor::Index) { ++ran; });
    CHECK(ran == n);
    for (const auto& late : pool.queue) late();  // finds the job closed
    CHECK(ran == n);
    return std::ssize(pool.queue);
  };
  CHECK(helpers(4, 100) == 3);
  CHECK(helpers(4, 3) == 2);
  CHECK(helpers(4, 2) == 1);
  CHECK(helpers(4, 1) == 0);
  CHECK(helpers(1, 5) == 0);
  CHECK(helpers(0, 5) == 0);
  CHECK(helpers(9, 100, 2) == 2);
  Lazy none(0, 1);
  CHECK(eigen_pool(none).concurrency() == 1);
}

TEST_CASE("two teams that call each other", "[parallel]") {
  ThreadTeam first(2), second(2);
  const Executor a = first, b = second;
  std::atomic<int> ran = 0;
  a.for_each(4, [&](Executor::Index) {
    b.for_each(4, [&](Executor::Index) { a.for_each(4, [&](Executor::Index) { ++ran; }); });
  });
  CHECK(ran == 64);
}

TEST_CASE("teams come and go", "[parallel]") {
  for (int i = 0; i < 50; ++i) {
    ThreadTeam team(3);
    if (i % 2 == 0) Executor(team).for_each(3, [](Executor::Index) {});
  }
  CHECK(ThreadTeam().concurrency() >= 1);
  CHECK_THROWS_WITH(ThreadTeam(0), "ThreadTeam: threads must be at least 1, got 0");
}

#if defined(SLUICE_TEST_FORK)

namespace {

/// What becomes of a child that does `f`: 0 if it says true, and a signal's number if it hangs.
template <class F>
int child(const F& f) {
  std::fflush(nullptr);
  std::cout.flush();
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    _exit(f() ? 0 : 1);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

/// Whether an executor runs a hundred items once each.
bool works(const Executor& executor) {
  std::vector<int> count(100, 0);
  executor.for_each(100, [&](Executor::Index i) { ++count[static_cast<std::size_t>(i)]; });
  return count == std::vector<int>(100, 1);
}

}  // namespace

TEST_CASE("a forked child works alone, and may end its copy of a team", "[parallel][fork]") {
  auto team = std::make_unique<ThreadTeam>(3);
  CHECK(works(*team));
  CHECK(child([&] { return works(*team) && team->concurrency() == 1; }) == 0);
  CHECK(child([&] {
          team.reset();
          ThreadTeam fresh(3);
          return works(fresh) && fresh.concurrency() == 3;
        }) == 0);
  CHECK(child([&] {  // a grandchild
          ThreadTeam fresh(2);
          return child([&] {
                   const bool both = works(fresh) && works(*team);
                   team.reset();
                   return both && fresh.concurrency() == 1;
                 }) == 0;
        }) == 0);
  CHECK(works(*team));
  CHECK(team->concurrency() == 3);
}

TEST_CASE("a forked child leaves by exit(), through the destructors", "[parallel][fork]") {
  static std::unique_ptr<ThreadTeam> global;
  global = std::make_unique<ThreadTeam>(3);
  CHECK(works(*global));
  // As a static object would be, but without those of the test program.
  CHECK(child([&] {
          std::atexit([] {
            global.reset();
            _exit(0);
          });
          std::exit(1);
          return false;
        }) == 0);
  global.reset();
}

TEST_CASE("forked while another thread is at work", "[parallel][fork]") {
  ThreadTeam team(3);
  std::atomic<bool> stop = false;
  std::jthread other([&] {
    while (!stop) works(team);
  });
  for (int i = 0; i < 20; ++i) CHECK(child([&] { return works(team); }) == 0);
  stop = true;
}

TEST_CASE("a child that was forked by an item cannot go on with the call", "[parallel][fork]") {
  ThreadTeam team(2);
  std::atomic<int> arrived = 0;
  const auto caller = std::this_thread::get_id();
  bool refused = false;
  pid_t pid = -1;
  std::fflush(nullptr);
  try {
    Executor(team).for_each(2, [&](Executor::Index) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();  // so that each thread has one
      if (std::this_thread::get_id() == caller) pid = fork();
      if (pid == 0) alarm(20);
    });
  } catch (const std::logic_error&) {
    refused = true;
  }
  if (pid == 0) _exit(refused ? 0 : 1);
  int status = -1;
  waitpid(pid, &status, 0);
  CHECK(status == 0);
  CHECK_FALSE(refused);
}

#endif
