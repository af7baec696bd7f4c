# SPDX-License-Identifier: BSD-3-Clause
# lib.sh - what the tests of the packages share; read with `.`.  $tmp is a folder that the user gearman may write to.
#
# Where systemd is not process 1, as in a chroot, start() does what the unit says: its folders, its user, its command line.

set -eu
tmp=${AUTOPKGTEST_TMP:-$(mktemp -d)}
chmod 777 "$tmp"
here=$(cd "$(dirname "$0")" && pwd)
unit=/lib/systemd/system/gearmand.service

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# until_true SECONDS COMMAND...
until_true() {
  left=$(($1 * 20)); shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || fail "waited in vain for: $*"
    sleep 0.05
  done
}

unit_says() {
  sed -n "s/^$1=//p" "$unit"
}

as_gearman() {
  setpriv --reuid=gearman --regid=gearman --init-groups -- "$@"
}

# start [OPTION...]: the server as the unit starts it, with these options in PARAMS; without, those of the files that the unit reads.
start() {
  [ ! -d /run/systemd/system ] || fail "this test starts the server by hand"
  [ "$(unit_says User)" = gearman ] || fail "the unit's user"
  install -d -o gearman -g gearman "/run/$(unit_says RuntimeDirectory)" "/var/lib/$(unit_says StateDirectory)" \
    "/var/log/$(unit_says LogsDirectory)"
  PARAMS=
  for file in $(unit_says EnvironmentFile); do
    file=${file#-}
    # shellcheck disable=SC1090 # as the unit
    [ ! -f "$file" ] || . "$file"
  done
  [ $# = 0 ] || PARAMS=$*
  cd "$(unit_says WorkingDirectory)"
  # shellcheck disable=SC2046,SC2086 # systemd parts words in the same way
  perl "$here/manager.pl" "$tmp/notify" setpriv --reuid=gearman --regid=gearman --init-groups -- \
    $(unit_says ExecStart | sed 's/ \$PARAMS//') $PARAMS </dev/null >"$tmp/server.out" 2>&1 || { cat "$tmp/server.out" >&2; fail "the server did not start"; }
  server=$(sed -n 's/^ready //p' "$tmp/server.out")
  cd "$tmp"
}

stop() {
  kill "${1:--TERM}" "$server"
  until_true 20 gone "$server"
}

# In a chroot nobody may reap it.
gone() {
  [ ! -e "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status"
}

# Background jobs whose payload is this text; a worker that writes one payload to $tmp/result.
submit() {
  printf '%s' "$1" | gearman -h localhost -b -f save
}

work() {
  rm -f "$tmp/result"
  timeout 30 gearman -h localhost -w -c 1 -f save -- sh -c "cat >$tmp/result" || fail "no worker got a job"
  [ "$(cat "$tmp/result")" = "$1" ] || fail "the worker got '$(cat "$tmp/result")', not '$1'"
}

# A job in the store of these options outlives kill -9 and is done, then the store is empty.
store_keeps_a_job() {
  start "$@"
  submit "kept over kill -9"
  stop -KILL
  start "$@"
  work "kept over kill -9"
  stop
  start "$@"
  gearmanctl status | grep -q '^save *[1-9]' && fail "a job that is done came back"
  stop
}
