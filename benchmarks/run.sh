#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds the benchmarks for this machine and runs them.
#
#   benchmarks/run.sh [--torch] [--targets[=<word>]] [option of Google Benchmark...]
#
#   benchmarks/run.sh                                  every kernel against this machine's limits: 4 minutes
#   benchmarks/run.sh --targets                        ratios, raced in turns, against their targets: 1 minute
#   benchmarks/run.sh --targets=gla                    only those of gated linear attention
#   benchmarks/run.sh --long                           a million tokens, flat in time and memory: 3 minutes
#   benchmarks/run.sh --torch --targets                with LibTorch as a rival (installs libtorch-dev, 1 GB)
#   benchmarks/run.sh --benchmark_filter=gla/          rows whose names match
#   benchmarks/run.sh --benchmark_filter='linear/.*/f32/rows:3072'
#   benchmarks/run.sh --benchmark_out=result.json --benchmark_repetitions=5
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/debian.sh"

preset=bench
packages=(g++ cmake ninja-build libeigen3-dev libxsimd-dev libbenchmark-dev nlohmann-json3-dev)
if [ "${1:-}" = --torch ]; then
  shift
  preset=bench-torch
  packages+=(libtorch-dev libopenblas0-pthread) # on Debian's other BLAS, LibTorch is no rival
fi
step "Packages" need "${packages[@]}"
step "Configure" configure "$preset"
step "Build" build "$preset"
step "Benchmarks" "$root/build/$preset/benchmarks/sluice_benchmarks" "$@"
