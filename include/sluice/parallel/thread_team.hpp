// SPDX-License-Identifier: MIT
/// \file
/// A small owner of threads, for programs that have no pool of their own.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/parallel/fork.hpp>
#include <sluice/parallel/job.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace sluice {

/// n - 1 threads and the caller, who works along. Usable as an `Executor`.
///
///     ThreadTeam team(4);
///     Tape<float> tape(team);
///
/// Items are taken one by one from a shared counter, so uneven ones balance. Between calls the
/// threads stay awake for some microseconds, then sleep. The destructor joins them.
///
/// A call that finds the team at work, be it from inside f or from another thread, runs its own
/// items in order on the spot. So does every call in the child of a fork(), which has a copy of the
/// team but not its threads; a team that the child makes itself is whole.
class ThreadTeam {
 public:
  using Function = detail::Job::Function;

  /// As many threads as the machine runs at once.
  ThreadTeam() : ThreadTeam(std::max<std::ptrdiff_t>(1, std::thread::hardware_concurrency())) {}

  /// \param threads  how many work at once, the caller included; at least 1.
  /// \throws ArgumentError  if less than 1.
  explicit ThreadTeam(std::ptrdiff_t threads) {
    require(threads >= 1, "ThreadTeam", "threads", "at least 1", threads);
    try {
      workers_.reserve(static_cast<std::size_t>(threads - 1));
      for (std::ptrdiff_t i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
    } catch (...) {
      dismiss();
      throw;
    }
  }

  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  ~ThreadTeam() { dismiss(); }

  /// Threads that work at once, the caller included.
  std::ptrdiff_t concurrency() const noexcept {
    return forked() ? 1 : static_cast<std::ptrdiff_t>(workers_.size()) + 1;
  }

  /// Calls f(context, i) for every i in [0, n) and returns when all are done. The first exception
  /// of f reaches the caller; items that nobody has begun by then are left out.
  /// \throws std::logic_error  in a child that f forked, for the items of other threads are lost.
  void run(std::ptrdiff_t n, Function f, void* context) {
    if (workers_.empty() || n < 2 || forked() || busy_.test_and_set(std::memory_order_acquire)) {
      for (std::ptrdiff_t i = 0; i < n; ++i) f(context, i);
      return;
    }
    const Release release{busy_};
    job_.begin(n, f, context);
    call();
    job_.work();
    if (forked())
      throw std::logic_error("ThreadTeam: a forked child returned into the parent's call");
    job_.end();
  }

 private:
  struct Release {
    std::atomic_flag& flag;
    ~Release() { flag.clear(std::memory_order_release); }
  };

  void serve() noexcept {
    for (std::uint32_t seen = 0; !leave_.load(std::memory_order_relaxed) && !forked();) {
      seen = detail::wait_while(calls_, seen);
      job_.help();
    }
  }

  /// Whether this is a copy in a child, and the threads were left behind.
  bool forked() const noexcept { return detail::fork_generation() != maker_; }

  /// Wakes everybody.
  void call() noexcept {
    calls_.fetch_add(1, std::memory_order_release);
    calls_.notify_all();
  }

  void dismiss() noexcept {
    if (forked()) {
      // There is nothing to join: a handle without a thread takes the place of each.
      for (auto& worker : workers_) std::construct_at(&worker);
      return;
    }
    leave_.store(true, std::memory_order_relaxed);
    call();
    for (auto& worker : workers_) worker.join();
  }

  const std::uint32_t maker_ = detail::fork_generation();
  detail::Job job_;
  std::atomic_flag busy_;
  std::atomic<bool> leave_ = false;
  alignas(64) std::atomic<std::uint32_t> calls_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace sluice
