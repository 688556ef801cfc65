// SPDX-License-Identifier: MIT
/// \file
/// The rows of Google Benchmark, below the limits of the machine.
#include "rows.hpp"
#include "support/machine.hpp"

#include <benchmark/benchmark.h>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  using namespace sluice::bench;
  std::string program = argv[0], shorter = "--benchmark_min_time=0.2";  // there are many rows
  std::vector<char*> arguments{program.data(), shorter.data()};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int count = int(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;

  const Machine& m = machine();
  std::ostringstream limits;
  limits << m;
  std::fprintf(stderr, "%s\n", limits.str().c_str());  // beside the table, which may be JSON
  benchmark::AddCustomContext("cpu", m.cpu);
  benchmark::AddCustomContext("compiler", m.compiler);
  benchmark::AddCustomContext("instruction_set", m.instruction_set);
  benchmark::AddCustomContext("fma_peak_f32", std::to_string(m.peak_f32));
  benchmark::AddCustomContext("fma_peak_f64", std::to_string(m.peak_f64));

  register_simd();
  register_product();
  register_gla(m.threads);
  register_linear(m.threads);
  register_norm();
  register_block(m.threads);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
