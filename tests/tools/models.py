"""Model files for tests of the command: safetensors whose data is a hole, so that 20 GB take a few pages."""
import json
import math
import struct

from tool import ROOT

GOLDEN = ROOT / "tests/policy/golden"
BYTES = {"float16": ("F16", 2), "bfloat16": ("BF16", 2), "float32": ("F32", 4)}


def write_safetensors(path, tensors):
    """`tensors`: (name, shape, type as safetensors writes it, bytes of an element)."""
    header, offset = {}, 0
    for name, shape, dtype, element in tensors:
        end = offset + math.prod(shape) * element
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)
    return path


def golden_tensors(model, folder=GOLDEN):
    """The tensors of a model of DisTorch2's golden cases."""
    for module in json.loads((folder / f"models/{model}.json").read_text())["modules"]:
        for name, shape, dtype, _ in module["tensors"]:
            yield f"{module['name']}.{name}", shape, *BYTES[dtype]


def table_modules(model):
    """The modules of a table in examples/models, repeated ones written out."""
    def walk(modules, prefix):
        for module in modules:
            for number in range(module.get("repeat", 1)):
                if "modules" in module:
                    inner = f"{prefix}{module['name']}.{number}." if "repeat" in module else f"{prefix}{module['name']}."
                    yield from walk(module["modules"], inner)
                else:
                    yield module | {"name": prefix + module["name"]}
    return list(walk(json.loads((ROOT / f"examples/models/{model}.json").read_text())["modules"], ""))
