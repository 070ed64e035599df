"""What the tests of the skep command share: running it, and reporting in TAP.

A test is a function whose name begins with test_; run_all(globals()) is the last line of a test file. The command is
argv[1]. Every test gets a fresh `Box`: a temporary folder, stores of its own, and the command with a clean environment.
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import uuid

COMMAND = sys.argv[1] if len(sys.argv) > 1 else "skep"
BAD = ("Sanitizer", "runtime error:")
FULL = os.environ.get("SKEP_TEST_FULL") == "1"
SECONDS = 60 * int(os.environ.get("SKEP_TEST_PATIENCE", "1"))


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err.decode("utf-8", "replace")

    @property
    def text(self):
        return self.out.decode()

    @property
    def line(self):
        """Exactly one line, without its end."""
        lines = self.text.split("\n")
        assert len(lines) == 2 and lines[1] == "", f"not one line: {self.text!r}"
        return lines[0]

    @property
    def records(self):
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def record(self):
        assert len(self.records) == 1, self.text
        return self.records[0]


class Box:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="skep-command-")
        self.stores = []
        self.folders = [self.dir]
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SKEP_")}
        self.env["TERM"] = "xterm"

    def path(self, name, data=None):
        path = os.path.join(self.dir, name)
        if data is not None:
            with open(path, "wb") as f:
                f.write(data)
        return path

    def shm(self):
        self.stores.append(f"shm://command-test-{uuid.uuid4().hex[:12]}")
        return self.stores[-1]

    def private_shm(self):
        """From now on the node stores lie in a folder of this test's own: nobody else's are there."""
        self.folders.append(tempfile.mkdtemp(prefix="skep-command-", dir="/dev/shm"))
        self.env["SKEP_SHM_DIR"] = self.folders[-1]

    def file(self):
        return "file://" + self.path(f"store-{uuid.uuid4().hex[:6]}")

    def run(self, *words, data=b"", expect=0, **kw):
        """Run the command; its exit status must be `expect`."""
        env = {**self.env, **kw.pop("env", {})}
        if "stdin" not in kw:
            kw["input"] = data
        kw.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run([COMMAND, *words], stderr=subprocess.PIPE, env=env, timeout=SECONDS, **kw)
        result = Result(done.returncode, done.stdout or b"", done.stderr)
        for bad in BAD:
            assert bad not in result.err, result.err
        assert result.status == expect, f"skep {' '.join(words)}: {result.status}, not {expect}\n{result.err}{result.out!r:.500}"
        if expect == 0:
            assert result.err == "", f"skep {' '.join(words)} said: {result.err}"
        return result

    @staticmethod
    def wait_for(question):
        deadline = time.monotonic() + SECONDS
        while not question():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return True

    def put(self, uri, data, *options):
        return self.run("put", uri, "-", *options, data=data).line

    def close(self):
        for uri in self.stores:
            env = {**self.env}
            subprocess.run([COMMAND, "evict", "--all", uri], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        for folder in self.folders:
            shutil.rmtree(folder)


def safetensors(tensors, metadata=None):
    """The bytes of a safetensors file; tensors: name -> (dtype, shape, bytes)."""
    header, at = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def run_all(names):
    tests = [(n, f) for n, f in names.items() if n.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for i, (name, function) in enumerate(tests, 1):
        box = Box()
        try:
            function(box)
            print(f"ok {i} - {name}")
        except Exception:
            failed += 1
            print(f"not ok {i} - {name}")
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="")
        finally:
            box.close()
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
