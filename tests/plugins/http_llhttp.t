#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# proto-http with llhttp below it passes the tests that it passes with http_parser.  Debian has no library
# of llhttp to build with, but its sources (package node-llhttp), so the module is made here from those.

set -u
sources=/usr/share/llhttp
headers=/usr/share/include/llhttp
program=$top_builddir/tests/plugins/proto_http

if [ ! -f $headers/llhttp.h ] || [ ! -f $sources/llhttp.c ]; then
  echo "1..0 # SKIP the sources of llhttp are not installed (Debian: node-llhttp)"
  exit 0
fi
if [ ! -x "$program" ]; then
  echo "1..0 # SKIP the tests of proto-http are not part of this build"
  exit 0
fi
folder=$(mktemp -d "${TMPDIR:-/tmp}/http-llhttp.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

# $CC may hold flags.
# shellcheck disable=SC2086
if ! ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -DHAVE_LLHTTP -O1 -g -w -fPIC -shared -fvisibility=hidden -Wl,-z,defs \
  -I"$top_srcdir/sdk/include" -I$headers -o "$folder/proto-http.so" \
  "$top_srcdir"/plugins/proto-http/*.c $sources/api.c $sources/http.c $sources/llhttp.c; then
  echo "1..1"
  echo "not ok 1 - proto-http compiles with llhttp"
  exit 1
fi
GEARMAND_PLUGIN_PATH=$folder GEARMAND_TEST_PARSER=llhttp "$program" --tap=/dev/stdout --quiet -j2 --timeout 120
