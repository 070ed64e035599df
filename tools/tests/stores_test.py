"""skep ls, name, gc, connectors, info of stores and schemes, evict --all."""
import glob
import os
import subprocess

from harness import COMMAND, run_all


def stores(box):
    return [box.shm(), box.file()]


def test_ls_of_a_store(box):
    for uri in stores(box):
        handles = {box.put(uri, b"x" * n) for n in (1, 2000)}
        box.put(uri, b"z", "--name", "latest")
        text = box.run("ls", uri).text
        assert "SIZE" in text and "2.0 KiB" in text and "latest -> " + uri in text
        assert "          2000" in box.run("ls", "-b", uri).text
        listed = box.run("ls", "--handles", uri).text.splitlines()
        assert len(listed) == 3
        keys = {h.split("k=")[1].split("&")[0] for h in listed}
        assert {h.split("k=")[1].split("&")[0] for h in handles} <= keys
        for handle in listed:
            box.run("exists", handle)
        records = box.run("ls", "--json", uri).records
        objects = [r for r in records if r["record"] == "object"]
        assert sorted(r["size_bytes"] for r in objects) == [1, 1, 2000]
        assert all(r["key"] in r["handle"] and (r["made_ns"] is None or r["made_ns"] > 1e18) for r in objects)
        assert [r["name"] for r in records if r["record"] == "name"] == ["latest"]


def test_ls_of_all_stores(box):
    box.private_shm()
    assert box.run("ls").out == b""
    uri = box.shm()
    box.put(uri, b"x" * 5000, "--name", "n")
    box.put(uri, b"x" * 5000)
    record = box.run("ls", "--json").record
    assert record == {"record": "store", "uri": uri, "objects": 2, "size_bytes": 10000, "names": 1}
    assert box.run("ls").text.splitlines()[1].split() == ["9.8", "KiB", "2", "1", uri]
    assert "needs a store" in box.run("ls", "--handles", expect=2).err


def test_ls_of_an_empty_store(box):
    uri = box.file()
    box.run("evict", box.put(uri, b"x"))
    assert box.run("ls", uri).out == b"" and box.run("ls", "--json", uri).out == b""
    # of a node store the last one to close it leaves nothing
    uri = box.shm()
    box.run("evict", box.put(uri, b"x"))
    box.run("ls", uri, expect=1)
    assert uri not in box.run("ls").text


def test_names(box):
    for uri in stores(box):
        one, two = box.put(uri, b"one", "--name", "latest"), box.put(uri, b"two")
        assert box.run("name", uri, "latest").line == one
        assert box.run("get", uri, "--name", "latest").out == b"one"
        assert box.run("name", uri, "latest", two).out == b""
        assert box.run("get", uri, "--name", "latest").out == b"two"
        box.run("name", uri, "best", "-", data=one.encode() + b"\n")
        assert sorted(box.run("name", uri).text.splitlines()) == [f"best\t{one}", f"latest\t{two}"]
        assert box.run("name", "--json", uri, "best").record == {"record": "name", "name": "best", "handle": one}
        assert len(box.run("name", "--json", uri).records) == 2
        box.run("name", uri, "best", "--remove")
        box.run("name", uri, "best", expect=1)
        box.run("get", uri, "--name", "best", expect=1)
        box.run("exists", uri, "--name", "best", expect=1)
        assert box.run("get", one).out == b"one", "the object stays"
        assert "--remove needs" in box.run("name", uri, "--remove", expect=2).err
        assert "not a handle" in box.run("name", uri, "x", "nonsense", expect=2).err
        box.run("name", uri, "../x", one, expect=2)
        # --name of evict takes the object, not the name
        box.run("evict", uri, "--name", "latest")
        box.run("get", uri, "--name", "latest", expect=1)
        assert box.run("name", uri, "latest").line == two


def test_names_are_believed_for_their_own_store(box):
    here, there = stores(box)
    handle = box.put(there, b"elsewhere")
    box.put(here, b"x")
    box.run("name", here, "away", handle)
    result = box.run("get", here, "--name", "away", expect=3)
    assert "leads to another store" in result.err and there in result.err
    assert box.run("get", here, "--name", "away", env={"SKEP_ALLOW": "all"}).out == b"elsewhere"
    box.run("get", here, "--name", "away", env={"SKEP_ALLOW": "shm:"}, expect=3)


def test_evict_all(box):
    for uri in stores(box):
        for i in range(5):
            box.put(uri, b"x" * 1000, *(["--name", "n"] if i == 0 else []))
        assert "5 objects and 1 names evicted, 4.9 KiB" in box.run("evict", "--all", uri).line
        assert box.run("ls", uri, expect=0 if uri.startswith("file") else 1).out == b""
        if uri.startswith("file"): # its directory stays; a node store goes with its last object
            assert box.run("evict", "--all", "--json", uri).record == {
                "record": "evict_all", "uri": uri, "objects": 0, "size_bytes": 0, "names": 0, "left": 0}
    for uri in stores(box):
        result = box.run("evict", "--all", uri, "--json", expect=1)
        assert result.record["code"] == "SKEP_ENOENT" and uri in result.err, result.err
    handle = box.put(uri, b"x")
    assert uri in box.run("evict", "--all", box.shm(), uri, expect=1).text, "what follows is evicted all the same"
    box.run("exists", handle, expect=1)
    assert "--all means everything" in box.run("evict", "--all", box.shm(), "--name", "x", expect=2).err


def test_evict_all_leaves_files_of_others(box):
    uri = box.file()
    handle = box.put(uri, b"x")
    own = os.path.join(uri[7:], "thesis.txt")
    with open(own, "wb") as f:
        f.write(b"ten years")
    assert "1 under keys that are not skep's own are left" in box.run("evict", "--all", uri).text
    assert os.path.exists(own)
    box.run("exists", handle, expect=1)
    assert box.run("evict", "--all", "--json", uri).record["left"] == 1
    assert "--foreign goes with --all" in box.run("evict", "--foreign", handle, expect=2).err
    assert box.run("evict", "--all", "--foreign", "--json", uri).record["objects"] == 1
    assert not os.path.exists(own)


def test_gc(box):
    for uri in stores(box):
        handle = box.put(uri, b"x")
        assert box.run("gc", "--dry-run", uri).line == "nothing was left behind"
        assert box.run("gc", uri).line == "nothing was left behind"
        assert box.run("gc", "--json", uri).out == b""
        box.run("exists", handle)
    box.run("gc", "shm://no-such-store-of-anybody", expect=1)
    assert "not a store" in box.run("gc", "campaign", expect=2).err


def test_gc_of_what_a_killed_program_left(box):
    box.private_shm()
    uri = box.shm()
    keeper = subprocess.Popen([COMMAND, "bench", "connector", uri + "?lifetime=session", "--sizes", "64", "--seconds", "1000"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=box.env)
    try:
        assert box.wait_for(lambda: box.run("ls", "--json").records)
    finally:
        keeper.kill()
        keeper.wait()
        box.folders += glob.glob(box.env["SKEP_SHM_DIR"] + ".bench-*") # of the raw road: it lies outside the stores
    for _ in range(2): # looking changes nothing
        record = box.run("gc", "--dry-run", "--json").record
        assert record["record"] == "garbage" and record["removed"] is False
        assert record["what"] == "store of programs that ended" and record["path"].endswith("/" + uri[6:])
        assert box.run("gc", "--dry-run", "--json", uri).record == record
    assert "would be freed" in box.run("gc", "--dry-run").text
    assert "store of programs that ended" in box.run("gc").text
    assert box.run("gc").line == "nothing was left behind"
    box.run("gc", uri, expect=1)


def test_connectors(box):
    text = box.run("connectors").text
    records = {r["scheme"]: r for r in box.run("connectors", "--json").records}
    for scheme in ("memory", "file", "shm", "fault"):
        assert records[scheme]["available"] is True and records[scheme]["missing"] is None
        line = [line for line in text.splitlines() if line.startswith(scheme + " ")][0]
        assert line.index(records[scheme]["help"]) == text.index("WHAT") and line.index("available") == text.index("STATE"), text
        assert records[scheme]["help"] in text
    assert "shared" in records["shm"]["capabilities"] and "durable" in records["file"]["capabilities"]
    assert records["memory"]["capabilities"] == [c for c in records["memory"]["capabilities"] if c not in ("shared", "durable")]
    for record in records.values():
        assert record["available"] or record["missing"]


def test_info_of_a_scheme(box):
    for scheme in ("memory", "file", "shm"):
        text = box.run("info", scheme).text
        assert f"{scheme}://" in text and f"SKEP_{scheme.upper()}_CACHE" in text and "tuning" in text
        records = box.run("info", "--json", scheme).records
        assert records[0]["record"] == "connector" and records[0]["scheme"] == scheme
        cache = [r for r in records if r.get("name") == "cache"][0]
        assert cache["record"] == "option" and cache["type"] == "size" and cache["class"] == "tuning"
        assert cache["environment"] == f"SKEP_{scheme.upper()}_CACHE" and cache["help"]
    result = box.run("info", "shn", expect=1)
    assert "did you mean shm?" in result.err
    assert "shm" in box.run("info", "fault+shn", expect=1).err


def test_info_of_a_scheme_in_front_of_another(box):
    alone = box.run("info", "fault").text
    assert box.run("info", "fault+shm").text == alone + "\n" + box.run("info", "shm").text
    assert box.run("info", "fault+shm", "--json").text == box.run("info", "fault", "--json").text + box.run("info", "shm", "--json").text
    for scheme, text in (("shm+fault", "shm stands last"), ("fault+fault", "fault stands in front of another")):
        result = box.run("info", scheme, expect=2)
        assert result.out == b"" and text in result.err, result.err


def test_info_of_what_is_no_store(box):
    for word, text in (("local", "engine"), ("local:", "engine"), ("local:?workers=2", "engine"), ("ipc", "road to a task server"),
                       ("tcp://127.0.0.1:1", "road to a task server")):
        result = box.run("info", word, "--json", expect=8)
        assert result.record["code"] == "SKEP_ENOTSUP" and text in result.err and "skep connectors" in result.err, result.err


def test_environment_of_an_option(box):
    uri = box.shm()
    assert "x=t1." in box.run("put", uri, "-", data=b"x", env={"SKEP_SHM_CHECKSUM": "on"}).line
    assert "x=t1." not in box.run("put", uri, "-", data=b"x", env={"SKEP_SHM_CHECKSUM": "off"}).line
    assert "SKEP_SHM_CHECKSUM" in box.run("put", uri, "-", data=b"x", env={"SKEP_SHM_CHECKSUM": "maybe"}, expect=2).err


def test_info_of_a_store(box):
    for uri in stores(box):
        box.put(uri, b"x" * 3000, "--name", "n")
        text = box.run("info", uri).text
        assert f"store      {uri}\n" in text and "objects    1\n" in text and "2.9 KiB (3000 bytes)" in text
        record = box.run("info", "--json", uri).record
        assert record["record"] == "store" and record["uri"] == uri and "cache=" in record["describe"]
        assert (record["objects"], record["size_bytes"], record["names"]) == (1, 3000, 1)
    box.run("info", "shm://no-such-store-of-anybody", expect=1)


def test_reading_makes_no_store(box):
    uri = box.file()
    for words in (["ls", uri], ["info", uri], ["gc", uri], ["name", uri], ["get", uri, "--name", "x"]):
        box.run(*words, expect=1)
    assert not os.path.exists(uri[len("file://"):])


run_all(globals())
