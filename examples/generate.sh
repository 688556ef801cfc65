#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds the generate program for this machine and runs it.
#
#   examples/generate.sh [folder] [generate option...]      examples/generate.sh --help tells them
#
# Without a folder it takes a tiny one of the tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/debian.sh"

step "Packages" need g++ cmake ninja-build libeigen3-dev libxsimd-dev nlohmann-json3-dev \
  libcli11-dev libpcre2-dev libutf8proc-dev
step "Configure" configure examples
step "Build" build examples --target generate
step "Generate" "$root/build/examples/examples/generate" "$@"
