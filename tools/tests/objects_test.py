"""skep put, get, info, exists and evict: what they do to objects."""
import filecmp
import os
import stat
import struct
import subprocess
import threading
import time

from harness import COMMAND, FULL, SECONDS, run_all, safetensors

TENSORS = {
    "layers.0.weight": ("F32", [4, 3], struct.pack("<12f", *range(12))),
    "layers.0.bias": ("F32", [3], struct.pack("<3f", 1, 2, 3)),
    "steps": ("I64", [], struct.pack("<q", 7)),
}
MODEL = safetensors(TENSORS, {"format": "pt", "note": "a\tb \u00e9"})


def stores(box):
    return [box.shm(), box.file()]


def test_put_and_get_files(box):
    for uri in stores(box):
        for size in (0, 1, 15, 16, 4096, 3_000_000):
            data = os.urandom(size)
            handle = box.run("put", uri, box.path("in", data)).line
            assert handle.startswith(uri + "#k="), handle
            box.run("get", handle, "-o", box.path("out"))
            assert open(box.path("out"), "rb").read() == data
            assert box.run("get", handle).out == data
            assert box.run("get", "-", data=handle.encode() + b"\n").out == data


def test_put_streams(box):
    for uri in stores(box):
        for size in (0, 1, 1 << 20, (1 << 20) + 1, 9_000_000):
            data = os.urandom(size)
            assert box.run("get", box.put(uri, data)).out == data, size
        assert box.run("get", box.put(uri, b"12345", "--size", "5")).out == b"12345"


def test_big_files(box):
    size = (1 << 30) + 1 if FULL else (64 << 20) + 1
    path = box.path("big")
    with open(path, "wb") as f:
        for _ in range(4):
            f.write(os.urandom(4096))
            f.seek(size // 4, os.SEEK_CUR)
        f.truncate(size)
    for uri in stores(box):
        with open(path, "rb") as f:
            streamed = box.run("put", uri, "-", stdin=subprocess.Popen(["cat"], stdin=f, stdout=subprocess.PIPE).stdout).line
        for handle in (box.run("put", uri, path).line, streamed):
            box.run("get", handle, "-o", path + ".copy")
            assert filecmp.cmp(path, path + ".copy", shallow=False)
        box.run("evict", "--all", uri)


def test_put_standard_input_that_is_a_file(box):
    uri = box.shm()
    with open(box.path("in", b"0123456789"), "rb") as f:
        f.seek(4)
        os.lseek(f.fileno(), 4, os.SEEK_SET)
        record = box.run("put", "--json", uri, "-", stdin=f).record
    assert record["size_bytes"] == 6
    assert box.run("get", record["handle"]).out == b"456789"


def test_put_what_has_no_length(box):
    handle = box.run("put", box.shm(), "/proc/self/status").line
    assert box.run("get", handle).out.startswith(b"Name:")


def test_put_says_all_in_json(box):
    record = box.run("put", "--json", "--checksum", "--name", "latest", box.shm(), box.path("m", MODEL)).record
    assert record["record"] == "put" and record["size_bytes"] == len(MODEL) and record["codec"] == "safetensors"
    assert record["checksum"].startswith("t1.") and len(record["checksum"]) == 19 and record["name"] == "latest"
    assert record["elapsed_ns"] > 0 and record["key"] in record["handle"]
    assert f"x={record['checksum']}" in record["handle"] and "c=safetensors" in record["handle"]
    assert box.run("put", "--json", "--no-checksum", box.shm(), box.path("m", b"x")).record["checksum"] is None


def test_put_refuses(box):
    uri = box.shm()
    assert "directory" in box.run("put", uri, box.dir, expect=2).err
    assert "No such file" in box.run("put", uri, box.path("none"), expect=1).err
    assert "both" in box.run("put", "--checksum", "--no-checksum", uri, "-", expect=2).err
    assert "did you mean safetensors" in box.run("put", "--codec", "safetensor", uri, "-", expect=2).err
    assert "UUID" in box.run("put", "--key", "model", uri, "-", expect=2).err
    assert "ended after 3 of 5 bytes" in box.run("put", "--size", "5", uri, "-", data=b"123", expect=6).err
    assert "goes on after 5 bytes" in box.run("put", "--size", "5", uri, "-", data=b"1234567", expect=6).err
    assert "--size" in box.run("put", "--size", "5", uri, box.path("six", b"123456"), expect=2).err
    box.put(uri, b"")
    assert box.run("info", uri, "--json").record["objects"] == 1, "what failed left something"


def test_put_leaves_no_dead_handle(box):
    box.private_shm()
    file = box.path("f", b"x")
    for uri, env in (("shm://x?lifetime=session", {}), ("shm://x", {"SKEP_SHM_LIFETIME": "session"}),
                     ("fault+shm://x?fault_op=get&lifetime=session&cache=0", {})):
        for more in ([], ["--name", "n"]):
            result = box.run("put", uri, file, *more, env=env, expect=2)
            assert result.out == b"" and uri in result.err and "lifetime=session" in result.err, result.err
    assert box.run("ls").text == "", "what was refused leaves no store"
    box.run("put", "shm://x?lifetime=store", file)


def test_put_under_a_key(box):
    key = "0f6f3bd5-0000-4000-8000-00000000000a"
    for uri in stores(box):
        handle = box.put(uri, b"one", "--key", key)
        assert f"#k={key}&" in handle
        assert box.run("put", uri, "-", "--key", key, data=b"two", expect=9).err
        assert box.run("get", uri, "--key", key).out == b"one"


def test_codecs(box):
    uri = box.shm()
    assert "c=safetensors" in box.put(uri, MODEL)
    assert "c=" not in box.put(uri, MODEL, "--codec", "raw")
    assert "c=" not in box.put(uri, b"plain text")
    # what only begins like a model is plain bytes, unless one says that it is a model
    looks = MODEL[:-1]
    assert "c=" not in box.put(uri, looks)
    before = box.run("info", uri, "--json").record["objects"]
    assert "skep put: " in box.run("put", uri, "-", "--codec", "safetensors", data=looks, expect=5).err
    assert box.run("info", uri, "--json").record["objects"] == before


def test_get_tensors_and_ranges(box):
    for uri in stores(box):
        handle = box.put(uri, MODEL)
        for name, (_, _, data) in TENSORS.items():
            assert box.run("get", handle, "--tensor", name).out == data
        weight = TENSORS["layers.0.weight"][2]
        assert box.run("get", handle, "--tensor", "layers.0.weight", "--range", "4:8").out == weight[4:12]
        assert box.run("get", handle, "--range", "0:8").out == MODEL[:8]
        assert box.run("get", handle, "--range", "8:").out == MODEL[8:]
        assert box.run("get", handle, "--range", ":8").out == MODEL[:8]
        assert box.run("get", handle, "--range", f"{len(MODEL)}:0").out == b""
        assert "leaves the object" in box.run("get", handle, "--range", f"1:{len(MODEL)}", expect=2).err
        assert "leaves the object" in box.run("get", handle, "--range", "1t:", expect=2).err
        assert "leaves the tensor of 12" in box.run("get", handle, "-t", "layers.0.bias", "-r", "4:12", expect=2).err
        assert "not OFFSET:LENGTH" in box.run("get", handle, "--range", "12", expect=2).err
        err = box.run("get", handle, "--tensor", "layers.0.wieght", expect=1).err
        assert 'did you mean "layers.0.weight"?' in err, err
        box.run("get", box.put(uri, b"no model"), "--tensor", "x", expect=5)


def test_get_json(box):
    handle = box.put(box.shm(), MODEL)
    record = box.run("get", "--json", handle, "-t", "steps", "-o", box.path("out")).record
    assert record["record"] == "get" and record["size_bytes"] == 8 and record["object_size_bytes"] == len(MODEL)
    assert record["offset_bytes"] == len(MODEL) - 8 and record["handle"] == handle and record["file"] == box.path("out")
    assert "-o FILE" in box.run("get", "--json", handle, expect=2).err


def test_get_writes_whole_or_nothing(box):
    handle = box.put(box.shm(), b"new")
    out = box.path("out", b"old")
    os.chmod(out, 0o640)
    absent = "shm://no-such-store-of-anybody#k=00000000-0000-4000-8000-000000000000"
    box.run("get", absent, "-o", out, expect=1)
    assert open(out, "rb").read() == b"old"
    link = box.path("link")
    os.symlink(out, link)
    box.run("get", handle, "-o", link)
    assert os.path.islink(link) and open(out, "rb").read() == b"new"
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o640
    assert sorted(os.listdir(box.dir)) == ["link", "out"]


def test_get_to_what_is_no_file(box):
    handle = box.put(box.shm(), b"data")
    box.run("get", handle, "-o", "/dev/null")
    box.run("get", handle, "-o", "/dev/full", expect=4)
    box.run("get", handle, "-o", box.dir, expect=2)
    box.run("get", handle, "-o", box.path("none/out"), expect=1)
    with open("/dev/full", "wb") as full:
        assert "standard output" in box.run("get", handle, stdout=full, expect=4).err
    os.mkfifo(box.path("fifo"))
    got = []
    reader = threading.Thread(target=lambda: got.append(open(box.path("fifo"), "rb").read()))
    reader.start()
    box.run("get", handle, "-o", box.path("fifo"))
    reader.join()
    assert got == [b"data"]


def test_handle_that_nobody_gets_leaves_no_object(box):
    uri = box.shm()
    box.put(uri, b"1")
    with open("/dev/full", "wb") as full:
        box.run("put", uri, "-", data=b"2", stdout=full, expect=4)
    assert box.run("info", uri, "--json").record["objects"] == 1


def test_record_that_nobody_gets_leaves_no_object(box):
    uri = box.shm()
    handle = box.put(uri, b"kept")
    with open("/dev/full", "wb") as full:
        box.run("put", uri, "-", "--json", data=b"x", stdout=full, expect=4)
    assert [record["handle"] for record in box.run("ls", uri, "--json").records] == [handle]


def test_info_of_an_object(box):
    for uri in stores(box):
        handle = box.put(uri, MODEL, "--checksum")
        text = box.run("info", handle).text
        for word in ("there      yes", "codec      safetensors", "layers.0.weight", "[4, 3]", "F32", "48 B", "tensors    3",
                     "metadata   format = pt", "a\\x09b \u00e9", str(len(MODEL)), "checksum   t1."):
            assert word in text, (word, text)
        records = box.run("info", "--json", handle).records
        kinds = [r["record"] for r in records]
        assert kinds == ["object", "metadata", "metadata", "tensor", "tensor", "tensor"], kinds
        first = records[0]
        assert first["handle"] == handle and first["uri"] == uri and first["exists"] is True and first["tensors"] == 3
        assert first["size_bytes"] == len(MODEL) and first["checksum"] in handle and first["codec"] == "safetensors"
        weight = [r for r in records if r.get("name") == "layers.0.weight"][0]
        assert weight["dtype"] == "F32" and weight["shape"] == [4, 3] and weight["size_bytes"] == 48
        assert MODEL[weight["offset_bytes"]:][:48] == TENSORS["layers.0.weight"][2]
        assert {r["key"]: r["value"] for r in records if r["record"] == "metadata"}["note"] == "a\tb \u00e9"


def test_info_sees_a_codec_that_the_handle_does_not_name(box):
    uri = box.shm()
    text = box.run("info", box.put(uri, MODEL, "--codec", "raw")).text
    assert "as it begins" in text and "tensors    3" in text
    text = box.run("info", box.put(uri, MODEL[:-1])).text
    assert "codec      raw\n" in text


def test_info_of_a_damaged_model(box):
    handle = box.put(box.shm(), MODEL[:-1]) + "&c=safetensors"
    result = box.run("info", handle, "--json", expect=5)
    assert [r["record"] for r in result.records] == ["object", "error"]


def test_info_of_what_is_gone(box):
    handle = box.put(box.shm(), b"x")
    box.run("evict", handle)
    assert "there      no" in box.run("info", handle, expect=1).text
    assert box.run("info", "--json", handle, expect=1).record["exists"] is False
    absent = "shm://no-such-store-of-anybody#k=00000000-0000-4000-8000-000000000000"
    assert "there      no" in box.run("info", absent, expect=1).text


def test_foreign_keys(box):
    uri = box.file()
    box.put(uri, b"x")
    path = uri[len("file://"):]
    with open(os.path.join(path, "model.safetensors"), "wb") as f:
        f.write(MODEL)
    assert box.run("get", uri, "--key", "model.safetensors").out == MODEL
    assert "tensors    3" in box.run("info", uri, "--key", "model.safetensors").text
    assert box.run("info", uri, "--key", "model.safetensors", "--json").records[0]["handle"] is None
    box.run("exists", uri, "--key", "model.safetensors")
    box.run("exists", uri, "--key", "other", expect=1)
    assert "can't be a key" in box.run("get", uri, "--key", "../x", expect=2).err
    box.run("evict", uri, "--key", "model.safetensors")
    box.run("exists", uri, "--key", "model.safetensors", expect=1)


def test_exists(box):
    for uri in stores(box):
        a, b = box.put(uri, b"aa"), box.put(uri, b"b")
        assert box.run("exists", a, b).out == b""
        assert box.run("exists", "-", data=f"{a}\n\n{b}\n".encode()).out == b""
        records = box.run("exists", "--json", a, b).records
        assert [(r["exists"], r["size_bytes"]) for r in records] == [(True, 2), (True, 1)]
        box.run("evict", a)
        assert box.run("exists", a, b, expect=1).err == ""
        records = box.run("exists", "--json", a, b, expect=1).records
        assert [(r["exists"], r["size_bytes"]) for r in records] == [(False, None), (True, 1)]
    box.run("exists", "shm://no-such-store-of-anybody", "--name", "x", expect=1)


def test_evict(box):
    for uri in stores(box):
        box.put(uri, b"it keeps the store")
        handles = [box.put(uri, b"x") for _ in range(3)]
        assert box.run("evict", handles[0]).out == b""
        assert box.run("evict", handles[0]).out == b"", "what is gone already is no failure"
        records = box.run("evict", "--json", *handles[:2]).records
        assert [(r["record"], r["existed"]) for r in records] == [("evict", False), ("evict", True)]
        box.run("evict", "-", data=(handles[2] + "\n").encode())
        assert box.run("info", uri, "--json").record["objects"] == 1
        assert uri in box.run("get", handles[0], expect=1).err
        assert uri in box.run("get", uri, "--key", "00000000-0000-4000-8000-000000000000", expect=1).err
        # one bad word does not save the rest
        handle = box.put(uri, b"x")
        box.run("evict", "nonsense", handle, expect=2)
        box.run("exists", handle, expect=1)


def test_wait(box):
    uri = box.shm()
    key = "0f6f3bd5-0000-4000-8000-00000000000b"
    began = time.monotonic()
    result = box.run("get", uri, "--key", key, "--wait", "300ms", expect=1)
    assert "not there after 0.3 s" in result.err and time.monotonic() - began >= 0.3
    box.run("exists", uri, "--key", key, "--wait", "50ms", expect=1)
    box.run("get", uri, "--key", key, "--wait", "10s", "--timeout", "200ms", expect=7)
    # neither store nor name nor object are there when the waiting begins
    waiting = subprocess.Popen([COMMAND, "get", uri, "--name", "result", "--wait", f"{SECONDS}s"], env=box.env,
                               stdout=subprocess.PIPE)
    box.put(uri, b"something else")
    box.put(uri, b"here it is", "--name", "result")
    out, _ = waiting.communicate(timeout=SECONDS)
    assert waiting.returncode == 0 and out == b"here it is"


run_all(globals())
