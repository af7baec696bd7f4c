# SPDX-License-Identifier: BSD-3-Clause
#
# GM_MODULE(MODULE, OPTION, TEXT, TEST): --with-OPTION decides whether MODULE is built.
#
# TEST sets gm_found to yes when what the module needs is there.  `--with-OPTION` makes a missing library an
# error, `--without-OPTION` leaves the module out, nothing said builds it when it can be built.
# Sets the automake conditional BUILD_<MODULE> and adds a line to the summary.

AC_DEFUN([GM_MODULE], [
AC_ARG_WITH([$2], [AS_HELP_STRING([--with-$2], [$3 @<:@auto@:>@])], [], [with_[]m4_translit([$2], [-], [_])=auto])
gm_found=no
AS_IF([test "x$with_[]m4_translit([$2], [-], [_])" != xno], [
	$4
	AS_IF([test "$gm_found" = no && test "x$with_[]m4_translit([$2], [-], [_])" != xauto],
		[AC_MSG_ERROR([--with-$2 was given, but what module $1 needs was not found])])
])
AM_CONDITIONAL([BUILD_]m4_translit([$1], [a-z-], [A-Z_]), [test "$gm_found" = yes])
gm_modules="$gm_modules
    $1: $gm_found"
])
