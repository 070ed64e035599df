"""The skep command on a terminal, under signals, and with readers that go away."""
import array
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

from harness import COMMAND, SECONDS, run_all

PIECE = b"x" * 65536


class Terminal:
    """The command with standard error, and if wanted standard output, on a terminal."""

    def __init__(self, box, *words, out=subprocess.PIPE, env=None, **kw):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, array.array("H", [25, 80, 0, 0]))
        self.process = subprocess.Popen([COMMAND, *words], stdout=slave if out == "terminal" else out, stderr=slave,
                                        env={**box.env, **(env or {})}, **kw)
        os.close(slave)
        self.seen = b""

    def look(self, seconds):
        """Read what has been written to the terminal within that time; False once the command has closed it."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.master, 65536)
        except OSError:
            piece = b""
        self.seen += piece
        return piece != b""

    def end(self):
        deadline = time.monotonic() + SECONDS
        while self.look(0.1) and time.monotonic() < deadline:
            pass
        os.close(self.master)
        return self.process.wait(timeout=SECONDS)


def wait_drained(fd, process):
    """Until the reader of a pipe has taken all of it."""
    left = array.array("i", [1])
    deadline = time.monotonic() + SECONDS
    while left[0] > 0:
        assert time.monotonic() < deadline and process.poll() is None
        fcntl.ioctl(fd, termios.FIONREAD, left)
        time.sleep(0.01)


def feed(terminal, size, until):
    """Give the command `size` bytes, the last one only when `until` has been seen on the terminal."""
    stdin = terminal.process.stdin
    given = 0
    deadline = time.monotonic() + SECONDS
    while given < size - 1 and until not in terminal.seen:
        assert time.monotonic() < deadline, terminal.seen
        piece = PIECE[:min(256, size - 1 - given)]
        stdin.write(piece)
        stdin.flush()
        given += len(piece)
        terminal.look(0.02)
    while until not in terminal.seen and time.monotonic() < deadline:
        terminal.look(0.02)
    stdin.write(b"x" * (size - given))
    stdin.close()


def test_progress_bar_on_a_terminal(box):
    t = Terminal(box, "put", "--size", "1m", box.shm(), "-", stdin=subprocess.PIPE)
    feed(t, 1 << 20, b"% ")
    handle = t.process.stdout.read()
    assert t.end() == 0
    assert handle.startswith(b"shm://") and handle.count(b"\n") == 1
    assert b"standard input: [" in t.seen and b"of 1.0 MiB" in t.seen and b"/s" in t.seen, t.seen
    assert t.seen.endswith(b"\r\x1b[K"), "the line is wiped"
    assert b"\n" not in t.seen, "it stays in its line"


def test_progress_of_a_stream(box):
    t = Terminal(box, "put", box.shm(), "-", stdin=subprocess.PIPE)
    feed(t, 1 << 20, b"/s")
    assert t.end() == 0 and b"standard input: " in t.seen and t.seen.endswith(b"\r\x1b[K")


def test_no_progress_when_quick_quiet_or_dumb(box):
    path = box.path("f", PIECE)
    t = Terminal(box, "put", box.shm(), path)
    assert t.end() == 0 and t.seen == b"", t.seen
    for words, env in ((["--quiet"], {}), ([], {"TERM": "dumb"})):
        t = Terminal(box, "put", *words, box.shm(), "-", stdin=subprocess.PIPE, env=env)
        t.process.stdin.write(PIECE)
        t.process.stdin.flush()
        time.sleep(0.7)
        t.process.stdin.close()
        assert t.end() == 0 and t.seen == b"", t.seen


def test_no_progress_in_a_pipe(box):
    p = subprocess.Popen([COMMAND, "put", box.shm(), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=box.env)
    p.stdin.write(PIECE)
    p.stdin.flush()
    time.sleep(0.7)
    _, err = p.communicate(PIECE, timeout=SECONDS)
    assert p.returncode == 0 and err == b""


def test_binary_is_kept_from_terminals(box):
    uri = box.shm()
    for data, plain in ((b"text, \xc3\xa9\n", True), (b"\x00\x01", False), (b"\x1b[2J", False), (b"\xff\xfe", False)):
        handle = box.put(uri, data)
        for words in ([], ["--range", "0:"]):
            t = Terminal(box, "get", handle, *words, out="terminal")
            assert t.end() == (0 if plain else 2), t.seen
            assert (data.replace(b"\n", b"\r\n") in t.seen) == plain, t.seen
            assert plain or b"-f to send them anyway" in t.seen
        t = Terminal(box, "get", "-f", handle, out="terminal")
        assert t.end() == 0 and data.replace(b"\n", b"\r\n") in t.seen


def interrupted(box, words, number, data):
    """Send a signal to a command that waits for the rest of its standard input."""
    p = subprocess.Popen([COMMAND, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=box.env)
    p.stdin.write(data)
    p.stdin.flush()
    wait_drained(p.stdin.fileno(), p)
    p.send_signal(number)
    out, err = p.stdout.read(), p.stderr.read()
    p.stdin.close()
    assert p.wait(timeout=SECONDS) == -number and out == b"" and err == b"", (p.returncode, out, err)


def test_interrupted_put_leaves_nothing(box):
    for uri in (box.shm(), box.file()):
        box.put(uri, b"1")
        before = sorted(os.listdir(uri[7:])) if uri.startswith("file") else None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            interrupted(box, ["put", "--size", "1m", uri, "-"], number, PIECE)
            interrupted(box, ["put", uri, "-"], number, PIECE)
        assert box.run("info", "--json", uri).record["objects"] == 1
        assert box.run("gc", "--dry-run", uri).line == "nothing was left behind"
        assert before is None or sorted(os.listdir(uri[7:])) == before


def test_interrupted_put_of_a_file_leaves_nothing(box):
    path = box.path("big")
    with open(path, "wb") as f:
        f.truncate(256 << 20)
    for uri in (box.shm(), box.file()):
        box.put(uri, b"1")
        for pause in (0.005, 0.02, 0.04, 0.06, 0.1):
            p = subprocess.Popen([COMMAND, "put", uri, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=box.env)
            time.sleep(pause)
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=SECONDS)
            assert err == b"" and (p.returncode, out) == (-signal.SIGINT, b"") or p.returncode == 0, (p.returncode, err)
            if out:
                box.run("evict", out.decode().strip())
        assert box.run("info", "--json", uri).record["objects"] == 1
        assert box.run("gc", "--dry-run", uri).line == "nothing was left behind"


def test_file_that_shrinks_while_it_is_put(box):
    path = box.path("big")
    uri = box.shm()
    box.put(uri, b"1")
    for _ in range(5):
        with open(path, "wb") as f:
            f.truncate(256 << 20)
        p = subprocess.Popen([COMMAND, "put", uri, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=box.env)
        time.sleep(0.02)
        os.truncate(path, 4096)
        out, err = p.communicate(timeout=SECONDS)
        assert p.returncode in (0, 6), (p.returncode, err)
        if out:
            box.run("evict", out.decode().strip())
        else:
            assert b"became shorter" in err, err
    assert box.run("info", "--json", uri).record["objects"] == 1


def test_progress_bar_of_a_file(box):
    path = box.path("big")
    with open(path, "wb") as f:
        f.truncate(256 << 20)
    # stopped for a while, it is slow enough for a bar
    t = Terminal(box, "put", box.shm(), path)
    deadline = time.monotonic() + SECONDS
    while t.process.poll() is None and b"MiB" not in t.seen and time.monotonic() < deadline:
        t.process.send_signal(signal.SIGSTOP)
        t.look(0.05)
        t.process.send_signal(signal.SIGCONT)
        t.look(0.002)
    assert t.end() == 0
    assert b"of 256.0 MiB" in t.seen and t.seen.endswith(b"\r\x1b[K"), t.seen


def test_progress_bar_of_a_get(box):
    handle = box.put(box.shm(), PIECE * 64)
    t = Terminal(box, "get", handle)
    got = 0
    deadline = time.monotonic() + SECONDS
    while b"% " not in t.seen and got < len(PIECE) * 64 and time.monotonic() < deadline:
        got += len(os.read(t.process.stdout.fileno(), 32768))
        t.look(0.02)
    got += len(t.process.stdout.read())
    assert t.end() == 0 and got == len(PIECE) * 64
    assert b"standard output: [" in t.seen and b"of 4.0 MiB" in t.seen and t.seen.endswith(b"\r\x1b[K"), t.seen


def test_interrupted_get_leaves_nothing(box):
    handle = box.put(box.shm(), PIECE * 32)
    p = subprocess.Popen([COMMAND, "get", handle], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=box.env)
    assert os.read(p.stdout.fileno(), 10)
    p.send_signal(signal.SIGINT)
    assert p.wait(timeout=SECONDS) == -signal.SIGINT and p.stderr.read() == b""
    p.stdout.close()
    # a wait is interrupted as well, and the file stays as it was
    out = box.path("out", b"old")
    p = subprocess.Popen([COMMAND, "get", box.shm(), "--name", "never", "--wait", "1h", "-o", out], stderr=subprocess.PIPE,
                         env=box.env)
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=SECONDS)
    assert p.returncode == -signal.SIGINT and err == b""
    assert open(out, "rb").read() == b"old" and os.listdir(box.dir) == ["out"]


def test_reader_that_goes_away(box):
    uri = box.shm()
    handle = box.put(uri, PIECE * 32)
    for words in (["get", handle], ["get", handle, "--range", "0:"]):
        p = subprocess.Popen([COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=box.env)
        os.read(p.stdout.fileno(), 10)
        p.stdout.close()
        assert p.wait(timeout=SECONDS) == -signal.SIGPIPE and p.stderr.read() == b""
    # nobody reads the handle: then nobody could ever find the object
    r, w = os.pipe()
    os.close(r)
    p = subprocess.Popen([COMMAND, "put", uri, box.path("f", b"x")], stdout=w, stderr=subprocess.PIPE, env=box.env)
    os.close(w)
    _, err = p.communicate(timeout=SECONDS)
    assert p.returncode == -signal.SIGPIPE and err == b"", (p.returncode, err)
    assert box.run("info", "--json", uri).record["objects"] == 1


def test_second_signal_ends_at_once(box):
    p = subprocess.Popen([COMMAND, "get", box.shm(), "--name", "never", "--wait", "1h"], stderr=subprocess.PIPE, env=box.env)
    time.sleep(0.3)
    p.send_signal(signal.SIGTERM)
    p.send_signal(signal.SIGTERM)
    _, err = p.communicate(timeout=SECONDS)
    assert p.returncode == -signal.SIGTERM and err == b""


def test_ignored_signals_stay_ignored(box):
    p = subprocess.Popen(["nohup", COMMAND, "put", box.shm(), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=box.env)
    p.stdin.write(PIECE)
    p.stdin.flush()
    wait_drained(p.stdin.fileno(), p)
    p.send_signal(signal.SIGHUP)
    out, _ = p.communicate(PIECE, timeout=SECONDS)
    assert p.returncode == 0 and out.startswith(b"shm://")


run_all(globals())
