#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The server and its modules under valgrind's memcheck, through a short load of everything (live_load.py) with and
# without a store: no invalid access, no use of what was not written, no leak.

set -u
skip() {
  echo "skipped: $1"
  exit 77
}

command -v valgrind >/dev/null || skip "valgrind is not installed"
if grep -q -e __asan_init -e __tsan_init -e __msan_init "$GEARMAND"; then
  skip "the server is built with a sanitizer, which valgrind cannot run"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/gearmand-valgrind.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# --fair-sched: else the thread that has work keeps the lock, and the others wait for seconds.
cat >"$work/gearmand" <<END
#!/bin/sh
exec valgrind --quiet --suppressions="$top_srcdir/tests/stress/valgrind.supp" --error-exitcode=99 \
   --leak-check=full --show-leak-kinds=definite,indirect,possible \
  --errors-for-leak-kinds=definite,indirect,possible --fair-sched=yes --num-callers=30 --child-silent-after-fork=yes \
  --log-file="$work/memcheck.%p" "$GEARMAND" "\$@"
END
chmod +x "$work/gearmand"

status=0
GEARMAND="$work/gearmand" GEARMAND_TEST_MODES= GEARMAND_TEST_SLOW=6 GEARMAND_STRESS_SECONDS="${GEARMAND_STRESS_SECONDS:-10}" \
  "$top_srcdir/tests/stress/live_load.py" -t 0 -t 4 || status=1
cat "$work"/memcheck.* || status=1 # one for each server, empty when all is well
exit $status
