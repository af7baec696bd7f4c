# SPDX-License-Identifier: BSD-3-Clause
#
# GM_ADD_CFLAGS(VARIABLE, FLAGS) and GM_ADD_LDFLAGS(VARIABLE, FLAGS): add to VARIABLE each of FLAGS that
# compiler and linker take.  -Werror makes clang refuse what it would else only mention.

AC_DEFUN([GM_ADD_CFLAGS], [
for gm_flag in $2; do
	AS_VAR_PUSHDEF([gm_var], [gm_cv_cflag_$gm_flag])
	AC_CACHE_CHECK([whether $CC takes $gm_flag], [gm_var], [
		gm_saved="$CFLAGS"
		CFLAGS="$CFLAGS -Werror $gm_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([gm_var], [yes])], [AS_VAR_SET([gm_var], [no])])
		CFLAGS="$gm_saved"
	])
	AS_VAR_IF([gm_var], [yes], [$1="$$1 $gm_flag"])
	AS_VAR_POPDEF([gm_var])
done
])

AC_DEFUN([GM_ADD_LDFLAGS], [
for gm_flag in $2; do
	AS_VAR_PUSHDEF([gm_var], [gm_cv_ldflag_$gm_flag])
	AC_CACHE_CHECK([whether the linker takes $gm_flag], [gm_var], [
		gm_saved="$LDFLAGS"
		LDFLAGS="$LDFLAGS $gm_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([gm_var], [yes])], [AS_VAR_SET([gm_var], [no])])
		LDFLAGS="$gm_saved"
	])
	AS_VAR_IF([gm_var], [yes], [$1="$$1 $gm_flag"])
	AS_VAR_POPDEF([gm_var])
done
])
