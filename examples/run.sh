#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds the forecast program for this machine and runs it.
#
#   examples/run.sh [forecast option...]      examples/run.sh --help tells them
#
# Without --out the results go to build/forecast.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/debian.sh"

out=(--out "$root/build/forecast")
for argument in "$@"; do
  case $argument in
    --out | --out=* | -o | -o*) out=() ;;
  esac
done

step "Packages" need g++ cmake ninja-build libeigen3-dev libxsimd-dev nlohmann-json3-dev \
  libcli11-dev gnuplot-nox
step "Configure" configure examples
step "Build" build examples --target forecast
step "Forecast" "$root/build/examples/examples/forecast" "${out[@]}" "$@"
