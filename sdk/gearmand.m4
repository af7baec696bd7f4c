# SPDX-License-Identifier: BSD-3-Clause
#
# gearmand.m4 - for modules of gearmand that are built with autoconf.

# GEARMAND_PLUGIN_INIT(MAJOR.MINOR, [ACTION-IF-FOUND], [ACTION-IF-NOT-FOUND])
#
# Finds the headers through pkg-config.  MAJOR.MINOR is the interface that the module is written for, by the numbers
# GEARMAND_PLUGIN_ABI_MAJOR and _MINOR: the headers must have that major number, and no older minor number.  Without an
# ACTION-IF-NOT-FOUND configure ends with a sentence.  Substitutes
#   GEARMAND_PLUGIN_CFLAGS   for C and C++: where <gearmand/plugin.h> is; all but the descriptor stays hidden
#   GEARMAND_PLUGIN_LDFLAGS  for libtool, behind a -module that automake must see: a module with all its symbols bound
#   gearmandplugindir        where the server looks for modules; for gearmandplugin_LTLIBRARIES in Makefile.am
AC_DEFUN([GEARMAND_PLUGIN_INIT], [
	AC_REQUIRE([PKG_PROG_PKG_CONFIG])
	gearmand_wanted="$1"
	gearmand_problem=
	PKG_CHECK_MODULES([GEARMAND_PLUGIN], [gearmand-plugin], [
		PKG_CHECK_VAR([gearmandplugindir], [gearmand-plugin], [plugindir])
		PKG_CHECK_VAR([GEARMAND_ABI_MAJOR], [gearmand-plugin], [abi_major])
		PKG_CHECK_VAR([GEARMAND_ABI_MINOR], [gearmand-plugin], [abi_minor])
		AS_IF([test "x$GEARMAND_ABI_MAJOR" != "x${gearmand_wanted%%.*}" || test "${GEARMAND_ABI_MINOR:--1}" -lt "${gearmand_wanted#*.}"],
			[gearmand_problem="the module is for interface $gearmand_wanted of gearmand, the headers have $GEARMAND_ABI_MAJOR.$GEARMAND_ABI_MINOR"])
	], [gearmand_problem="gearmand's headers for modules were not found: $GEARMAND_PLUGIN_PKG_ERRORS"])
	GEARMAND_PLUGIN_CFLAGS="$GEARMAND_PLUGIN_CFLAGS -fvisibility=hidden"
	GEARMAND_PLUGIN_LDFLAGS="-avoid-version -no-undefined -Wl,-z,defs -Wl,-z,now"
	AC_SUBST([GEARMAND_PLUGIN_LDFLAGS])
	AS_IF([test -z "$gearmand_problem"], [m4_default([$2], [:])], [m4_default([$3], [AC_MSG_ERROR([$gearmand_problem])])])
])
