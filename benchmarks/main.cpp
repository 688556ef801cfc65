// SPDX-License-Identifier: MIT
/// \file
/// The limits of the machine, and below them the rows of Google Benchmark or the table of targets.
#include "long.hpp"
#include "rows.hpp"
#include "support/machine.hpp"
#include "targets/targets.hpp"

#include <benchmark/benchmark.h>
#include <cstdio>
#include <exception>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::bench {

namespace {

constexpr const char* usage =
    "sluice_benchmarks [--targets[=<word>]] [option of Google Benchmark...]\n"
    "\n"
    "  --targets[=<word>]   races against targets instead of rows, of the families with the word "
    "in\n"
    "                       their name: exp product linear gla_forward gla_threads gla_backward "
    "ssm decode block\n"
    "  --long               one sequence of a million tokens instead of rows, and decoding after "
    "100 000\n"
    "\n";

constexpr const char* legend =
    "Rows are family/form/scalar/sizes. Time is that of the clock on the wall, CPU that of the\n"
    "calling thread; rates come from CPU, or from Time where several threads work. FLOP/s counts\n"
    "useful operations, the same for all forms of a family. One column is the share of the limit\n"
    "that binds:\n"
    "  %peak    of the FMA peak above, times the threads of the row\n"
    "  %memory  of load and store in place in the level above that holds the data\n"
    "  %read    of loads alone in that level\n"
    "  %exp     of the rate of sluice's exp above\n"
    "(Debian's Google Benchmark warns that it is a DEBUG build; that concerns its loop alone.)\n";

/// The word of --targets, if that is asked for.
std::optional<std::string_view> wanted_targets(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i], option = "--targets";
    if (argument == option) return "";
    if (argument.starts_with("--targets=")) return argument.substr(option.size() + 1);
    if (argument == "--help") std::fputs(usage, stdout);
  }
  return {};
}

void run_rows(int argc, char** argv) {
  std::string program = argv[0], shorter = "--benchmark_min_time=0.2";  // there are many rows
  std::string in_columns = "--benchmark_counters_tabular=true";
  std::vector<char*> arguments{program.data(), shorter.data(), in_columns.data()};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  int count = int(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data()))
    throw std::invalid_argument("see --help");

  const Machine& m = machine();
  std::ostringstream limits;
  limits << m << '\n' << legend;
  std::fprintf(stderr, "%s\n", limits.str().c_str());  // beside the table, which may be JSON
  benchmark::AddCustomContext("cpu", m.cpu);
  benchmark::AddCustomContext("compiler", m.compiler);
  benchmark::AddCustomContext("instruction_set", m.instruction_set);
  benchmark::AddCustomContext("fma_peak_f32", std::to_string(m.peak_f32));
  benchmark::AddCustomContext("fma_peak_f64", std::to_string(m.peak_f64));

  register_simd();
  register_product();
  register_gla(m.threads);
  register_ssm(m.threads);
  register_ssd(m.threads);
  register_conv(m.threads);
  register_linear(m.threads);
  register_norm();
  register_block(m.threads);
  register_model(m.threads);
  register_long();
  register_torch();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

}  // namespace

}  // namespace sluice::bench

int main(int argc, char** argv) try {
  using namespace sluice::bench;
  const auto word = wanted_targets(argc, argv);
  const bool long_runs = argc > 1 && std::string_view(argv[1]) == "--long";
  if (word || long_runs) {
    if (argc > 2) throw std::invalid_argument(std::string(argv[1]) + " goes with no other option");
    std::ostringstream limits;
    limits << machine();
    std::printf("%s\n", limits.str().c_str());
    if (word)
      print_targets(*word);
    else
      print_long_runs();
  } else {
    run_rows(argc, argv);
  }
} catch (const std::exception& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
