#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Makes ./configure from a checkout; a release tarball already has it.
set -e
cd "$(dirname "$0")"
exec autoreconf -fi
