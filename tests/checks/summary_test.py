#!/usr/bin/env python3
"""tests/summary.py counts what ctest's reports hold, and fails where a test failed, vanished, or was skipped without a reason.

usage: summary_test.py ROOT WORK
"""

import os
import subprocess
import sys

CMOCKA = """[==========] Running 3 test(s).
[ RUN      ] one
[       OK ] one
[ RUN      ] two
[  SKIPPED ] two
[ RUN      ] three
[  {0} ] three
[==========] 3 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] two
"""
# status and output of a ctest entry, and what it must count as with the reason "entry two for the test" at hand
CASES = [
    ("run", "", (1, 0, 0)),
    ("fail", "", (0, 1, 0)),
    ("run", CMOCKA.format("     OK"), (2, 0, 1)),
    ("fail", CMOCKA.format("FAILED "), (1, 1, 1)),
    ("fail", CMOCKA.format("     OK"), (2, 1, 1)),
    ("fail", "[ RUN      ] dies\n", (0, 1, 0)),
    ("run", "[ RUN      ] a\n[       OK ] a\n[==========] 1 test(s) run.\n[ RUN      ] not a case\n", (1, 0, 0)),
    ("fail", "ok 1 - a\nnot ok 2 - b\nok 3 - two # SKIP why\n", (1, 1, 1)),
    ("run", "SKIP: two\n", (1, 0, 1)),
    ("run", "SKIP: something else\n", (1, 1, 0)),
    ("run", "[ RUN      ] other\n[  SKIPPED ] other\n", (0, 1, 0)),
    ("notrun", "SKIP: two", (0, 0, 1)),
    ("notrun", "SKIP: no reason for it", (0, 1, 0)),
]
REPORT = '<testsuite><testcase name="entry" time="1" status="{0}">{1}<system-out>{2}</system-out></testcase></testsuite>'


def summary(root, work, *reports):
    skips = os.path.join(work, "skips.txt")
    with open(skips, "w", encoding="utf-8") as f:
        f.write("entry two for the test\n")
    command = [sys.executable, os.path.join(root, "tests/summary.py"), skips, *(f"preset={r}" for r in reports)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, CI="true"))
    return done.returncode, done.stdout.splitlines()[-1] if done.stdout else done.stderr


def main(root, work):
    os.makedirs(work, exist_ok=True)
    report = os.path.join(work, "report.xml")
    wrong = []
    for status, output, (passed, failed, skipped) in CASES:
        why = '<skipped message="SKIP_RETURN_CODE=77"/>' if status == "notrun" else ""
        with open(report, "w", encoding="utf-8") as f:
            f.write(REPORT.format(status, why, output))
        wanted = (1 if failed or not passed else 0, f"{passed} passed, {failed} failed, {skipped} skipped")
        got = summary(root, work, report)
        if got != wanted:
            wrong.append(f"{status} {output!r}: {got}, not {wanted}")
    if summary(root, work, os.path.join(work, "none.xml"))[0] == 0:
        wrong.append("a preset without a report passes")
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(1 if wrong else 0)


main(*sys.argv[1:])
