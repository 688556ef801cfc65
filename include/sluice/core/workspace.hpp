// SPDX-License-Identifier: MIT
/// \file
/// Where a kernel runs: on whose threads, and in whose scratch memory.
#pragma once

#include <sluice/core/arena.hpp>
#include <sluice/core/executor.hpp>

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
  Workspace(Executor executor, Arena* arena = nullptr) : executor(executor), arena(arena) {}
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

}  // namespace sluice
