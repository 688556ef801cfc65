// SPDX-License-Identifier: MIT
/// \file
/// The threads of an `Eigen::ThreadPool`, for applications that already have one.
#pragma once

#include <sluice/core/executor.hpp>
#include <sluice/parallel/job.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>

#if __has_include(<Eigen/ThreadPool>)
#include <Eigen/ThreadPool>
#else
#include <unsupported/Eigen/CXX11/ThreadPool>
#endif

namespace sluice {

namespace detail {

struct EigenPoolAdapter {
  using Pool = Eigen::ThreadPoolInterface;

  static std::ptrdiff_t concurrency(const Pool& pool) { return std::max(1, pool.NumThreads()); }

  static void run(Pool& pool, std::ptrdiff_t n, Job::Function f, void* context) {
    const auto helpers = std::min(concurrency(pool), n) - 1;
    const auto job = std::make_shared<Job>();  // outlives the call: a helper may start late
    job->begin(n, f, context);
    try {
      for (std::ptrdiff_t i = 0; i < helpers; ++i) pool.Schedule([job] { job->help(); });
    } catch (const std::exception&) {
      // No room in the queue for another helper: those at hand and the caller do the work.
    }
    job->work();
    job->end();
  }
};

}  // namespace detail

/// An executor on the threads of `pool`, which must outlive it. The caller works along in place of
/// one of them, so that a pool of n threads means n at work. It may itself be a thread of the pool.
///
///     Eigen::ThreadPool pool(8);
///     Tape<float> tape(eigen_pool(pool));
///
/// The first exception of an item reaches the caller; items not begun by then are left out.
inline Executor eigen_pool(Eigen::ThreadPoolInterface& pool) noexcept {
  return Executor::adapt<detail::EigenPoolAdapter>(pool);
}

}  // namespace sluice
