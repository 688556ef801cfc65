// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include "bursts.hpp"
#include "race.hpp"

#include <benchmark/benchmark.h>
#include <cstdio>
#include <fstream>
#include <ostream>
#include <thread>

namespace sluice::bench {

namespace {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string compiler_name() {
#if defined(__clang__)
  return "clang++ " __clang_version__;
#elif defined(__GNUC__)
  return "g++ " __VERSION__;
#else
  return "unknown";
#endif
}

/// Bytes of the data caches seen by one core, smallest first.
std::vector<std::size_t> cache_sizes() {
  std::vector<std::size_t> sizes;
  for (const auto& cache : benchmark::CPUInfo::Get().caches)
    if (cache.type != "Instruction") sizes.push_back(std::size_t(cache.size));
  std::sort(sizes.begin(), sizes.end());
  if (sizes.empty()) sizes = {32u << 10, 1u << 20, 16u << 20};
  return sizes;
}

Level measure_level(const std::string& name, std::size_t capacity, std::size_t bytes) {
  using S = float;
  const Index n = Index(bytes / sizeof(S)) / 1024 * 1024;
  std::vector<S> x(std::size_t(n), S(1));
  const auto times =
      race({[&] { keep(read_span(x.data(), n)); }, [&] { update_span(x.data(), n); }},
           {.turn = 2e-4, .total = 0.2});
  const double size = double(n) * sizeof(S);
  return {name, capacity, size / times[0].least, 2 * size / times[1].least};
}

Machine measure() {
  using B = simd::Batch<float, simd::DefaultArch>;
  Machine m;
  m.cpu = cpu_name();
  m.compiler = compiler_name();
  m.instruction_set = std::string(simd::DefaultArch::name()) + ", " +
                      std::to_string(simd::lanes<B>) + " floats a vector";
  m.threads = int(std::max(1u, std::thread::hardware_concurrency()));

  const Index n = 2048;
  std::vector<float> x(n), y(n);
  for (Index i = 0; i < n; ++i) x[std::size_t(i)] = -float(i) / 256;
  const auto times = race({FmaBurst<float>{}, FmaBurst<double>{},
                           [&] {
                             map_span([](const B& b) SLUICE_INLINE_LAMBDA { return simd::exp(b); },
                                      x.data(), y.data(), n);
                           },
                           [&] {
                             map_span([](const B& b) SLUICE_INLINE_LAMBDA { return xsimd::exp(b); },
                                      x.data(), y.data(), n);
                           }});
  m.peak_f32 = FmaBurst<float>::flop / times[0].least;
  m.peak_f64 = FmaBurst<double>::flop / times[1].least;
  m.exp_rate = double(n) / times[2].least;
  m.xsimd_exp = double(n) / times[3].least;

  // Half of a cache, so that nothing else drives the data out; of the last, which others share,
  // a quarter.
  const auto sizes = cache_sizes();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const bool shared = i + 1 == sizes.size();
    const std::string name{'L', char('1' + i)};
    m.levels.push_back(measure_level(name, sizes[i], sizes[i] / (shared ? 4 : 2)));
  }
  m.levels.push_back(measure_level("DRAM", 0, 4 * sizes.back()));
  return m;
}

}  // namespace

const Level& Machine::level_of(double bytes) const {
  for (const Level& level : levels)
    if (bytes <= double(level.capacity)) return level;
  return levels.back();
}

const Machine& machine() {
  static const Machine m = measure();
  return m;
}

std::ostream& operator<<(std::ostream& out, const Machine& m) {
  const auto line = [&](const char* format, auto... values) {
    char text[256];
    std::snprintf(text, sizeof text, format, values...);
    out << text << '\n';
  };
  line("CPU              %s, %d threads", m.cpu.c_str(), m.threads);
  line("compiler         %s", m.compiler.c_str());
  line("instruction set  %s", m.instruction_set.c_str());
  out << "Limits of one core, measured now:\n";
  line("  FMA peak       %8.1f GFLOP/s f32 %8.1f GFLOP/s f64", m.peak_f32 / 1e9, m.peak_f64 / 1e9);
  line("  exp            %8.2f G/s sluice  %8.2f G/s xsimd   (f32, in L1)", m.exp_rate / 1e9,
       m.xsimd_exp / 1e9);
  for (const Level& level : m.levels)
    line("  %-4s           %8.1f GB/s read   %8.1f GB/s load and store in place  %s",
         level.name.c_str(), level.read / 1e9, level.update / 1e9,
         level.capacity ? std::to_string(level.capacity >> 10).append(" KiB").c_str() : "");
  return out;
}

}  // namespace sluice::bench
