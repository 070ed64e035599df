#!/bin/sh
# Installs the build into a scratch prefix, moves it somewhere else, and builds and runs programs against what is there: C by
# pkg-config, C++ by CMake, with the shared libraries where they were built, and with the archives.
# usage: consumers.sh SOURCE BUILD SCRATCH CMAKE
set -eu
source=$1
build=$2
scratch=$3
cmake=$4
here=$source/tests/consumers
prefix=$scratch/moved

fail() {
    echo "consumers: $*" >&2
    exit 1
}

rm -rf "$scratch"
mkdir -p "$scratch"
"$cmake" --install "$build" --prefix "$scratch/installed" >"$scratch/install.log"
mv "$scratch/installed" "$prefix"

# Nothing in what is installed may remember where it was built.
if grep -rIl -e "$source" -e "$scratch" "$prefix" --include='*.pc' --include='*.cmake' --include='*.h'; then
    fail "the files above name the tree they were built in"
fi
for file in LICENSE README.md docs/README.md docs/command.md; do
    cmp -s "$source/$file" "$prefix/share/doc/skep/$file" || fail "share/doc/skep/$file is not the source's"
done
"$prefix/bin/skep" connectors >"$scratch/connectors" || fail "the installed command does not run"
grep -q shm "$scratch/connectors" || fail "the installed command knows no shm: $(cat "$scratch/connectors")"

pc=$(find "$prefix" -name skep.pc)
[ -n "$pc" ] || fail "no skep.pc"
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
libraries=$(pkg-config --variable=libdir skep)
steering=
[ ! -e "$prefix/include/skep/steering.h" ] || steering=steering
flags="-std=c11 -Wall -Wextra -pedantic -Werror"

c_program() { # NAME PACKAGE FLAG...: tests/consumers/c/NAME.c by pkg-config with these flags
    name=$1
    package=$2
    shift 2
    # shellcheck disable=SC2046,SC2086 # words
    cc $flags -o "$scratch/$name" "$here/c/$name.c" $(pkg-config "$@" --cflags --libs "$package") -Wl,-rpath,"$libraries" \
        2>"$scratch/cc.log" || fail "$name: $(cat "$scratch/cc.log")"
}

both_c_programs() { # FLAG...
    c_program data skep "$@"
    "$scratch/data" "file://$scratch/objects"
    [ -n "$steering" ] || return 0
    c_program steering skep-steering "$@"
    "$scratch/steering" "ipc://$scratch/queue"
}

cxx_program() { # KIND
    parts=$1${steering:+;$steering}
    {
        "$cmake" -S "$here/cxx" -B "$scratch/$1" -DCMAKE_PREFIX_PATH="$prefix" "-DPARTS=$parts" || return 1
        "$cmake" --build "$scratch/$1" || return 1
    } >"$scratch/cxx.log" 2>&1
    "$scratch/$1/consumer" "file://$scratch/objects"
}

needs_libskep() { # PROGRAM
    readelf -d "$1" | grep -q 'NEEDED.*libskep'
}

if [ -e "$libraries/libskep.so" ]; then
    both_c_programs
    needs_libskep "$scratch/data" || fail "the shared C program does without libskep.so"
    cxx_program shared || fail "$(cat "$scratch/cxx.log")"
    needs_libskep "$scratch/shared/consumer" || fail "the shared C++ program does without libskep.so"
    cxx_program static || fail "$(cat "$scratch/cxx.log")"
    rm "$libraries"/libskep*.so*
    both_c_programs --static
else
    both_c_programs # archives only: there is no need to say --static
    cxx_program static || fail "$(cat "$scratch/cxx.log")"
fi
! needs_libskep "$scratch/data" || fail "the static C program needs libskep.so"
! needs_libskep "$scratch/static/consumer" || fail "the static C++ program needs libskep.so"

# One static program: libskep needs nothing that a C library does not have. (The linker warns that dlopen will want the
# same C library at run time.)
# shellcheck disable=SC2046,SC2086 # words
cc $flags -static -o "$scratch/alone" "$here/c/data.c" $(pkg-config --static --cflags --libs skep) 2>"$scratch/cc.log" ||
    fail "static program: $(cat "$scratch/cc.log")"
! readelf -d "$scratch/alone" | grep -q NEEDED || fail "the static program needs shared libraries"
"$scratch/alone" "file://$scratch/objects"
