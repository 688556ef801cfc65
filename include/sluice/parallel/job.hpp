// SPDX-License-Identifier: MIT
/// \file
/// What the adapters to threads share: items handed out one by one, helpers that come when they
/// can, and a caller who waits for those alone that came.
#pragma once

#include <sluice/core/assert.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

namespace sluice::detail {

/// Tells the core that this is a loop of waiting.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until `word` is no longer `old`: awake for a while, then asleep; returns what it became.
inline std::uint32_t wait_while(const std::atomic<std::uint32_t>& word,
                                std::uint32_t old) noexcept {
  constexpr int awake = 1000;  // 10 to 50 microseconds: about the cost of being woken
  for (int i = 0; i < awake; ++i) {
    const auto now = word.load(std::memory_order_acquire);
    if (now != old) return now;
    relax();
  }
  word.wait(old, std::memory_order_acquire);
  return word.load(std::memory_order_acquire);
}

/// The items [0, n) of one call. The caller begins it, works and ends it; helpers may join while it
/// is open. A helper that comes late finds it closed and touches nothing, so nobody waits for one
/// that is still asleep or queued behind other work, and nested calls cannot block each other.
class Job {
 public:
  using Function = void (*)(void* context, std::ptrdiff_t i);

  /// Opens the job. Only when no other is open.
  void begin(std::ptrdiff_t n, Function f, void* context) noexcept {
    SLUICE_ASSERT(state_.load() == 0);
    n_ = n, f_ = f, context_ = context;
    next_.store(0, std::memory_order_relaxed);
    failed_.store(false, std::memory_order_relaxed);
    state_.store(open, std::memory_order_release);
  }

  /// Takes items until none is left.
  void work() noexcept {
    for (;;) {
      const auto i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= n_) return;
      try {
        f_(context_, i);
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
        next_.store(n_, std::memory_order_relaxed);
      }
    }
  }

  /// Joins the job if it is open, works, and leaves it.
  void help() noexcept {
    auto state = state_.load(std::memory_order_relaxed);
    do {
      if ((state & open) == 0) return;
    } while (!state_.compare_exchange_weak(state, state + helper, std::memory_order_acquire,
                                           std::memory_order_relaxed));
    work();
    if (state_.fetch_sub(helper, std::memory_order_acq_rel) == helper) state_.notify_one();
  }

  /// Closes the job, waits for the helpers that joined, and hands on the first exception.
  void end() {
    auto state = state_.fetch_and(~open, std::memory_order_acq_rel) & ~open;
    while (state != 0) state = wait_while(state_, state);
    if (failed_.load(std::memory_order_relaxed))
      std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  static constexpr std::uint32_t open = 1, helper = 2;

  std::ptrdiff_t n_ = 0;
  Function f_ = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
  std::atomic<bool> failed_ = false;
  alignas(64) std::atomic<std::uint32_t> state_ = 0;  // one cache line each: they are contended
  alignas(64) std::atomic<std::ptrdiff_t> next_ = 0;
};

}  // namespace sluice::detail
