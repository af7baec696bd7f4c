#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# gearmand-plugin-new - writes a project for a module of gearmand, which builds and passes its check as it is.
#
# The build appends the files of projects to this script, each behind a line "%%% FILE", as a text that the shell
# passes over.  Their first two lines, with this tree's licence, are left out.  A line that begins with @WORD@ is for projects of that word alone: a kind, a
# build system, a language, "store" for queues, "conn" for the other kinds.
set -eu
export LC_ALL=C

help() {
  cat <<'END'
Usage: gearmand-plugin-new NAME --queue|--protocol|--transport [OPTION]...

Writes a folder NAME with a project for a module of gearmand.

  --queue       it keeps background jobs; as it is written, in memory
  --protocol    it turns bytes into packets; as it is written, a line is a job
  --transport   it stands between the socket and a protocol; as it is written, it passes bytes on

  --make, --autotools, --meson, --cmake
                the build system (default --make)
  --c++         the language is C++ (default C)
  --help, --version
END
}

fail() {
  printf 'gearmand-plugin-new: %s\n' "$1" >&2
  exit 2
}

# What a word of the command line sets may be set once.
once() {
  [ -z "$1" ] || fail "$2 and $3 do not go together"
}

name='' kind='' build='' language=c
for word; do
  case $word in
    --queue | --protocol | --transport) once "$kind" "--$kind" "$word"; kind=${word#--} ;;
    --make | --autotools | --meson | --cmake) once "$build" "--$build" "$word"; build=${word#--} ;;
    --c++) language=c++ ;;
    --help) help; exit ;;
    --version) echo "gearmand-plugin-new @VERSION@"; exit ;;
    -*) fail "there is no option $word; see --help" ;;
    *) once "$name" "the names $name" "$word"; name=$word ;;
  esac
done
[ -n "$name" ] || fail "the name of the module is missing; see --help"
[ -n "$kind" ] || fail "the kind is missing: --queue, --protocol or --transport"
case $name in
  [!A-Za-z]* | *[!A-Za-z0-9-]* | *- | *--*) good=no ;;
  *) good=yes ;;
esac
[ ${#name} -le 32 ] || good=no
[ "$good" = yes ] ||
  fail "a name is 1 to 32 letters, digits and single '-' between them, and begins with a letter; this is none: $name"
if [ -e "$name" ] || [ -L "$name" ]; then fail "$name is there already, and nothing is written over it"; fi

build=${build:-make}
ident=$(printf %s "$name" | tr - _)
case $kind in
  queue) module=queue-$name class=store ;;
  protocol) module=proto-$name class=conn ;;
  transport) module=transport-$name class=conn ;;
esac
case $build in
  make) dir='' check='make check' ;;
  autotools) dir=/.libs check='autoreconf -i && ./configure && make check' ;;
  meson) dir=/build check='meson setup build && meson test -C build' ;;
  cmake) dir=/build check='cmake -B build && cmake --build build --target check' ;;
esac
case $language in c) end=c ;; *) end=cc ;; esac
var=$(printf %s "$module" | tr - _)
source=$var.$end
filter="s/^@$kind@//; s/^@$class@//; s/^@$build@//; s/^@$language@//; /^@[a-z+]*@/d
  s/new_$kind/$ident/g; s/new-$kind/$name/g; s/NEW_[A-Z]*_LINE_MOST/LINE_MOST/g
  s/@NAME@/$name/g; s|@DIR@|$dir|g; s/@MODULE@/$module/g; s/@SOURCE@/$source/g; s/@VAR@/$var/g; s/@ABI@/@ABI_VERSION@/g"

# put TEMPLATE FILE
put() {
  awk -v file="$1" '/^%%%/ { on = $2 == file; line = 0; next } on && ++line > 2' "$0" |
    sed -e '1s|^ \* |/* |' -e "$filter" >"$name/$2"
}

mkdir "$name" || exit 2
put "$kind.$end" "$source"
put README.md README.md
put LICENSE LICENSE
put manual "$module.8"
put exports.map exports.map
if [ "$class" = conn ]; then mkdir "$name/input" && put input input/lines; fi
case $build in
  make) put Makefile Makefile ;;
  autotools) put configure.ac configure.ac; put Makefile.am Makefile.am ;;
  meson) put meson.build meson.build ;;
  cmake) put CMakeLists.txt CMakeLists.txt ;;
esac
echo "$name is written.  Next: cd $name && $check; README.md says more"
exit
: <<'%%%'
