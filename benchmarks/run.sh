#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds the benchmarks for this machine and runs them.
#
#   benchmarks/run.sh [Google Benchmark option...]
#   for example: benchmarks/run.sh --benchmark_filter=gla --benchmark_out=gla.json
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/debian.sh"

step "Packages" need g++ cmake ninja-build libeigen3-dev libxsimd-dev libbenchmark-dev \
  nlohmann-json3-dev
step "Configure" configure bench
step "Build" build bench --target sluice_benchmarks
step "Run" "$root/build/bench/benchmarks/sluice_benchmarks" "$@"
