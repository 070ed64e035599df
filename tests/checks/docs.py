#!/usr/bin/env python3
"""Every C example in README.md, CONTRIBUTING.md, docs/ and the first comments of the public headers compiles.

usage: docs.py ROOT WORK LIBSKEP LIBSKEP_STEERING    (WORK: a folder to compile and run in; the steering library may be "-")

A block that begins with ```c is compiled: with `int main` as a program, linked with -lskep or, where it includes a steering
header, with -lskep-steering too; without, as declarations or statements among the names of examples.h. In those, `...` stands
for what is left out. ```cpp likewise, in C++. Two words after the language change that:
    ```c run       the program is also run, in an empty folder, which /scratch in its text stands for: exit code 0 is expected
    ```c sketch    not C that compiles: pseudocode, or part of another program
"""

import os
import re
import shutil
import subprocess
import sys

import tree

BLOCK = re.compile(r"^( *)```(c|cpp)(?: +(run|sketch))? *\n(.*?)^\1``` *$", re.M | re.S)
EXAMPLE = re.compile(r"(?<= \*\n)( \* {5}\S.*\n(?: \* {5}.*\n)*)")  # in a header's comment: indented, after an empty line
STEERING = re.compile(r"<skep/(steering|task|queues|thinker|server|worker)\.h>")
SECONDS = 60


def blocks(root):
    """(where, language, word, source) of every example."""
    pages = [p for p in ("README.md", "CONTRIBUTING.md") if os.path.exists(os.path.join(root, p))]
    for path in pages + tree.files(root, ".md", under="docs"):
        page = tree.text(root, path)
        for match in BLOCK.finditer(page):
            line = page.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}", match.group(2), match.group(3), match.group(4)
    for path in tree.files(root, ".h", under="include/skep"):
        first = tree.comments(tree.text(root, path).split("#ifndef")[0])
        for example in EXAMPLE.findall(first):
            if not re.search(r"^ \*\s*\w+://", example):  # a handle, not C
                yield path, "c", None, re.sub(r"^ \* ?", "", example, flags=re.M)


def compile_one(compiler, flags, source, name, work):
    path = os.path.join(work, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(source)
    done = subprocess.run([*compiler, path, *flags], capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr


def check(root, work, libraries, language, word, source):
    """What is wrong with one example, or None."""
    scratch = os.path.join(work, "scratch")
    if word == "run":
        shutil.rmtree(scratch, ignore_errors=True)
        os.makedirs(scratch)
        source = source.replace("/scratch", scratch)
    compiler = ["g++", "-std=c++11"] if language == "cpp" else ["gcc", "-std=c11"]
    compiler += ["-I", os.path.join(root, "include"), "-Wall", "-Wextra", "-Werror"]
    name = "example.cc" if language == "cpp" else "example.c"
    has_main = re.search(r"\bint main\b", source) is not None
    left_out = re.search(r"\.\.\.(?!\))", tree.code(source, strings=False)) is not None
    if has_main and not left_out:
        if STEERING.search(source) and libraries[1] == "-":
            return None
        program = os.path.join(work, "example")
        linked = reversed(libraries) if STEERING.search(source) else libraries[:1]
        flags = ["-o", program, "-pthread"]
        for library in linked:
            flags += [library, "-Wl,-rpath," + os.path.dirname(library)]
        wrong = compile_one(compiler, flags, source, name, work)
        if wrong or word != "run":
            return wrong
        return run(program, scratch)
    if word == "run":
        return "only a whole program can be run"
    source = re.sub(r"\.\.\.(?!\))", ";", source)
    prelude = f'#include "{root}/tests/checks/examples.h"\n'
    flags = ["-fsyntax-only", "-Wno-unused", "-Wno-unused-parameter", "-Wno-empty-body"]
    flags += ["-DSKEP_EXAMPLE_IS_FILE"] if has_main else []
    body = prelude + "static int example(void)\n{\n" + source + "\nreturn 0;\n}\n"
    if compile_one(compiler, flags, prelude + source, name, work) is None:
        return None
    return compile_one(compiler, flags, body, name, work)


def run(program, scratch):
    try:
        done = subprocess.run([program], cwd=scratch, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"it did not end within {SECONDS} s"
    if done.returncode != 0 or "skep: warn: " in done.stderr:
        return f"it ended with {done.returncode}: {done.stderr}{done.stdout}"
    return None


def main(root, work, *libraries):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    findings = []
    count = 0
    for where, language, word, source in blocks(root):
        if word == "sketch":
            continue
        count += 1
        wrong = check(root, work, libraries, language, word, source)
        if wrong:
            findings.append(f"{where}: this example does not hold\n{wrong}")
    print(f"{count} examples")
    if count == 0:
        findings.append("not one example: is it looked for in the right place?")
    tree.finish(findings)


main(*sys.argv[1:])
