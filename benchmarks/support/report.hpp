// SPDX-License-Identifier: MIT
/// \file
/// The columns of every row: tokens/s, useful FLOP/s, and per cent of the limit that binds.
#pragma once

#include "machine.hpp"
#include "race.hpp"

#include <benchmark/benchmark.h>
#include <functional>
#include <string>

namespace sluice::bench {

/// What one call does.
struct Work {
  double tokens = 0;       ///< 0: not counted in tokens
  double flop = 0;         ///< useful ones only, however many the form computes
  double bytes = 0;        ///< loaded and stored; where given, memory is the limit
  double working_set = 0;  ///< bytes touched; says which level of memory it is
  double reads = 0;        ///< bytes of which each is loaded once; where given, that is the limit
  double exps = 0;         ///< values of an exponential function; where given, they are the limit
  double elements = 0;
  int threads = 1;
};

/// Per cent of the binding limit that work done in so many seconds comes to.
template <class Scalar>
double percent_of_limit(const Work& w, double seconds) {
  const Machine& m = machine();
  if (w.exps > 0) return 100 * w.exps / seconds / m.exp_rate;
  if (w.reads > 0) return 100 * w.reads / seconds / m.level_of(w.reads).read;
  if (w.bytes > 0) return 100 * w.bytes / seconds / m.level_of(w.working_set).update;
  return 100 * w.flop / seconds / (m.peak<Scalar>() * w.threads);
}

/// Runs `f` as a row of Google Benchmark.
template <class Scalar, class F>
void measure(benchmark::State& s, const Work& w, F&& f) {
  const Clock clock = w.threads > 1 ? Clock::wall : Clock::thread;
  f();
  const double begin = now(clock);
  for (auto _ : s) {
    f();
    benchmark::ClobberMemory();
  }
  const double seconds = (now(clock) - begin) / double(s.iterations());
  const auto rate = [&](const char* name, double count) {
    if (count > 0) s.counters[name] = {count / seconds, benchmark::Counter::kDefaults};
  };
  rate("tokens/s", w.tokens);
  rate("FLOP/s", w.flop);
  rate("bytes/s", w.bytes + w.reads);
  rate("elements/s", w.elements);
  if (w.exps + w.bytes + w.reads + w.flop == 0) return;
  const char* const limit = w.exps > 0    ? "%exp"
                            : w.reads > 0 ? "%read"
                            : w.bytes > 0 ? "%memory"
                                          : "%peak";
  s.counters[limit] = percent_of_limit<Scalar>(w, seconds);
}

/// "f32" or "f64", the last part of a row's name.
template <class Scalar>
inline const char* scalar_name = sizeof(Scalar) == 4 ? "/f32" : "/f64";

/// Registers a row. Where threads of our own do the work, its time is that of the clock on the
/// wall.
template <class F>
benchmark::internal::Benchmark* row(const std::string& name, F&& f, int threads = 1) {
  auto* b = benchmark::RegisterBenchmark(name.c_str(), std::forward<F>(f));
  if (threads > 1) b->UseRealTime();
  return b->Unit(benchmark::kMicrosecond);
}

}  // namespace sluice::bench
