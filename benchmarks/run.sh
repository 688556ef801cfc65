#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds the benchmarks for this machine and runs them.
#
#   benchmarks/run.sh [option of Google Benchmark...]
#
#   benchmarks/run.sh --benchmark_filter=gla/
#   benchmarks/run.sh --benchmark_out=result.json --benchmark_repetitions=5
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/debian.sh"

step "Packages" need g++ cmake ninja-build libeigen3-dev libxsimd-dev libbenchmark-dev \
  nlohmann-json3-dev
step "Configure" configure bench
step "Build" build bench
step "Benchmarks" "$root/build/bench/benchmarks/sluice_benchmarks" "$@"
