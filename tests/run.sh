#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds the tests for this machine and runs them.
#
#   tests/run.sh [ctest option...]      for example: tests/run.sh -R gla
#
# SLUICE_WERROR=ON in the environment makes warnings errors.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/debian.sh"

step "Packages" need g++ cmake ninja-build libeigen3-dev libxsimd-dev catch2 nlohmann-json3-dev \
  libcli11-dev libpcre2-dev libutf8proc-dev gnuplot-nox
step "Configure" configure release ${SLUICE_WERROR:+"-DSLUICE_WERROR=$SLUICE_WERROR"}
step "Build" build release --target all_tests
step "Test" run_tests release "$@"
