"""What the checks of the tree share: which files there are, C without its comments, and how findings are told."""

import os
import re
import sys

PRIVATE = {".git", "build", "__pycache__"}


def files(root, *suffixes, under=""):
    """Paths relative to `root` of the files below `under` that end in one of the suffixes, sorted."""
    found = []
    for folder, names, leaves in os.walk(os.path.join(root, under)):
        names[:] = sorted(n for n in names if n not in PRIVATE)
        found += [os.path.relpath(os.path.join(folder, leaf), root) for leaf in leaves if leaf.endswith(suffixes)]
    return sorted(found)


def text(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(source, strings=True):
    """C without comments (and, on request, without what its strings say), line by line where it was."""

    def blank(match):
        token = match.group()
        if token[0] == "/":
            return " " + "\n" * token.count("\n")
        return token if strings else '""'

    return TOKEN.sub(blank, source)


def comments(source):
    return "\n".join(m.group() for m in TOKEN.finditer(source) if m.group()[0] == "/")


def literals(source):
    return "\n".join(m.group() for m in TOKEN.finditer(source) if m.group()[0] == '"')


def is_test(path):
    return path.startswith("tests/") or "_test." in path or "testing." in path


def finish(findings):
    """End the program: each finding on a line of standard error, and an exit code that says whether there was one."""
    for finding in findings:
        print(finding, file=sys.stderr)
    sys.exit(1 if findings else 0)
