"""What skep makes of safetensors objects, against the format's own Python package, both ways.

usage: interop_safetensors.py PROGRAM

PROGRAM is tests/interop_safetensors.c. Three parts: both judge the same thousands of good and mutated objects and must agree;
what skep writes is byte for byte what the package writes; each reads the other's files in a file store.
SKEP_TEST_CASES sets how many objects are judged, SKEP_TEST_SEED which.
"""

import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

PROGRAM = sys.argv[1]
BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
NAMES = {
    "bool": "BOOL", "int8": "I8", "uint8": "U8", "int16": "I16", "uint16": "U16", "int32": "I32", "uint32": "U32",
    "int64": "I64", "uint64": "U64", "float16": "F16", "float32": "F32", "float64": "F64", "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2": "F8_E5M2",
    "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0", "float4_e2m1fn_x2": "F4", "complex64": "C64",
}  # fmt: skip

# Where skep refuses what the package takes, as header_read.c says, and why.
STRICTER = (
    (r"does not begin with '\{'$", "the format's text demands it"),
    (r"two tensors are named ", "the package drops one of them"),
    (r"__metadata__ has .* twice$", "the package drops one of them"),
    (r"the text that ends here has a NUL in it$", "no C string carries it"),
    (r"^tensor .*: an object expected, here is '\['$", "an accident of the package's parser"),
    (r": the name of a dtype expected, here is '\{'$", "an accident of the package's parser"),
)


def run(objects, *arguments):
    """What PROGRAM prints about objects, each sent behind its length."""
    data = b"".join(struct.pack("<I", len(o)) + o for o in objects)
    return subprocess.run([PROGRAM, *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def text(word):
    return bytes.fromhex(word[1:]).decode()


def parse_verdicts(output, objects):
    """One for each object: a refusal's text, or (tensors, metadata) as the package would give them."""
    lines = iter(output.decode().split("\n"))
    for data in objects:
        word, rest = next(lines).split(" ", 1)
        if word == "no":
            yield rest
            continue
        n, n_meta = map(int, rest.split())
        tensors, metadata = {}, {}
        for _ in range(n):
            name, dtype, offset, size, *shape = next(lines).split()
            begin = int(offset)
            tensors[text(name)] = (dtype, [int(d) for d in shape], data[begin : begin + int(size)])
        for _ in range(n_meta):
            key, value = next(lines).split()
            metadata[text(key)] = text(value)
        yield tensors, metadata


def reference(data):
    """The package's verdict. Its panics are refusals too."""
    try:
        return {n: (i["dtype"], i["shape"], bytes(i["data"])) for n, i in safetensors.deserialize(data)}
    except BaseException as error:  # pylint: disable=broad-except
        return str(error)


# ---- objects, good and bad -------------------------------------------------------------------------


def pack(header, data):
    return struct.pack("<Q", len(header)) + header + data


class Pairs(list):
    """An object of JSON whose names may come twice."""


def some_text(rng):
    alphabet = 'ab.01_/\\" \n\t\x01\x7f\u00e9\u4e2d\U0001f600'
    return "".join(rng.choice(alphabet) for _ in range(rng.choice((0, 1, 3, 3, 8))))


def some_shape(rng, bits):
    shape = [rng.choice((0, 1, 2, 3, 5)) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 6)))]
    while np.prod(shape, dtype=int) * bits % 8:
        shape.append(4)
    return shape


def some_tensors(rng):
    """Pairs of name and tensor as a header has them, in any order, and how many bytes they take."""
    tensors, end = [], 0
    names = {some_text(rng) + rng.choice(("", str(i))) for i in range(rng.choice((0, 1, 2, 3, 8)))}
    for name in sorted(names):
        dtype = rng.choice(list(BITS))
        shape = some_shape(rng, BITS[dtype])
        size = int(np.prod(shape, dtype=int)) * BITS[dtype] // 8
        tensor = Pairs([["dtype", dtype], ["shape", shape], ["data_offsets", [end, end + size]]])
        if rng.random() < 0.1:
            tensor.append([some_text(rng), rng.choice((None, 1.5e300, Pairs([["a", [True, -3]]]), "x"))])
        rng.shuffle(tensor)
        tensors.append([name, tensor])
        end += size
    rng.shuffle(tensors)
    return tensors, end


def dump(rng, value):
    space = rng.choice(("", "", "", " ", "\n", "\t\r"))
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{space}{dump(rng, k)}{space}:{dump(rng, v)}" for k, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(space + dump(rng, v) for v in value) + space + "]"
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


# What is false between or within tensors, in good JSON. Each takes the pairs of a header, at least one, and changes them.


def same_name(rng, tensors):
    tensors.append([tensors[0][0], Pairs(rng.choice(tensors)[1])])


def nul_in_name(rng, tensors):
    rng.choice(tensors)[0] += "\0"


def member(rng, tensors, name):
    for pair in rng.choice(tensors)[1]:
        if pair[0] == name:
            return pair
    return [name, [0, 0]]  # left out by another fault


def other_dtype(rng, tensors):
    pair = member(rng, tensors, "dtype")
    pair[1] = rng.choice((*BITS, "f32", "", 3, None, Pairs([["U8", None]])))


def dtype_as_object(rng, tensors):
    pair = member(rng, tensors, "dtype")
    pair[1] = Pairs([[pair[1], None]]) if isinstance(pair[1], str) else pair[1]


def other_shape(rng, tensors):
    shape = member(rng, tensors, "shape")[1]
    dims = (0, 1, 2, 8, 2**31, 2**61, 2**63, 2**64 - 1, 2**64, -1, 1.0, "1", None)
    if isinstance(shape, list):
        shape.insert(rng.randrange(len(shape) + 1), rng.choice(dims))


def other_offsets(rng, tensors):
    pair = member(rng, tensors, "data_offsets")
    if len(pair[1]) == 2 and all(isinstance(o, int) for o in pair[1]):
        begin, end = pair[1]
        by = rng.choice((-8, -1, 1, 8))
        pair[1] = rng.choice(([begin + by, end + by], [begin, end + by], [begin + by, end], [end, begin], [end, end],
                              [begin], [begin, end, end], [begin, 2**64 - 1], [str(begin), end]))  # fmt: skip


def swapped(rng, tensors):
    one, two = member(rng, tensors, "data_offsets"), member(rng, tensors, "data_offsets")
    one[1], two[1] = two[1], one[1]


def end_of(tensor):
    """Where its offsets say that it ends; 0 where they say nothing likely."""
    offsets = dict(tensor).get("data_offsets", [])
    return offsets[1] if len(offsets) == 2 and isinstance(offsets[1], int) and 0 < offsets[1] < 2**20 else 0


def part_of_a_byte(rng, tensors):
    """The last tensor, of elements that fill no whole byte, as its size might be rounded."""
    pair = max(tensors, key=lambda t: end_of(t[1]))
    begin = max(0, *(end_of(t[1]) for t in tensors if t is not pair)) if len(tensors) > 1 else 0
    bits, dtype = rng.choice(((4, "F4"), (6, "F6_E2M3")))
    n = rng.choice((1, 3, 5, 7))
    end = begin + (n * bits + rng.choice((0, 7))) // 8
    pair[1] = Pairs([["dtype", dtype], ["shape", [n]], ["data_offsets", [begin, end]]])


def left_out(rng, tensors):
    rng.choice(tensors)[1].pop()


def said_twice(rng, tensors):
    tensor = rng.choice(tensors)[1]
    tensor.append(list(rng.choice(tensor)) if tensor else ["shape", [1]])


def as_array(rng, tensors):
    pair = rng.choice(tensors)
    by_name = {name: value for name, value in pair[1]}
    pair[1] = [by_name.get(name) for name in ("dtype", "shape", "data_offsets")]


FAULTS = (
    same_name, nul_in_name, other_dtype, dtype_as_object, other_shape, other_shape, other_offsets, other_offsets, part_of_a_byte, swapped,
    left_out, said_twice,
)  # fmt: skip


def some_meta(rng):
    meta = [[some_text(rng), some_text(rng)] for _ in range(rng.choice((0, 1, 2, 3)))]
    if rng.random() < 0.1:
        return rng.choice((None, [], "", 1, Pairs([["a", 1]]), Pairs([["a", "\0"]]), Pairs([["a", None]])))
    return Pairs(meta)


def some_header(rng):
    """A header in good JSON, and how many bytes its tensors take; half of them have faults."""
    tensors, end = some_tensors(rng)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2)) if tensors else 0):
        rng.choice(FAULTS)(rng, tensors)
    if rng.random() < 0.8:
        end = max((end_of(tensor) for _, tensor in tensors), default=0)
    if tensors and rng.random() < 0.02:
        as_array(rng, tensors)
    header = Pairs(tensors)
    while rng.random() < 0.4:
        header.insert(rng.randrange(len(header) + 1), ["__metadata__", some_meta(rng)])
    return rng.choice(("",) * 50 + (" ",)) + dump(rng, header) + rng.choice(("", "", " ", " \n\t\r  ")), end


TOKENS = [
    t.encode("latin-1")
    for t in (
        *'{}[],:"\\ \n0123456789.-+eEtfn\x00\x01\x1f\x7f\x80\xc3\xed\xf4\xff', '"a"', "null", "true", "false", "[]", "{}",
        "1e9", "-0", "0.0", "1e400", "18446744073709551615", "18446744073709551616", "9223372036854775808", "4294967296",
        "\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\u00", "\\x", '"__metadata__":{}', '"__metadata__":null',
        '"dtype":"F4"', '"shape":[0]', '"data_offsets":[0,0]', '"U8"', '"F6_E2M3"', '"F4"', '"u8"', "/**/", "NaN",
        '"a":["U8",[1],[0,1]],', '{"U8":null}', "[" * 130, '{"a":' * 130,
    )
]  # fmt: skip


def mutate_bytes(rng, data):
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((0, 0, 1, 1, 2, 8)))
    return data[:at] + rng.choice((b"", rng.choice(TOKENS), bytes([rng.randrange(256)]))) + data[end:]


def mutate_number(rng, data):
    numbers = list(re.finditer(rb"[0-9]+", data))
    if not numbers:
        return data
    found = rng.choice(numbers)
    value = int(found.group()[:30])
    new = str(rng.choice((value + 1, value - 1, value * 2, 0, 2**63, 2**64 - 1, 2**64, 10**400, -value, value / 2)))
    return data[: found.start()] + new.encode() + data[found.end() :]


def mutate_word(rng, data):
    words = list(re.finditer(rb'"[^"\\]*"', data))
    if not words:
        return data
    found, other = rng.choice(words), rng.choice(words)
    new = rng.choice((other.group(), rng.choice(TOKENS), b'"%s"' % rng.choice(list(BITS)).encode()))
    return data[: found.start()] + new + data[found.end() :]


def mutate_text(rng, data):
    """Something put into a string, in which it may be wrong."""
    strings = list(re.finditer(rb'"(?!dtype|shape|data_offsets)[^"\\]*"', data))
    if not strings:
        return data
    at = rng.choice(strings).end() - 1
    insides = (
        rng.choice((b"\x00", b"\x01", b"\n", b"\x1f", b"\x7f")), bytes([rng.randrange(128, 256)]), b"\xc0\x80", b"\xe0\x80\x80",
        b"\xed\xa0\x80", b"\xef\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\\" + rng.randbytes(1),
        b"\\ud800", b"\\udc00", b"\\ud800\\u0041", b"\\udbff\\uDFFF", b"\\ud800\\ue000", b"\\ud800\\n", b"\\u00e9", b"\\u00G0",
    )  # fmt: skip
    return data[:at] + rng.choice(insides) + data[at:]


def mutate_member(rng, data):
    """Something between two commas said twice, or left out."""
    parts = data.split(b",")
    at = rng.randrange(len(parts))
    parts[at : at + 1] = rng.choice(([], [parts[at]] * 2, [parts[at], rng.choice(parts)]))
    return b",".join(parts)


def some_object(rng):
    header, size = some_header(rng)
    header = header.encode()
    for _ in range(rng.choice((0, 0, 0, 1, 2, 3))):
        mutate = rng.choice((mutate_bytes, mutate_number, mutate_text, mutate_word, mutate_member))
        header = mutate(rng, header)
    data = pack(header, rng.randbytes(max(0, size + rng.choice((0,) * 12 + (-1, 1, 8)))))
    if rng.random() < 0.03:
        data = struct.pack("<Q", rng.choice((0, 1, len(data), 100000000, 100000001, 2**63, 2**64 - 1))) + data[8:]
    if rng.random() < 0.02:
        data = data[: rng.randrange(len(data) + 1)]
    return data


# ---- the three parts -------------------------------------------------------------------------------


def names_twice(data):
    """Whether a tensor's name comes twice: skep may be the first to find fault with the one that the package drops."""
    twice = []

    def look(pairs):
        twice[:] = [len(pairs) != len(dict(pairs))]  # the outermost object comes last

    json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]], object_pairs_hook=look)
    return twice == [True]


def verdicts_agree():
    rng = random.Random(int(os.environ.get("SKEP_TEST_SEED", "1")))
    objects = [some_object(rng) for _ in range(int(os.environ.get("SKEP_TEST_CASES", "6000")))]
    count = {"both take": 0, "both refuse": 0, "stricter here": 0}
    unseen = {rule for rule, _ in STRICTER}
    for data, ours in zip(objects, parse_verdicts(run(objects, "judge"), objects)):
        theirs = reference(data)
        if isinstance(ours, str) and isinstance(theirs, str):
            count["both refuse"] += 1
        elif isinstance(ours, str):
            rules = [rule for rule, _ in STRICTER if re.search(rule, ours)]
            assert rules or names_twice(data), f"skep alone refuses {data!r}: {ours}"
            count["stricter here"] += 1
            unseen.difference_update(rules)
        else:
            assert not isinstance(theirs, str), f"skep alone takes {data!r}: {theirs}"
            assert ours[0] == theirs, f"{data!r}: {ours[0]} here, {theirs} there"
            size = 8 + struct.unpack("<Q", data[:8])[0]
            assert ours[1] == (json.loads(data[8:size]).get("__metadata__") or {}), f"{data!r}: metadata {ours[1]}"
            count["both take"] += 1
    print(", ".join(f"{n} {what}" for what, n in count.items()))
    assert not unseen, f"no object was refused by the rules {unseen}"
    least = len(objects) // 10
    assert count["both take"] > least and count["both refuse"] > least, "the objects are too much alike"


def spec(rng, keep):
    name = rng.choice(list(NAMES))
    shape = some_shape(rng, 8)
    if name == "float4_e2m1fn_x2":
        shape = shape or [1]  # two elements a byte
    size = int(np.prod(shape, dtype=int)) * (8 if NAMES[name] == "F4" else BITS[NAMES[name]]) // 8
    data = np.frombuffer(rng.randbytes(size), dtype=np.uint8)
    keep.append(data)
    return safetensors.TensorSpec(dtype=name, shape=shape, data_ptr=data.ctypes.data, data_len=size)


def writes_the_same(directory):
    rng, keep, wanted = random.Random(2), [], []
    for _ in range(200):
        tensors = {some_text(rng) + str(i): spec(rng, keep) for i in range(rng.choice((0, 1, 3, 30)))}
        meta = {some_text(rng): some_text(rng)} if rng.random() < 0.5 else None
        wanted.append(bytes(safetensors.serialize(tensors, meta)))
    keys = run(wanted, "put", f"file://{directory}").decode().split("\n")
    for data, line in zip(wanted, keys):
        with open(os.path.join(directory, line.split(" ")[1]), "rb") as file:
            assert file.read() == data, f"skep wrote {line} otherwise than {data!r}"
    print(f"{len(wanted)} objects written alike")


def files_are_shared(directory):
    tensors = {
        "weights": np.arange(600, dtype=np.float32).reshape(20, 30), "half": np.linspace(0, 1, 7, dtype=np.float16),
        "scalar": np.array(3.5), "none": np.zeros((0, 4), dtype=np.int8), "yes": np.array([True, False]),
    }  # fmt: skip
    path = os.path.join(directory, "their-model")
    save_file(tensors, path, metadata={"format": "np"})
    for name, array in tensors.items():
        assert run([], "tensor", f"file://{directory}", "their-model", name) == array.tobytes(), name
    with open(path, "rb") as file:
        data = file.read()
    key = run([data], "put", f"file://{directory}").decode().split()[1]
    loaded = load_file(os.path.join(directory, key))
    assert loaded.keys() == tensors.keys()
    for name, array in tensors.items():
        assert loaded[name].dtype == array.dtype and np.array_equal(loaded[name], array), name
    with safetensors.safe_open(os.path.join(directory, key), framework="np") as file:
        assert file.metadata() == {"format": "np"}
    print("files read both ways")


def main():
    print(f"safetensors {safetensors.__version__}, numpy {np.__version__}")
    verdicts_agree()
    with tempfile.TemporaryDirectory(prefix="skep-interop-") as directory:
        writes_the_same(directory)
        files_are_shared(directory)


main()
