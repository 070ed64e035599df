#!/usr/bin/env python3
"""Every SKEP_* and skep_* word in a public header's comment, in README.md, CONTRIBUTING.md and docs/ exists: as a name in
the headers, or as a text that the programs know (environment variables), or as a name of the build.

usage: words.py ROOT

"SKEP_E*", "skep_<kind>_free" and "SKEP_SUM_..." stand for all that begin so, and at least one must.
"""

import os
import re
import sys

import tree

WORD = re.compile(r"\b(SKEP_\w*|skep_\w*)(\*|<|…|\.\.\.)?")


def known_words(root):
    known = set()
    for path in tree.files(root, ".h", under="include"):
        known |= set(re.findall(r"\b(?:SKEP|skep)_\w+", tree.code(tree.text(root, path))))
    for folder in ("proxy", "connectors", "steering", "tools", "benchmarks", "examples", "tests"):
        for path in tree.files(root, ".c", ".h", under=folder):
            known |= set(re.findall(r"\b(?:SKEP|skep)_\w+", tree.literals(tree.text(root, path))))
    build = tree.files(root, "CMakeLists.txt", ".cmake", "CMakePresets.json") + tree.files(root, "", under="scripts")
    for path in build:
        known |= set(re.findall(r"\b(?:SKEP|skep)_\w+", tree.text(root, path)))
    # SKEP_<SCHEME>_<OPTION> is made from a scheme's table.
    return known


def option_variables(root):
    """The environment variables that option tables make: SKEP_, a scheme, an option."""
    schemes, options = set(), set()
    for path in tree.files(root, ".c", under="connectors") + tree.files(root, ".c", under="proxy") + tree.files(root, ".c", under="steering"):
        source = tree.code(tree.text(root, path))
        schemes |= set(re.findall(r'\.scheme = "(\w+)"', source))
        options |= set(re.findall(r'\{\s*(?:\.name = )?"(\w+)",\s*SKEP_TYPE_', source))
    return {f"SKEP_{s}_{o}".upper() for s in schemes for o in options}


def main(root):
    known = known_words(root)
    variables = option_variables(root)
    findings = []
    documents = [(p, tree.comments(tree.text(root, p))) for p in tree.files(root, ".h", under="include")]
    documents += [(p, tree.text(root, p)) for p in ("README.md", "CONTRIBUTING.md") if os.path.exists(os.path.join(root, p))]
    documents += [(p, tree.text(root, p)) for p in tree.files(root, ".md", under="docs")]
    for path, words in documents:
        for word, more in sorted(set(WORD.findall(words))):
            begins = more or word.endswith("_")
            if begins and any(k.startswith(word) for k in known):
                continue
            if not begins and (word in known or word in variables):
                continue
            findings.append(f"{path}: {word}{more} is defined nowhere")
    tree.finish(findings)


main(sys.argv[1])
