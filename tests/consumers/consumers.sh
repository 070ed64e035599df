#!/bin/sh
# Installs the build into a scratch prefix, moves it somewhere else, and builds programs against what is there: C by
# pkg-config, with every skep symbol from the archives; C++ by CMake, against the shared libraries and the archives.
# usage: consumers.sh SOURCE BUILD SCRATCH CMAKE
set -eu
source=$1
build=$2
scratch=$3
cmake=$4
here=$source/tests/consumers

rm -rf "$scratch"
mkdir -p "$scratch"
"$cmake" --install "$build" --prefix "$scratch/installed" >"$scratch/install.log"
prefix=$scratch/moved
mv "$scratch/installed" "$prefix"

fail() {
    echo "consumers: $*" >&2
    exit 1
}

# Nothing in what is installed may remember where it was built.
if grep -rIl -e "$source" -e "$scratch" "$prefix" --include='*.pc' --include='*.cmake' --include='*.h'; then
    fail "the files above name the tree they were built in"
fi
[ -s "$prefix/share/doc/skep/LICENSE" ] || fail "no licence"
[ -x "$prefix/bin/skep" ] || fail "no command"
"$prefix/bin/skep" connectors >"$scratch/connectors" || fail "the installed command does not run"
grep -q shm "$scratch/connectors" || fail "the installed command knows no shm: $(cat "$scratch/connectors")"

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name skep.pc)")
export PKG_CONFIG_PATH
flags="-std=c11 -Wall -Wextra -pedantic -Werror"

# The data layer as one static program: libskep needs nothing that a C library does not have.
# shellcheck disable=SC2046,SC2086 # words
cc $flags -static -o "$scratch/data" "$here/c/data.c" $(pkg-config --static --cflags --libs skep) 2>"$scratch/data.log" ||
    fail "static program: $(cat "$scratch/data.log")"
if readelf -d "$scratch/data" | grep -q NEEDED; then
    fail "the static program needs shared libraries"
fi
"$scratch/data" "file://$scratch/objects"

# With shared libraries, and then with nothing but archives there.
run() { # PROGRAM: built by pkg-config with the flags that follow
    name=$1
    shift
    # shellcheck disable=SC2046,SC2086 # words
    cc $flags -o "$scratch/$name" "$here/c/$name.c" $(pkg-config "$@" --cflags --libs "$package") \
        -Wl,-rpath,"$(pkg-config --variable=libdir skep)"
}
package=skep-steering
run steering
"$scratch/steering" "ipc://$scratch/q1"
for kind in shared static; do
    "$cmake" -S "$here/cxx" -B "$scratch/cxx-$kind" -DCMAKE_PREFIX_PATH="$prefix" -DKIND=$kind >"$scratch/cxx-$kind.log"
    "$cmake" --build "$scratch/cxx-$kind" >>"$scratch/cxx-$kind.log" || fail "$(cat "$scratch/cxx-$kind.log")"
    "$scratch/cxx-$kind/consumer" "file://$scratch/objects"
done
readelf -d "$scratch/cxx-shared/consumer" | grep -q 'NEEDED.*libskep\.so' || fail "the shared consumer lacks libskep.so"
! readelf -d "$scratch/cxx-static/consumer" | grep -q 'NEEDED.*libskep' || fail "the static consumer needs libskep"

find "$prefix" -name 'libskep*.so*' -delete
run steering --static
"$scratch/steering" "ipc://$scratch/q2"
