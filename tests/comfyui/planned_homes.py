"""Where SD 1.5's weights should be, computed from the table of its modules: what the tests compare the library with.

`distorch` is the rule of ComfyUI-MultiGPU's DisTorch2 as it is used there; `kinds` and `distance_from_line` are what the
order `spread` promises (policy/plan/plan.h), not how it is reached.
"""

import itertools
import json
import math
import pathlib

TABLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "models" / "sd15_unet.json"
ELEMENT_BYTES = 2  # fp16
SMALL_BYTES = 64 << 10


def modules() -> list[dict]:
    """The table's modules in the order of their definition, repeated ones written out; each with its `bytes`."""

    def expand(entry: dict, prefix: str):
        name = prefix + entry["name"]
        if "repeat" not in entry:
            yield entry | {"name": name, "bytes": sum(bytes_of(shape) for _, shape in entry["tensors"])}
            return
        first = entry.get("first", 0)
        for number in range(first, first + entry["repeat"]):
            for inner in entry["modules"]:
                yield from expand(inner, f"{name}.{number}.")

    table = json.loads(TABLE.read_text())
    return list(itertools.chain.from_iterable(expand(entry, "") for entry in table["modules"]))


def bytes_of(shape: list[int]) -> int:
    return ELEMENT_BYTES * math.prod(shape)


def tensor_bytes(table: list[dict]) -> dict[str, int]:
    """In the order of execution."""
    return {f"{module['name']}.{name}": bytes_of(shape) for module in table for name, shape in module["tensors"]}


def distorch(table: list[dict], shares: list, total_bytes: dict[str, int], compute: str) -> dict[str, str]:
    """DisTorch2's home for each tensor. `shares` are (device, bytes) as written, None for `*`."""
    model_bytes = left = sum(module["bytes"] for module in table)
    asked = {}
    for device, wanted in shares:
        asked[device] = 0 if wanted is None else min(wanted, left)
        left -= asked[device]
    for device, wanted in shares:
        asked[device] += left if wanted is None else 0
    # It writes bytes as fractions of each device's memory with four decimals, and reads those again.
    quota = {device: round(count / total_bytes[device], 4) * total_bytes[device] for device, count in asked.items()}
    order = sorted(quota, key=lambda device: (device == "cpu", device))
    homes = {}
    for module in reversed(table):
        home = compute
        if module["bytes"] >= 0.0001 * model_bytes and module["has_bias_attr"]:
            home = next((device for device in order if quota[device] >= module["bytes"]), None)
            if home:
                quota[home] -= module["bytes"]
            home = home or compute
        homes |= {f"{module['name']}.{name}": home for name, _ in module["tensors"]}
    return homes


def of_the_example() -> dict[str, str]:
    """What examples/sd15-three-devices.yaml says on the simulated machine 2x24gb, whose host has 64 GB."""
    shares = [("cuda:0", 600 << 20), ("cuda:1", 500 << 20), ("cpu", None)]
    return distorch(modules(), shares, {"cuda:0": 24 << 30, "cuda:1": 24 << 30, "cpu": 64 << 30}, "cuda:0")


def as_placed(homes: dict[str, str]) -> dict[str, str]:
    """What has fewer than 64 KiB stays on the compute device, wherever it was planned: a page would be wasted on it."""
    sizes = tensor_bytes(modules())
    return {name: home if sizes[name] >= 64 << 10 else "cuda:0" for name, home in homes.items()}


def bytes_at(homes: dict[str, str]) -> dict[str, int]:
    """Per place, as the simulated CUDA names them."""
    at: dict[str, int] = {}
    for name, size in tensor_bytes(modules()).items():
        place = homes[name].replace("cpu", "host")
        at[place] = at.get(place, 0) + size
    return at


def kinds(table: list[dict]) -> tuple[list[str], list[str]]:
    """The tensors that are free to leave: those of modules with less than 1 % of the model's mean operations per byte,
    which leave first, and the others. In the order of execution."""
    operations = {
        module["name"]: sum(2 * math.prod(shape) * module["rows"] for _, shape in module["tensors"] if len(shape) > 1)
        for module in table
    }
    mean = sum(operations.values()) / sum(module["bytes"] for module in table)
    rare, common = [], []
    for module in table:
        is_rare = operations[module["name"]] < 0.01 * mean * module["bytes"]
        for name, shape in module["tensors"]:
            if bytes_of(shape) >= SMALL_BYTES:
                (rare if is_rare else common).append(f"{module['name']}.{name}")
    return rare, common


def distance_from_line(names: list[str], sizes: dict[str, int], gone: set[str]) -> float:
    """The most that the bytes that have left are away from the straight line, over all prefixes of `names`."""
    all_bytes, gone_bytes = sum(sizes[name] for name in names), sum(sizes[name] for name in gone)
    passed = left = 0
    worst = 0.0
    for name in names:
        passed += sizes[name]
        left += sizes[name] if name in gone else 0
        worst = max(worst, abs(left - gone_bytes * passed / all_bytes))
    return worst
