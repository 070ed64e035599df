#!/usr/bin/env python3
"""The tree's manners: no file too long, no function that C should have forgotten.

usage: manners.py ROOT
"""

import re
import sys

import tree

LINES = 1000  # of a file; what tests and tables may exceed
BANNED = "strcpy strcat sprintf vsprintf gets alloca system popen atoi atol atoll strtok".split()
# Tables: data written as C, with no function among them.
TABLES = ()


def main(root):
    findings = []
    sources = tree.files(root, ".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt")
    sources += tree.files(root, "", under="scripts")
    call = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
    for path in sources:
        source = tree.text(root, path)
        lines = source.count("\n")
        if lines > LINES and not tree.is_test(path) and path not in TABLES:
            findings.append(f"{path}: {lines} lines; split it: {LINES} are the most")
        if path.endswith((".c", ".h")):
            for number, line in enumerate(tree.code(source, strings=False).split("\n"), 1):
                for match in call.finditer(line):
                    findings.append(f"{path}:{number}: {match.group(1)} is banned")
    tree.finish(findings)


main(sys.argv[1])
