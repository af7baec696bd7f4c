#!/bin/sed -f
# SPDX-License-Identifier: BSD-3-Clause
#
# The headers' plain comments as Doxygen wants them: what stands before a declaration, and what stands behind it.
1s,^/\* SPDX.*,/** \\file,
s,^\([ 	]*\)/\* ---- .* ---.*,,
s,^\([ 	]*\)/\* ,\1/** ,
s,\([^ 	].*\)[ 	]/\* ,\1 /**< ,
