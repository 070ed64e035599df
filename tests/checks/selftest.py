#!/usr/bin/env python3
"""Each check finds what it is there for: a small tree with one fault at a time, which the check must refuse, and must accept
without it.

usage: selftest.py ROOT WORK
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

HEADER = """/* skep/x.h - a header.
 *
 *     skep_x();
 */
#include <skep/api.h>
/* SKEP_X is defined. */
#define SKEP_X 1
SKEP_API int skep_x(void);
"""
SOUND = {
    "include/skep/api.h": '#define SKEP_API __attribute__((visibility("default")))\n',
    "include/skep/x.h": HEADER,
    "proxy/x.c": '#include "connectors/registry.h"\nint skep_x(void)\n{\n    return 0;\n}\n',
    "connectors/registry.h": "",
    "connectors/registry.c": "int skepi_shm_entry(void);\n",
    "connectors/shm/shm.c": "#include <skep/x.h>\n",
    "steering/s.c": "#include <skep/x.h>\n",
    "tools/t.c": '#include "tools/t.h"\n',
    "tools/t.h": "",
    "scripts/test": "#!/bin/sh\nexit 0\n",
    "tests/checks/examples.h": "#include <skep/x.h>\n",
    "README.md": "```c\nskep_x();\n```\n",
}
# check, the file at fault, what it holds then
FAULTS = [
    ("manners.py", "proxy/x.c", "int x;\n" * 1001),
    ("manners.py", "tools/t.c", "void f(char *p)\n{\n    strcpy(p, p);\n}\n"),
    ("arrows.py", "tools/t.c", '#include "proxy/base/alloc.h"\n'),
    ("arrows.py", "benchmarks/b.c", '#include "tools/t.h"\n'),
    ("arrows.py", "steering/s.c", '#include "proxy/base/alloc.h"\n'),
    ("arrows.py", "steering/s.c", '#include "../proxy/base/alloc.h"\n'),
    ("arrows.py", "proxy/x.c", '#include "connectors/shm/shm.h"\n'),
    ("arrows.py", "proxy/x.c", "#include <skep/thinker.h>\n"),
    ("arrows.py", "proxy/x.c", "int skepi_shm_entry(void);\n"),
    ("arrows.py", "connectors/shm/shm.c", '#include "connectors/file/file.h"\n'),
    ("arrows.py", "connectors/shm/shm.c", '#include "proxy/base/alloc.h"\n'),
    ("words.py", "include/skep/x.h", HEADER.replace("SKEP_X is", "SKEP_Y is")),
    ("words.py", "README.md", "`skep_gone()`\n"),
    ("docs.py", "README.md", "```c\nskep_gone(;\n```\n"),
    ("docs.py", "README.md", "```c\n#include <skep/x.h>\nint main(void) { return skep_gone(); }\n```\n"),
    ("docs.py", "README.md", "```c run\nint main(void) { return 3; }\n```\n"),
    ("docs.py", "include/skep/x.h", HEADER.replace("skep_x();\n */", "skep_x(;\n */")),
    ("headers.sh", "include/skep/x.h", HEADER.replace("SKEP_API int", "SKEP_API size_t")),
    ("format.sh", "proxy/x.c", "int   x ;\n"),
    ("shell.sh", "scripts/test", "#!/bin/sh\ncd $1\n"),
    ("exports.py", "proxy/x.c", "int skep_y(void);\nint skep_y(void)\n{\n    return 0;\n}\n"),
    ("exports.py", "proxy/x.c", "int skep_x(void)\n{\n    return 0;\n}\nint bare;\n"),
]


def plant(root, tree, files):
    shutil.rmtree(tree, ignore_errors=True)
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(tree, path)), exist_ok=True)
        with open(os.path.join(tree, path), "w", encoding="utf-8") as f:
            f.write(text)
    shutil.copy(os.path.join(root, ".clang-format"), tree)


def passes(check, tree, work):
    command = [os.path.join(HERE, check), tree]
    library = os.path.join(work, "libskep.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", library, "-x", "c", "-"], check=True, input=exported(tree), text=True)
    if check == "docs.py":
        command += [os.path.join(work, "docs"), library, "-"]
    if check == "exports.py":
        command += ["skep", library, "-"]
    return subprocess.run(command, capture_output=True).returncode == 0


def exported(tree):
    with open(os.path.join(tree, "proxy/x.c"), encoding="utf-8") as f:
        return "".join(line for line in f if not line.startswith("#include"))


def main(root, work):
    tree = os.path.join(work, "tree")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    wrong = []
    for check in sorted({f[0] for f in FAULTS}):
        plant(root, tree, SOUND)
        if not passes(check, tree, work):
            wrong.append(f"{check} refuses a sound tree")
    for check, path, text in FAULTS:
        plant(root, tree, {**SOUND, path: text})
        if passes(check, tree, work):
            wrong.append(f"{check} accepts {path} with {text[:60]!r}")
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


main(*sys.argv[1:])
