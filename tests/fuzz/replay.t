#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Each fuzz target takes its corpus, and changed copies of it, without a crash.  One case per target.
# $FUZZERS is the list of targets, tests/fuzz/fuzz_NAME; corpus/NAME has its inputs.
# GEARMAND_TEST_MUTATIONS: changed copies per input.

set -u
count=0
failed=0
for target in $FUZZERS; do
  name=${target##*/fuzz_}
  corpus=$top_srcdir/tests/fuzz/corpus/$name
  count=$((count + 1))
  if [ -d "$corpus" ] && said=$("$top_builddir/$target" -runs=0 -mutate="${GEARMAND_TEST_MUTATIONS:-300}" "$corpus" 2>&1); then
    echo "ok $count - $name: $(echo "$said" | tail -n 1)"
  else
    failed=1
    echo "not ok $count - $name"
    [ -d "$corpus" ] && echo "$said" | tail -n 60 | sed 's/^/# /' || echo "# $corpus is missing"
  fi
done
if [ $count = 0 ]; then
  echo "1..0 # SKIP no fuzz targets"
else
  echo "1..$count"
fi
exit $failed
