#!/usr/bin/env python3
"""The arrows of the architecture, by what each folder includes, and what it may name.

usage: arrows.py ROOT
"""

import os
import re
import sys

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
# what `skep bench` shares with the other commands
OF_THE_COMMAND = tuple(f"benchmarks/{name}.h" for name in ("bench", "exit_status", "flush", "json"))
OUTSIDE = ("tools", "examples", "benchmarks", "steering")
STEERING = {"steering.h", "task.h", "queues.h", "thinker.h", "server.h", "worker.h"}


def allowed(path, bracket, name):
    """Why a file may not include what it does, or None where it may."""
    parts = path.split("/")
    if bracket == "<":
        if name.startswith("skep/") and parts[0] in ("proxy", "connectors") and name[5:] in STEERING:
            return "the data layer does not know steering"
        if name.startswith("skep/") and parts[:2] == ["include", "skep"] and parts[2] not in STEERING and name[5:] in STEERING:
            return "the data layer's headers do not know steering"
        if parts[0] == "steering" and name == "skep/node.h":
            return "steering uses the data layer as any program does"
        return None
    target = os.path.normpath(os.path.join(os.path.dirname(path), name)) if "/" not in name else name
    folder = target.split("/")
    if parts[0] == "tools" and target in OF_THE_COMMAND:
        return None  # the benchmarks are a library of the command; both print JSON lines, fail and end alike
    if parts[0] in OUTSIDE:
        return None if folder[0] == parts[0] else "only <skep/...> and its own folder"
    if parts[0] == "connectors":
        if path == "connectors/registry.c" and target == "connectors/registry.h":
            return None
        return None if folder[:2] == parts[:2] else "only <skep/...> and its own folder"
    if parts[0] == "proxy":
        if folder[0] == "connectors" and target != "connectors/registry.h":
            return "of connectors only the registry"
        return None if folder[0] in ("proxy", "connectors") else "only <skep/...>, proxy/ and the registry"
    return None


def main(root):
    findings = []
    for path in tree.files(root, ".c", ".h", ".cc", ".cpp"):
        if tree.is_test(path):
            continue
        for bracket, name in INCLUDE.findall(tree.code(tree.text(root, path))):
            why = allowed(path, bracket, name)
            if why:
                findings.append(f"{path}: includes {name}; {why}")
    entries = set(re.findall(r"\bskepi_\w+_entry\b", tree.text(root, "connectors/registry.c")))
    entry = re.compile(r"\b(%s)\b" % "|".join(sorted(entries)))
    for path in tree.files(root, ".c", ".h", under="proxy") + tree.files(root, ".c", ".h", under="steering"):
        for match in entry.finditer(tree.code(tree.text(root, path))):
            findings.append(f"{path}: names {match.group()}; a connector is known to its registry line alone")
    tree.finish(findings)


main(sys.argv[1])
