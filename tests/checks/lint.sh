#!/bin/sh
# clang-tidy, with the tree's .clang-tidy, over every C file that a build folder compiles.
# usage: lint.sh ROOT BUILD [FILE]
set -u
root=$1
build=$2
if [ $# -eq 3 ]; then
    more=--extra-arg=-include$root/tests/checks/lint.h
    case $3 in
    */proxy/base/error.c) more= ;; # it defines what lint.h wraps
    # Of cmocka's assertions clang does not know that they do not return, and counts what they expand to as nesting.
    "$root"/tests/*.c | *_test.c | *testing.c) more="$more --checks=-clang-analyzer-*,-readability-function-size,-android-*" ;;
    esac
    # shellcheck disable=SC2086 # words
    exec clang-tidy --quiet -p "$build" $more "$3" 2>/dev/null
fi

# Files of the build folder itself are not ours.
sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" | sort -u | grep "^$root/" | grep -v "^$build/" |
    xargs -P "$(nproc)" -n 1 "$0" "$root" "$build" || {
    echo "clang-tidy found something; one file: $0 $root $build FILE" >&2
    exit 1
}
