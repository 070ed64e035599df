#!/usr/bin/env bash
# Runs the small examples as a reader would. usage: examples_test.sh FOLDER-OF-THE-PROGRAMS
set -euo pipefail
bin=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

handle=$("$bin"/example_put "file://$scratch/objects")
[ "${#handle}" -le 200 ] || { echo "a handle of ${#handle} characters: $handle"; exit 1; }
[ "$("$bin"/example_get "$handle")" = weights ] || { echo "the handle led to other bytes"; exit 1; }
if "$bin"/example_get "file://$scratch/other#k=00000000-0000-4000-8000-000000000000" 2>"$scratch/err"; then
    echo "a handle of a store that is not there was resolved"
    exit 1
fi
grep -q other "$scratch/err" || { echo "the error does not name the store: $(cat "$scratch/err")"; exit 1; }
if [ -x "$bin/example_simulate" ]; then
    out=$("$bin"/example_simulate)
    [ "$out" = "best: 0.000" ] || { echo "simulate found: $out"; exit 1; }
fi
echo "examples: all as the manual says"
