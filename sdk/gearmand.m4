# SPDX-License-Identifier: BSD-3-Clause
#
# gearmand.m4 - for modules of gearmand that are built with autoconf.

# GEARMAND_CHECK_PLUGIN([ACTION-IF-FOUND], [ACTION-IF-NOT-FOUND])
#
# Finds the SDK through pkg-config.  Substitutes
#   GEARMAND_PLUGIN_CFLAGS   where <gearmand/plugin.h> is; all but the descriptor stays hidden
#   GEARMAND_PLUGIN_LDFLAGS  for libtool: what makes a module, with all its symbols bound
#   gearmandplugindir        where the server looks for modules; for gearmandplugin_LTLIBRARIES in Makefile.am
AC_DEFUN([GEARMAND_CHECK_PLUGIN], [
	AC_REQUIRE([PKG_PROG_PKG_CONFIG])
	PKG_CHECK_MODULES([GEARMAND_PLUGIN], [gearmand-plugin], [
		GEARMAND_PLUGIN_LDFLAGS="-module -avoid-version -no-undefined -Wl,-z,defs -Wl,-z,now"
		AC_SUBST([GEARMAND_PLUGIN_LDFLAGS])
		GEARMAND_PLUGIN_CFLAGS="$GEARMAND_PLUGIN_CFLAGS -fvisibility=hidden"
		PKG_CHECK_VAR([gearmandplugindir], [gearmand-plugin], [plugindir])
		$1
	], [m4_default([$2], [AC_MSG_ERROR([gearmand's headers for modules were not found: $GEARMAND_PLUGIN_PKG_ERRORS])])])
])
