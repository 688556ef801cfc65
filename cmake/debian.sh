# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by the scripts that do everything from a bare Debian to a result: numbered, timed steps
# that do no work twice.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
number=0

# step <title> <command...>: runs the command under a numbered title and tells how long it took.
step() {
  local title=$1 start end
  shift
  number=$((number + 1))
  echo "$number. $title"
  start=$(date +%s%N)
  "$@"
  end=$(date +%s%N)
  printf '   done in %d.%d s\n' $(((end - start) / 1000000000)) $(((end - start) / 100000000 % 10))
}

# quietly <command...>: at a terminal as it is; elsewhere its output is shown only if it fails.
quietly() {
  if [ -t 1 ]; then
    "$@"
    return
  fi
  local log status=0
  log=$(mktemp)
  "$@" > "$log" 2>&1 || status=$?
  [ "$status" = 0 ] || cat "$log"
  rm -f "$log"
  return "$status"
}

# need <package...>: installs the Debian packages among them that are missing.
need() {
  if ! command -v dpkg-query > /dev/null; then
    echo "   this is no Debian; please install yourself what these packages hold: $*"
    return
  fi
  local package missing=() as_root=()
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2> /dev/null | grep -qx installed ||
      missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    echo "   all there"
    return
  fi
  echo "   installing ${missing[*]}"
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  quietly "${as_root[@]}" apt-get -q update
  quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
}

# configure <preset> [cmake option...]: unless that has been done since a package was last installed;
# cmake itself sees to later changes of ours.
configure() {
  local build=$root/build/$1
  if [ $# = 1 ] && [ "$build/build.ninja" -nt "$root/CMakePresets.json" ] &&
    ! [ /var/lib/dpkg/status -nt "$build/build.ninja" ]; then
    echo "   as before, in $build"
    return
  fi
  (cd "$root" && CMAKE_GENERATOR=Ninja quietly cmake --preset "$@")
}

# build <preset> [cmake --build option...]: with all cores.
build() {
  local preset=$1
  shift
  (cd "$root" && quietly cmake --build --preset "$preset" --parallel "$(nproc)" "$@")
}

# run_tests <preset> [ctest option...]: closes with "N passed, N failed".
run_tests() {
  local preset=$1 log status=0 failed total
  shift
  log=$(mktemp)
  (cd "$root" && ctest --preset "$preset" --parallel "$(nproc)" "$@") | tee "$log" ||
    status=${PIPESTATUS[0]}
  read -r failed total < <(sed -n 's/.*, \([0-9]*\) tests failed out of \([0-9]*\).*/\1 \2/p' "$log") || true
  rm -f "$log"
  echo "$((${total:-0} - ${failed:-0})) passed, ${failed:-0} failed"
  return "$status"
}
