#!/bin/sh
# Each public header compiles alone, in C11 and in C++, with gcc and clang, without a warning.
# usage: headers.sh ROOT
set -u
root=$1
status=0
for header in "$root"/include/skep/*.h; do
    for with in "gcc -x c -std=c11" "gcc -x c++ -std=c++11" "clang -x c -std=c11" "clang -x c++ -std=c++11"; do
        # shellcheck disable=SC2086 # words
        printf '#include <skep/%s>\ntypedef int skep_not_empty;\n' "${header##*/}" |
            $with -I"$root/include" -Wall -Wextra -pedantic -Werror -fsyntax-only - || {
            echo "$header does not stand alone: $with" >&2
            status=1
        }
    done
done
exit $status
