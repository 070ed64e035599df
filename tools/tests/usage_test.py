"""Help, typos and exit statuses of the skep command."""
import json
import os
import subprocess

from harness import COMMAND, run_all

COMMANDS = "put get info ls exists evict name gc connectors bench help".split()
ABSENT = "#k=00000000-0000-4000-8000-000000000000&n=1"


def says(result, *words):
    for word in words:
        assert word in result.err, f"{word!r} is not in {result.err!r}"


def test_help_lists_every_command(box):
    text = box.run("--help").text
    for command in COMMANDS:
        assert f"\n  {command} " in text, command
    assert "Exit status:" in text and "SKEP_ALLOW" in text and "Examples:" in text
    assert box.run("help").text == text == box.run("-h").text


def test_help_of_every_command(box):
    for command in COMMANDS:
        text = box.run(command, "--help").text
        assert text and text == box.run("help", command).text, command
        if command != "bench":
            assert text.startswith(f"skep {command} - ") and "Examples:" in text, text
            assert ("--json" in text) == ("--timeout" in text) == (command != "help"), text
        assert all(len(line) <= 100 for line in text.splitlines()), command


def test_no_command(box):
    result = box.run(expect=2)
    assert result.out == b"" and "Usage: skep COMMAND" in result.err


def test_version(box):
    assert box.run("--version").line.startswith("skep ")
    assert box.run("--version").text == box.run("-V").text


def test_mistyped_commands(box):
    says(box.run("putt", expect=2), 'unknown command "putt"', "did you mean skep put?")
    says(box.run("conectors", expect=2), "did you mean skep connectors?")
    says(box.run("ecivt", expect=2), "did you mean skep evict?")
    says(box.run("help", "evcit", expect=2), "did you mean skep evict?")
    assert "did you mean" not in box.run("frobnicate", expect=2).err
    says(box.run("--jsn", "ls", expect=2), "--jsn", "skep COMMAND --jsn", "skep --help")


def test_mistyped_options(box):
    says(box.run("put", "--cheksum", "a", "b", expect=2), "unknown option --cheksum; did you mean --checksum?",
         "Try: skep put --help")
    says(box.run("get", "-Z", expect=2), "unknown option -Z")
    says(box.run("get", "-o", expect=2), "--output needs its FILE")
    says(box.run("ls", "--json=1", expect=2), "--json takes no value")
    says(box.run("put", "--size", "many", "a", "b", expect=2), '--size: "many" is not a size')
    says(box.run("ls", "--timeout", "soon", expect=2), '--timeout: "soon" is not a time')


def test_option_forms(box):
    path = box.path("out")
    handle = box.put(box.shm(), b"0123456789")
    for form in (["-o", path], ["-o" + path], ["--output", path], ["--output=" + path], ["-fo", path], ["-qfo" + path]):
        box.run("get", *form, handle)
        assert open(path, "rb").read() == b"0123456789", form
        os.unlink(path)
    box.run("get", handle, "-o", path, "--")
    says(box.run("get", "--", handle, "-o", expect=2), "one argument too many")


def test_counts_of_arguments(box):
    says(box.run("put", "shm://x", expect=2), "too few arguments: wanted is URI FILE|-")
    says(box.run("put", "shm://x", "a", "b", expect=2), "one argument too many: b")
    says(box.run("get", expect=2), "too few")
    says(box.run("connectors", "shm", expect=2), "one argument too many: shm")


def test_bad_uris(box):
    file = box.path("f", b"x")
    says(box.run("put", "campaign", file, expect=2), "campaign is not a store", "shm://campaign")
    says(box.run("put", file, "shm://x", expect=2), "the store comes first: skep put shm://x")
    says(box.run("put", "shn://x", file, expect=8), "shn", "did you mean shm://?")
    says(box.run("put", "shm://x?cahce=1", file, expect=2), "cahce")
    says(box.run("put", "shm://x?cache=lots", file, expect=2), "cache", "lots")
    says(box.run("put", "shm://x#k=1", file, expect=2), "is a handle; wanted is a store")
    says(box.run("put", "memory://x", file, expect=2), "end with the process", "shm://")
    says(box.run("ls", "shm://no-such-store-of-anybody", expect=1), "no-such-store-of-anybody")


def test_bad_handles(box):
    says(box.run("get", "shm://x", expect=2), "shm://x is a store", "--name", "--key")
    says(box.run("get", "x", expect=2), "x is not a handle")
    says(box.run("get", "shm://x#", expect=2), "not a handle")
    says(box.run("get", "shm://x#k=../../etc/passwd", expect=2), "not a handle")
    says(box.run("get", "shm://x#k=1&n=-1", expect=2), "not a handle")
    says(box.run("get", f"shm://x{ABSENT}&Q=1", expect=8), "Q")
    says(box.run("get", f"shm://x{ABSENT}", "--name", "n", expect=2), "--name goes with a store's URI")
    says(box.run("get", "shm://x", "--name", "n", "--key", "k", expect=2), "only one of --name and --key")
    says(box.run("get", "-", expect=1), "no handle in it")
    says(box.run("get", "-", data=b"x" * 5000, expect=2), "longer than any handle")
    says(box.run("get", f"shm://no-such-store-of-anybody{ABSENT}", expect=1), "no-such-store-of-anybody")


def test_policy(box):
    uri = box.file()
    handle = box.put(uri, b"data")
    assert box.run("get", handle).out == b"data"
    says(box.run("get", handle, env={"SKEP_ALLOW": "shm:"}, expect=3), "SKEP_ALLOW")
    assert box.run("get", handle, env={"SKEP_ALLOW": uri}).out == b"data"
    says(box.run("get", handle, env={"SKEP_ALLOW": "no such word"}, expect=2), "SKEP_ALLOW")


def test_errors_as_records(box):
    record = box.run("get", "--json", "-o", box.path("out"), "shm://x", expect=2).record
    assert record["record"] == "error" and record["command"] == "get" and record["code"] == "SKEP_EINVAL"
    assert record["exit"] == 2 and "shm://x is a store" in record["text"]
    assert box.run("ls", "--json", "shm://no-such-store-of-anybody", expect=1).record["code"] == "SKEP_ENOENT"


def test_errors_of_the_command_line_as_records(box):
    for words, text in ((["putt", "--json"], 'unknown command "putt"; did you mean skep put?'),
                        (["--json", "putt"], 'unknown command "putt"; did you mean skep put?'),
                        (["put", "--jsn", "--json", "x", "y"], "unknown option --jsn; did you mean --json?"),
                        (["put", "--jsn", "-j", "x", "y"], "unknown option --jsn; did you mean --json?"),
                        (["--json", "--timeout", "5s", "ls"], "unknown option --timeout; the options of a command"),
                        (["help", "--json"], "unknown option --json"),
                        (["bench", "--json"], "no benchmark '--json'"),
                        (["--json", "bench", "connector"], "no URI given")):
        result = box.run(*words, expect=2)
        assert result.record["record"] == "error" and result.record["exit"] == 2 and text in result.record["text"], result.record
        assert result.record["code"] == "SKEP_EINVAL" and text in result.err
    for words in (["putt"], ["put", "--jsn", "x", "y"], ["put", "--jsn", "--", "--json"]):
        assert box.run(*words, expect=2).out == b"", words


def test_json_in_front_of_the_command(box):
    assert box.run("--json", "connectors").text == box.run("-j", "connectors").text == box.run("connectors", "--json").text
    words = ["connector", "memory://a", "--ops", "put", "--sizes", "64", "--count", "1"]
    assert [r["record"] for r in box.run("--json", "bench", *words).records] == ["environment", "result"]


def test_control_characters_are_not_obeyed(box):
    result = box.run("get", "\033[31mred\a", expect=2)
    assert "\033" not in result.err and "\\x1b[31mred\\x07" in result.err


def test_output_that_can_not_be_written(box):
    with open("/dev/full", "wb") as full:
        for words in (["connectors"], ["connectors", "--json"], ["info", "memory", "--json"], ["help"], ["bench", "--help"]):
            says(box.run(*words, stdout=full, expect=4), "standard output: No space left")
    # standard descriptors that are closed do not become something else
    done = subprocess.run(["sh", "-c", '"$0" connectors >&- 2>&-', COMMAND], env=box.env, timeout=60)
    assert done.returncode in (0, 6), done.returncode


def test_markdown_is_the_manual(box):
    text = box.run("help", "--markdown").text
    for command in COMMANDS:
        assert f"\n## skep {command}\n" in text, command
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (3, 4), line
    manual = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/command.md")
    assert open(manual).read() == text, "make it again: skep help --markdown > docs/command.md"


def test_json_of_connectors_parses(box):
    for record in box.run("connectors", "--json").records:
        assert record["record"] == "connector" and json.dumps(record)


run_all(globals())
