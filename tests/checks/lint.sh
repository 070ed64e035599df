#!/bin/sh
# clang-tidy, with the tree's .clang-tidy, over every C file that a build folder compiles.
# usage: lint.sh ROOT BUILD
set -u
root=$1
build=$2
# What the preprocessor of each file sees is in compile_commands.json; files of the build folder itself are not ours.
sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" | sort -u | grep "^$root/" | grep -v "^$build/" |
    xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p "$build" 2>/dev/null
status=$?
if [ "$status" -ne 0 ]; then
    echo "clang-tidy found something; one file: clang-tidy --quiet -p $build FILE" >&2
    exit 1
fi
