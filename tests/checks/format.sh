#!/bin/sh
# Every C and C++ file of the tree is formatted as .clang-format says.
# usage: format.sh ROOT
cd "$1" || exit 1
find . \( -path ./build -o -path ./.git \) -prune -o \( -name '*.[ch]' -o -name '*.cc' \) -print0 |
    xargs -0 clang-format --dry-run -Werror || {
    echo "put it right: clang-format -i FILE" >&2
    exit 1
}
