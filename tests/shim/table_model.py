"""Writes a model file with all tensors of a table of examples/models, in fp16: names and sizes are the real model's, the
bytes are a hole in the file.

    python3 table_model.py TABLE FILE
"""

import json
import math
import pathlib
import struct
import sys


def tensors(entries: list, prefix: str = ""):
    """(name, shape) in the order of definition, repeated modules written out."""
    for entry in entries:
        name = prefix + entry["name"]
        if "repeat" in entry:
            first = entry.get("first", 0)
            for number in range(first, first + entry["repeat"]):
                yield from tensors(entry["modules"], f"{name}.{number}.")
        else:
            yield from ((f"{name}.{tensor}", shape) for tensor, shape in entry["tensors"])


def main(table_path: str, path: str) -> None:
    table = json.loads(pathlib.Path(table_path).read_text())
    named = list(tensors(table["modules"]))
    largest = max((shape for _, shape in named), key=math.prod)
    named += [(name, largest) for name in table.get("unused", [])]  # second names of the table of tokens
    header, offset = {}, 0
    for name, shape in named:
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)


if __name__ == "__main__":
    main(*sys.argv[1:])
