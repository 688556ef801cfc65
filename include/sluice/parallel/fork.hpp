// SPDX-License-Identifier: MIT
/// \file
/// Whether this process is still the one that it was: fork() copies every object, but of the
/// threads only the one that called it.
#pragma once

#include <atomic>
#include <cstdint>

#if (defined(__unix__) || defined(__APPLE__)) && __has_include(<pthread.h>)
#define SLUICE_HAS_FORK 1
#include <pthread.h>
#endif

namespace sluice::detail {

/// A number that is another one in the child of a fork. Cheaper than the number of the process,
/// which costs a call of the system; without fork() always the same.
inline std::uint32_t fork_generation() noexcept {
#if defined(SLUICE_HAS_FORK)
  static std::atomic<std::uint32_t> forks = 0;
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  return forks.load(std::memory_order_relaxed);
#else
  return 0;
#endif
}

}  // namespace sluice::detail
