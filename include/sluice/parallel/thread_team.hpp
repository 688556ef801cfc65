// SPDX-License-Identifier: MIT
/// \file
/// A small owner of threads, for programs that have no pool of their own.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/parallel/job.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
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
/// items in order on the spot.
class ThreadTeam {
 public:
  using Function = detail::Job::Function;

  /// As many threads as the machine runs at once.
  ThreadTeam() : ThreadTeam(std::max<std::ptrdiff_t>(1, std::thread::hardware_concurrency())) {}

  /// \param threads  how many work at once, the caller included; at least 1.
  /// \throws ArgumentError  if less than 1.
  explicit ThreadTeam(std::ptrdiff_t threads) {
    require(threads >= 1, "ThreadTeam", "threads", "at least 1", std::to_string(threads));
    try {
      workers_.reserve(static_cast<std::size_t>(threads - 1));
      for (std::ptrdiff_t i = 1; i < threads; ++i)
        workers_.emplace_back([this](const std::stop_token& stop) { serve(stop); });
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
    return static_cast<std::ptrdiff_t>(workers_.size()) + 1;
  }

  /// Calls f(context, i) for every i in [0, n) and returns when all are done. The first exception
  /// of f reaches the caller; items that nobody has begun by then are left out.
  void run(std::ptrdiff_t n, Function f, void* context) {
    if (workers_.empty() || n < 2 || busy_.test_and_set(std::memory_order_acquire)) {
      for (std::ptrdiff_t i = 0; i < n; ++i) f(context, i);
      return;
    }
    const Release release{busy_};
    job_.begin(n, f, context);
    call();
    job_.work();
    job_.end();
  }

 private:
  struct Release {
    std::atomic_flag& flag;
    ~Release() { flag.clear(std::memory_order_release); }
  };

  void serve(const std::stop_token& stop) noexcept {
    for (std::uint32_t seen = 0; !stop.stop_requested();) {
      seen = detail::wait_while(calls_, seen);
      job_.help();
    }
  }

  /// Wakes everybody.
  void call() noexcept {
    calls_.fetch_add(1, std::memory_order_release);
    calls_.notify_all();
  }

  void dismiss() noexcept {
    for (auto& worker : workers_) worker.request_stop();
    call();
  }

  detail::Job job_;
  std::atomic_flag busy_;
  alignas(64) std::atomic<std::uint32_t> calls_ = 0;
  std::vector<std::jthread> workers_;  // last, so that they are joined before the rest goes
};

}  // namespace sluice
