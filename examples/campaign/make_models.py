"""Writes two models with the safetensors package: one of all four formats, one with a tensor of integers."""
import json
import struct
import sys

import numpy
from safetensors.numpy import save_file

folder = sys.argv[1]
numbers = numpy.random.default_rng(5)


def tensor(*shape):
    return numbers.standard_normal(shape) * 0.05


def brain(values):
    """numpy has no bfloat16: the upper halves of floats."""
    return (values.astype("<f4").view("<u4") >> 16).astype("<u2")


save_file({"i": numpy.arange(6), "w": tensor(3, 5).astype("f4")}, folder + "/integers.safetensors")
parts = {
    "embed.weight": ("F16", tensor(500, 96).astype("<f2")),
    "block.0.weight": ("F32", tensor(96, 96).astype("<f4")),
    "block.0.bias": ("F32", tensor(96).astype("<f4")),
    "block.1.conv": ("BF16", brain(tensor(8, 3, 3, 16))),
    "head.weight": ("F64", tensor(10, 96).astype("<f8")),
    "head.scale": ("F64", tensor().reshape(()).astype("<f8")),
    "odd": ("BF16", brain(tensor(7))),
    "unaligned": ("F32", tensor(9, 11).astype("<f4")),
    "empty": ("F32", tensor(0, 4).astype("<f4")),
}
header, at = {}, 0
for name, (dtype, values) in parts.items():
    header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
    at += values.nbytes
text = json.dumps(header).encode()
with open(folder + "/four.safetensors", "wb") as out:
    out.write(struct.pack("<Q", len(text)) + text + b"".join(values.tobytes() for _, values in parts.values()))
