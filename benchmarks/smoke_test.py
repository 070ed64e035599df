"""What `skep bench` prints is what it says it prints: every row with tiny counts, fields and types, never times.

usage: smoke_test.py SKEP connector|steering|arguments
"""
import fcntl
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

NUMBER = (int, float)
RESULT = {
    "record": str, "connector": str, "uri": str, "op": str, "size_bytes": int, "count": int, "errors": int,
    "verified": bool, "checked": str, "p50_ns": int, "p90_ns": int, "p99_ns": int, "max_ns": int, "mean_ns": NUMBER,
    "bytes_per_s": (*NUMBER, type(None)), "cpu_ns_per_op": NUMBER, "page_faults_per_op": NUMBER,
    "baseline": (dict, type(None)), "ratio": (*NUMBER, type(None)), "cpu_ratio": (*NUMBER, type(None)), "moved_bytes_per_op": NUMBER, "checksum": bool,
}
ENVIRONMENT = {
    "record": str, "skep": str, "build": str, "time": str, "command": str, "cpu": str, "cores": int, "kernel": str,
    "memory_bytes": int, "huge_pages": str, "shm_huge_pages": str, "shm_bytes": int, "load": NUMBER,
}
STEERING = {
    "record": str, "engine": str, "workers": int, "tasks": int, "payload_bytes": int, "tasks_per_s": NUMBER,
    "p50_ns": int, "p99_ns": int, "bytes_moved": int, "resolves": int, "errors": int, "rss_growth_bytes": int, "objects_left": int,
}
OPS = ["put", "get", "resolve", "putget", "put-first", "read", "exists", "evict"]
SIZES = [0, 64, 1000, 1 << 20]


def run(skep, *words, status=0):
    done = subprocess.run([skep, "bench", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    assert done.returncode == status, f"{words}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def check(record, fields):
    for name, kind in fields.items():
        assert name in record, f"no {name} in {record}"
        value = record[name]
        assert isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), f"{name} is {value!r}"


def records(done, command):
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    check(lines[0], ENVIRONMENT)
    assert lines[0]["record"] == "environment" and lines[0]["command"] == "skep bench " + " ".join(command)
    return lines[1:]


def abandoned(prefix):
    """Directories that no run has locked. One may have been made this instant by another run: then ask again."""
    for _ in range(50):
        left = []
        for path in glob.glob(prefix + "*"):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                left.append(path)
            except BlockingIOError:
                pass
            finally:
                os.close(fd)
        if not left:
            break
        time.sleep(0.02)
    return left


def interrupted(skep, *words):
    """Ends by the signal, and in order, whenever it comes: at once, or in the middle."""
    for pause in (0, 0.05, 0.5):
        child = subprocess.Popen([skep, "bench", *words, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        assert child.stdout.readline().startswith('{"record":"environment"')
        time.sleep(pause)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
        assert child.returncode == -signal.SIGINT, child.returncode


def full(skep, *words):
    """Standard output is full: it is said, at once, and the exit status says it too."""
    began = time.monotonic()
    for extra in ([], ["--json"]):
        with open("/dev/full", "wb") as out:
            done = subprocess.run([skep, "bench", *words, *extra], stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.PIPE, text=True, timeout=100)
        assert done.returncode == 4 and "standard output: No space left on device" in done.stderr, done
    assert time.monotonic() - began < 30, "measured for nobody"


def connector(skep, scratch):
    uris = [f"shm://bench-smoke-{os.getpid()}", f"memory://bench-smoke-{os.getpid()}", f"file://{scratch}/store?checksum=on"]
    words = ["connector", *uris, "--ops", ",".join(OPS), "--sizes", "0,64,1000,1m", "--range", "100", "--count", "3", "--json"]
    done = run(skep, *words)
    assert re.fullmatch(r"skep bench: memory: no other process[^\n]*\n", done.stderr), done.stderr
    rows = records(done, words)
    for row in rows:
        check(row, RESULT)
        assert row["record"] == "result" and row["count"] == 3 and row["errors"] == 0 and row["verified"], row
        assert row["checked"] in ("none", "chunk", "full")
        assert 0 <= row["p50_ns"] <= row["p90_ns"] <= row["p99_ns"] <= row["max_ns"]
        assert "p999_ns" not in row, "three samples have no such quantile"
        assert (row["baseline"] is None) == (row["ratio"] is None)
        if row["baseline"] is not None:
            check(row["baseline"], {"name": str, "p50_ns": int})
            assert abs(row["ratio"] - row["p50_ns"] / row["baseline"]["p50_ns"]) < 1e-6 * row["ratio"] + 1e-9
    seen = {(row["connector"], row["op"], row["size_bytes"]) for row in rows}
    wanted = {(c, o, s) for c in ("shm", "memory", "file") for o in OPS for s in SIZES if (c, o) != ("memory", "put-first")}
    assert seen == wanted and len(rows) == len(seen), seen ^ wanted
    mapped = [row for row in rows if row["connector"] == "shm" and row["op"] in ("get", "resolve") and row["size_bytes"] == 1 << 20]
    assert len(mapped) == 2 and all(row["moved_bytes_per_op"] == 0 for row in mapped), mapped
    assert os.listdir(f"{scratch}") in (["store"], []), os.listdir(scratch)
    assert not abandoned("/dev/shm/skep-bench-"), abandoned("/dev/shm/skep-bench-")
    interrupted(skep, "connector", *uris, "--ops", "put,put-first", "--sizes", "1m", "--seconds", "100")
    assert not abandoned("/dev/shm/skep-bench-") and os.listdir(scratch) in (["store"], []), os.listdir(scratch)
    table = run(skep, "connector", *uris[:2], "--ops", "put,get", "--sizes", "1k", "--count", "2").stdout
    assert "fastest by p50" in table and "memcpy" in table and "read memory" in table, table
    timed = [json.loads(line) for line in run(skep, "connector", uris[1], "--ops", "put", "--sizes", "64:1k:x4", "--seconds",
                                               "0.01", "--no-verify", "--pages", "base", "--json").stdout.splitlines()]
    assert [row["size_bytes"] for row in timed[1:]] == [64, 256, 1024]
    assert all(row["count"] >= 3 and row["verified"] is False for row in timed[1:])
    full(skep, "connector", uris[1], "--ops", "put,get,resolve", "--sizes", "64,1k,4k", "--seconds", "10")
    broken = run(skep, "connector", f"fault+{uris[1]}?fault_op=get&fault_every=1", "--ops", "get", "--sizes", "64", "--count", "5",
                 "--json", status=6)
    *errors, row = [json.loads(line) for line in broken.stdout.splitlines()[1:]]
    assert len(errors) == row["errors"] and all(e["record"] == "error" and e["exit"] == 6 and e["code"] == "SKEP_EIO" and
                                                "get of 64 B" in e["text"] for e in errors), errors
    assert row["errors"] > 0 and row["count"] == 0 and row["p50_ns"] is None and row["verified"] is False, row
    assert "get of 64 B" in broken.stderr, broken.stderr
    wrong = run(skep, "connector", f"fault+{uris[1]}?fault_op=get&fault_every=1&fault_kind=corrupt", "--ops", "get", "--sizes",
                "64", "--count", "5", "--json", status=5)
    assert json.loads(wrong.stdout.splitlines()[-1])["verified"] is False and "not those that were put" in wrong.stderr, wrong


def steering(skep, scratch):
    os.environ["TMPDIR"] = scratch
    for extra in ([], ["--payload", "200", "--inline"], ["--payload", "200k"], ["--payload", "100k", "--threshold", "1k"]):
        words = ["steering", "--engine", "local:?workers=2", "--tasks", "50", *extra, "--json"]
        (row,) = records(run(skep, *words), words)
        check(row, STEERING)
        assert row["record"] == "steering" and row["errors"] == row["objects_left"] == 0 and row["workers"] == 2 and row["tasks"] == 50, row
        assert (row["resolves"] > 0) == ("200k" in extra or "100k" in extra), row
    words = ["steering", "--tasks", "40", "--model", "4m", "--read", "64k", "--work", "100us", "--json"]
    (row,) = records(run(skep, *words), words)
    check(row, STEERING)
    check(row["baseline"], {"name": str, "elapsed_ns": int})
    check(row, {"ratio": NUMBER, "model_bytes": int})
    assert row["errors"] == 0 and row["resolves"] == row["workers"] and row["bytes_moved"] == 0, row
    assert "round trip" in run(skep, "steering", "--tasks", "20").stdout
    assert "objects of tasks" not in run(skep, "steering", "--tasks", "20", "--payload", "200k", "--window", "3").stderr
    full(skep, "steering", "--tasks", "100000000")
    interrupted(skep, "steering", "--tasks", "100000000")
    interrupted(skep, "steering", "--tasks", "1000000", "--payload", "200k", "--window", "50")
    assert os.listdir(scratch) == [], os.listdir(scratch)
    left = [name for name in os.listdir(f"/dev/shm/skep-{os.getuid()}")] if os.path.isdir(f"/dev/shm/skep-{os.getuid()}") else []
    assert not [name for name in left if name.startswith("skep-bench-")], left


def failed(done, code, status):
    """The failure is a record too, the last one."""
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["record"] == "error" and record["command"] == "bench", record
    assert record["code"] == code and record["exit"] == status and record["text"] in done.stderr, record


def arguments(skep, scratch):
    bad = [[], ["nothing"], ["connector"], ["connector", "memory://a", "--ops", "fly"], ["connector", "memory://a", "--sizes", "1k:"],
           ["connector", "memory://a", "--count", "0"], ["connector", "memory://a", "--what"], ["connector", "memory://a", "--count"],
           ["connector", "memory://a", "--count", "1", "--seconds", "1"]]
    for words in bad:
        done = run(skep, *words, status=2)
        assert done.stdout == "" and done.stderr.startswith("skep bench") and "--help" in done.stderr, done
        failed(run(skep, *words, "--json", status=2), "SKEP_EINVAL", 2)
    for uri, status, code in (("nowhere://x", 8, "SKEP_ENOTSUP"), ("memory", 2, "SKEP_EINVAL"),
                              ("memory://a?cache=1m", 2, "SKEP_EINVAL"), ("memory://a?colour=red", 2, "SKEP_EINVAL")):
        done = run(skep, "connector", uri, "--sizes", "64", "--count", "1", status=status)
        assert done.stderr.startswith("skep bench: "), done.stderr
        failed(run(skep, "connector", uri, "--sizes", "64", "--count", "1", "--json", status=status), code, status)
    # the first failure decides, and what follows is measured all the same
    done = run(skep, "connector", "nowhere://x", "memory", "memory://a", "--ops", "put", "--sizes", "64", "--count", "1", "--json",
               status=8)
    assert [json.loads(line)["record"] for line in done.stdout.splitlines()] == ["environment", "error", "error", "result"]
    has_steering = "skep bench steering" in run(skep, "--help").stdout
    done = run(skep, "steering", "--engine", "local:?worker=2", "--tasks", "1", "--json", status=2 if has_steering else 8)
    failed(done, *(("SKEP_EINVAL", 2) if has_steering else ("SKEP_ENOTSUP", 8)))
    for words in (["--help"], ["connector", "--help"]):
        assert run(skep, *words).stdout.startswith("usage: skep bench")
    del scratch


def main():
    skep, what = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="skep-bench-smoke-") as scratch:
        {"connector": connector, "steering": steering, "arguments": arguments}[what](skep, scratch)


main()
