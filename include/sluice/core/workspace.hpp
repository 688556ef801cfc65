// SPDX-License-Identifier: MIT
/// \file
/// Where a kernel runs: on whose threads, and in whose scratch memory.
#pragma once

#include <sluice/core/arena.hpp>
#include <sluice/core/executor.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace sluice {

/// The last argument of every kernel that needs more than its operands.
///
/// Without an executor a kernel is sequential; without an arena it asks the system for scratch
/// memory at every call. An arena is left as it was found, but for its capacity.
struct Workspace {
  Executor executor{};
  Arena* arena = nullptr;

  Workspace() = default;
  Workspace(Executor threads, Arena* scratch = nullptr) : executor(threads), arena(scratch) {}
};

/// Scratch memory of one call; given back at the end of its scope.
class Scratch {
 public:
  explicit Scratch(const Workspace& workspace)
      : arena_(workspace.arena ? *workspace.arena : own_), mark_(arena_.mark()) {}
  ~Scratch() { arena_.release(mark_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /// Uninitialised room for n scalars, 64-byte aligned.
  template <class Scalar>
  Scalar* allocate(std::ptrdiff_t n) {
    return static_cast<Scalar*>(arena_.allocate(sizeof(Scalar) * static_cast<std::size_t>(n)));
  }

 private:
  Arena own_;
  Arena& arena_;
  Arena::Mark mark_;
};

/// Calls f(task, worker) for every task in [0, tasks). At most `workers` run at once, and no two
/// with the same number, so that scratch memory can be had once a worker instead of once a task.
template <class F>
void share(const Executor& executor, std::ptrdiff_t tasks, std::ptrdiff_t workers, F&& f) {
  std::atomic<std::ptrdiff_t> next{0};
  executor.for_each(std::min(tasks, workers), [&](std::ptrdiff_t worker) {
    for (std::ptrdiff_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;)
      f(task, worker);
  });
}

}  // namespace sluice
