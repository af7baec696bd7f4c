# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# common.sh - what scripts/check and scripts/demo share; read with `.`.  Sets top, the source tree.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

BUILD_PACKAGES="autoconf automake libtool pkg-config make gcc libc6-dev libltdl-dev libevent-dev libsodium-dev libpopt-dev
  libsqlite3-dev libpq-dev libmariadb-dev libmemcached-dev libtokyocabinet-dev libhttp-parser-dev libssl-dev libsystemd-dev libjansson-dev libncurses-dev python3-docutils"

say() {
  printf '== %s\n' "$*"
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs the Debian packages named that are not there yet; asks for nothing when all are.
need_packages() {
  local missing="" package
  if ! command -v dpkg-query >/dev/null; then
    say "no Debian here: taking it that what is needed is installed"
    return 0
  fi
  for package in "$@"; do
    is_installed "$package" || missing="$missing $package"
  done
  if [ -z "$missing" ]; then
    say "all $# packages needed are installed"
    return 0
  fi
  say "installing:$missing"
  # A package that brings a service must not start it here.
  policy=/usr/sbin/policy-rc.d
  if as_root test -e $policy; then policy=""; fi
  if [ -n "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 755 $policy
  fi
  # shellcheck disable=SC2086 # one word per package
  { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing ||
    { as_root apt-get update -qq &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $missing; }; } >&2
  local status=$?
  if [ -n "$policy" ]; then as_root rm -f $policy; fi
  return $status
}

# A copy of the source without what earlier builds left: what git knows, else (a tarball) everything.
copy_source() {
  mkdir -p "$1" || return 1
  if git -C "$top" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    (cd "$top" && git ls-files -z --cached --others --exclude-standard |
      while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
      tar -c --null -T - -f -) | tar -x -C "$1" -f -
  else
    cp -a "$top/." "$1"
  fi
}
