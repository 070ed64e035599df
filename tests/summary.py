#!/usr/bin/env python3
"""The sum of several ctest reports: the slowest tests, what failed, what was skipped, and one line at the end.

usage: summary.py SKIPS PRESET=REPORT.xml...

A program counts as its cases where it tells them as cmocka or TAP do, anything else as one test. With CI=true or SKEP_SKIPS_FAIL=1 in the environment a test
that was skipped without a reason in SKIPS has failed.
"""

import fnmatch
import os
import re
import sys
import xml.etree.ElementTree

SLOWEST = 10
CASE = re.compile(
    r"^\[( RUN      |       OK |  SKIPPED |  FAILED  )\] (?!\d+ test\(s\))(.*)$"  # cmocka
    r"|^(not ok|ok) \d+ - (.*)$",  # TAP
    re.M,
)
LEFT_OUT = re.compile(r"^SKIP: (.*)$", re.M)  # what a script says of a part that it could not do
END = re.compile(r"^\[==========\] \d+ test\(s\) run", re.M)


def groups(output):
    """The output without cmocka's lists of names after each group."""
    kept, at = [], 0
    for end in END.finditer(output):
        kept.append(output[at : end.start()])
        again = output.find("[==========] Running", end.end())
        at = again if again >= 0 else len(output)
    return "".join(kept) + output[at:]


def cases(output):
    """(case, outcome) of each case that the output tells of; one that never ended has failed."""
    running = None
    for match in CASE.finditer(groups(output)):
        word, name, verdict, tap = match.groups()
        if verdict is not None:
            name, skip, _ = tap.partition(" # SKIP")
            yield name, "skipped" if skip else "passed" if verdict == "ok" else "failed"
        elif word == " RUN      ":
            if running:
                yield running, "failed"
            running = name
        else:
            running = None
            yield name, {"       OK ": "passed", "  SKIPPED ": "skipped"}.get(word, "failed")
    if running:
        yield running, "failed"


def outcomes(test):
    """(case, outcome) of each thing that a ctest entry counts as."""
    output = test.findtext("system-out") or ""
    status = test.get("status")
    if status == "notrun":
        why = test.find("skipped").get("message")
        reason = LEFT_OUT.search(output)
        yield (reason.group(1) if reason else why), ("skipped" if why.startswith("SKIP_RETURN_CODE") else "failed")
        return
    found = list(cases(output))
    yield from found
    for reason in LEFT_OUT.findall(output):
        yield reason, "skipped"
    if status == "fail" and not any(outcome == "failed" for _, outcome in found):
        yield "", "failed"
    elif status != "fail" and not found:
        yield "", "passed"


def read_skips(path):
    with open(path, encoding="utf-8") as f:
        lines = [line.split(None, 2) for line in f if line.strip() and not line.startswith("#")]
    return [(words[0], words[1]) for words in lines if len(words) == 3]


def main(skips_path, *reports):
    excused = read_skips(skips_path)
    strict = os.environ.get("CI") == "true" or os.environ.get("SKEP_SKIPS_FAIL") == "1"
    count = {"passed": 0, "failed": 0, "skipped": 0}
    times, told = [], []
    for preset, path in (report.split("=", 1) for report in reports):
        if not os.path.exists(path):
            count["failed"] += 1
            told.append(f"failed   {preset}: ctest wrote no report")
            continue
        for test in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
            times.append((float(test.get("time")), f"{preset} {test.get('name')}"))
            for case, outcome in outcomes(test):
                known = any(fnmatch.fnmatch(test.get("name"), t) and fnmatch.fnmatch(case, c) for t, c in excused)
                if outcome == "skipped" and strict and not known:
                    outcome, case = "failed", f"{case} (skipped, with no reason in {skips_path})"
                count[outcome] += 1
                if outcome != "passed":
                    told.append(f"{outcome:8} {preset} {test.get('name')} {case}")
    print("the slowest:")
    for seconds, name in sorted(times, reverse=True)[:SLOWEST]:
        print(f"  {seconds:7.1f} s  {name}")
    print("\n".join(sorted(told)))
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] or not count["passed"] else 0)


main(*sys.argv[1:])
