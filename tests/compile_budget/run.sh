#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a source costs to compile, against its budget: user seconds at -O2, as the best of three.
#
#   tests/compile_budget/run.sh [compiler] [flag...]       the default is g++ -march=native
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

compiler=${1:-g++}
[ $# -gt 0 ] && shift
flags=("$@")
[ ${#flags[@]} -gt 0 ] || flags=(-march=native)

# seconds <source> [flag...]: the least user time of three compilations.
seconds() {
  local source=$1 best=999 time TIMEFORMAT=%U
  shift
  for _ in 1 2 3; do
    time=$({ time "$compiler" -std=c++20 -O2 -DNDEBUG -Iinclude -isystem /usr/include/eigen3 \
      "${flags[@]}" "$@" -c "tests/compile_budget/$source.cpp" -o /dev/null; } 2>&1 | tail -n 1)
    best=$(printf '%s\n%s\n' "$best" "$time" | sort -g | head -n 1)
  done
  echo "$best"
}

printf '%-34s %8s %8s   %8s %8s\n' "$compiler ${flags[*]}, user seconds" inline budget compiled budget
row() {
  printf '%-34s %8.1f %8.1f   %8.1f %8.1f\n' "$1" "$(seconds "$2")" "$3" \
    "$(seconds "$2" -DSLUICE_USE_COMPILED_KERNELS)" "$(awk "BEGIN {print $3 / 2}")"
}
row "a kernel" kernel 3
row "a layer" layer 6
row "a language model, trained" language_model 12
row "sluice.hpp alone" everything 5
