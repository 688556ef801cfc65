#!/bin/sh
# SPDX-License-Identifier: MIT
# Fetches ETTh1.csv and ETTh2.csv into a folder (default: the current one) and checks them.
set -eu

folder=${1:-.}
base=https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small

fetch() { # fetch <name> <sha256>
  partial=$(mktemp "$folder/.$1.XXXXXX")
  trap 'rm -f "$partial"' EXIT INT TERM
  curl --fail --location --silent --show-error --output "$partial" "$base/$1"
  if ! echo "$2  $partial" | sha256sum --check --status; then
    echo "$1: the SHA-256 is not the expected one; nothing was kept" >&2
    exit 1
  fi
  chmod 644 "$partial"
  mv "$partial" "$folder/$1"
  echo "$folder/$1"
}

mkdir -p "$folder"
fetch ETTh1.csv f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066
fetch ETTh2.csv a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b

cat <<'END'
ETDataset by Haoyi Zhou et al., https://github.com/zhouhaoyi/ETDataset, licence CC BY-ND 4.0
(https://creativecommons.org/licenses/by-nd/4.0/): share it unchanged and with this notice only.
Cite: Zhou et al., Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting,
AAAI 2021 (arXiv:2012.07436).
END
