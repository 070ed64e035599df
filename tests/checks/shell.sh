#!/bin/sh
# Every shell script of the tree passes shellcheck.
# usage: shell.sh ROOT
cd "$1" || exit 1
find . \( -path ./build -o -path ./.git \) -prune -o -type f \( -name '*.sh' -o -path './scripts/*' -o -path './.ci/*' \) -print0 |
    xargs -0 shellcheck
