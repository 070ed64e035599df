#!/usr/bin/env python3
"""What the libraries show: a shared one exactly the functions that its public headers declare, a static one nothing but
skep_* and skepi_*; and libskep.so needs nothing beyond the C library.

usage: exports.py ROOT skep|steering LIBRARY.so LIBRARY.a    (either may be "-": not built)
"""

import re
import subprocess
import sys

import tree

STEERING = {"steering.h", "task.h", "queues.h", "thinker.h", "server.h", "worker.h"}
LIBC = re.compile(r"(libc|libpthread|libdl|librt|ld-linux[\w-]*)\.so\.\d+$")  # one library since glibc 2.34
DECLARED = re.compile(r"\bSKEP_API\b[^;{]*?\b(skep_\w+)\s*\(")


def symbols(*command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if len(line.split()) == 3}


def main(root, which, shared, static):
    declared = set()
    for path in tree.files(root, ".h", under="include/skep"):
        if (path.split("/")[-1] in STEERING) == (which == "steering"):
            declared |= set(DECLARED.findall(tree.code(tree.text(root, path))))
    findings = [] if declared else ["no function is declared: does SKEP_API still mark them?"]
    if shared != "-":
        exported = {s for s in symbols("nm", "-D", "--defined-only", shared) if not s.startswith("SKEP_")}  # the map's own
        findings += [f"{shared}: exports {s}, which no public header declares" for s in sorted(exported - declared)]
        findings += [f"{shared}: lacks {s}, which a public header declares" for s in sorted(declared - exported)]
        dynamic = subprocess.run(["readelf", "-d", shared], check=True, capture_output=True, text=True).stdout
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
        if which == "skep":
            findings += [f"{shared}: needs {n}" for n in needed if not LIBC.match(n)]
    if static != "-":
        defined = symbols("nm", "-g", "--defined-only", static)
        findings += [f"{static}: defines {s}" for s in sorted(defined) if not re.match("skepi?_", s)]
        findings += [f"{static}: lacks {s}, which a public header declares" for s in sorted(declared - defined)]
    tree.finish(findings)


main(*sys.argv[1:])
