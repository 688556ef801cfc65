// SPDX-License-Identifier: MIT
/// \file
/// How work is handed to the threads of the application: "run f(i) for every i in [0, n)".
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace sluice {

/// A non-owning, type-erased reference to a pool of threads; two words. Without a pool, sequential.
///
/// A pool is any object with
///
///     std::ptrdiff_t concurrency() const;                    // threads that can run at once
///     void run(std::ptrdiff_t n, void (*f)(void*, std::ptrdiff_t), void* context);  // blocks
///
/// Results of sluice never depend on `concurrency`.
class Executor {
 public:
  using Index = std::ptrdiff_t;
  using Function = void (*)(void* context, Index i);

  /// Sequential.
  Executor() = default;

  template <class Pool>
  requires(!std::same_as<std::remove_cv_t<Pool>, Executor> && requires(Pool & p, Function f) {
    { p.concurrency() } -> std::convertible_to<Index>;
    p.run(Index{}, f, static_cast<void*>(nullptr));
  }) Executor(Pool& pool)
  noexcept
      : pool_(const_cast<void*>(static_cast<const void*>(std::addressof(pool)))),
        table_(&table_of<Pool, Members>) {}

  /// An executor for a pool of another form. `Adapter` has static functions `concurrency(pool)` and
  /// `run(pool, n, f, context)`; nothing but `pool` need outlive the executor.
  template <class Adapter, class Pool>
  static Executor adapt(Pool& pool) noexcept {
    Executor executor;
    executor.pool_ = const_cast<void*>(static_cast<const void*>(std::addressof(pool)));
    executor.table_ = &table_of<Pool, Adapter>;
    return executor;
  }

  /// Threads that can run at once, at least 1.
  Index concurrency() const { return table_ ? table_->concurrency(pool_) : 1; }

  /// Calls f(i) for every i in [0, n), in any order, and returns when all are done.
  /// An exception of f reaches the caller when the pool supports it; kernels throw before they
  /// start.
  template <class F>
  void for_each(Index n, F&& f) const {
    if (!table_ || n < 2) {
      for (Index i = 0; i < n; ++i) f(i);
      return;
    }
    using Callable = std::remove_reference_t<F>;
    table_->run(
        pool_, n, [](void* context, Index i) { (*static_cast<Callable*>(context))(i); },
        const_cast<void*>(static_cast<const void*>(std::addressof(f))));
  }

 private:
  struct Table {
    Index (*concurrency)(void*);
    void (*run)(void*, Index, Function, void*);
  };
  struct Members {
    static Index concurrency(auto& pool) { return static_cast<Index>(pool.concurrency()); }
    static void run(auto& pool, Index n, Function f, void* context) { pool.run(n, f, context); }
  };
  template <class Pool, class Adapter>
  static constexpr Table table_of{
      [](void* pool) -> Index { return Adapter::concurrency(*static_cast<Pool*>(pool)); },
      [](void* pool, Index n, Function f, void* context) {
        Adapter::run(*static_cast<Pool*>(pool), n, f, context);
      }};

  void* pool_ = nullptr;
  const Table* table_ = nullptr;
};

}  // namespace sluice
