#!/bin/sh
# Runs a Python program with the peers, or says that they are not there. usage: run.sh PYTHON PROGRAM ARGUMENT...
if [ ! -x "$1" ]; then
    echo "SKIP: no $1; scripts/test makes it"
    exit 77
fi
exec "$@"
