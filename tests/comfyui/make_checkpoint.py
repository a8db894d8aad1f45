"""Makes an SD 1.5 checkpoint: the real architecture's names and shapes, 1130 tensors, fp16, 2.13 GB, patterned bytes.

    python make_checkpoint.py [PATH]        (default: the cache's models/v1-5-patterned.safetensors)

Nothing is learned in it; it exists so that every byte can be recognised. The bytes of a tensor follow from its name
alone, so the file is the same on every machine, and a test can make one tensor's bytes again without the file. No two
tensors are equal, and no two pages within one are (the pattern's period is a prime number of elements). All values
are finite and of the size that a real model has: weights around 1/sqrt(fan-in), norms around 1, so that a network
computed with them neither overflows nor dies out.

Layout as the safetensors library writes it: sorted by dtype, then name. The file appears under its name only when it
is complete; one that is complete already is left alone.
"""

import argparse
import fcntl
import json
import math
import pathlib
import struct
import sys
import time
import zlib

import numpy

import comfy_home

LIST_FILE = pathlib.Path(__file__).with_name("sd15_tensors.json")
DEFAULT_NAME = "v1-5-patterned.safetensors"
PATTERN_VERSION = "1"  # in the file's metadata: another pattern makes another file
PERIOD = 8388593  # elements; the largest prime below 2**23
SIGN_AND_MANTISSA = 0x83FF
MANTISSA = 0x03FF
EXPONENT_OF_ONE = 15  # fp16's bias

_base = None


def tensor_list() -> dict[str, list[int]]:
    """Names and shapes, sorted by name."""
    return json.loads(LIST_FILE.read_text())


def _random_bits() -> numpy.ndarray:
    """Twice the period of random sign and mantissa bits, so that any rotation of the period is one slice."""
    global _base
    if _base is None:
        raw = numpy.random.PCG64(20240229).random_raw(PERIOD // 4 + 1).view(numpy.uint16)[:PERIOD]
        _base = numpy.tile(raw & numpy.uint16(SIGN_AND_MANTISSA), 2)
    return _base


def exponent_of(name: str, shape: list[int]) -> int:
    """The biased fp16 exponent that all values of the tensor have."""
    if len(shape) == 1:
        return EXPONENT_OF_ONE - (1 if name.endswith("weight") else 6)
    fan_in = math.prod(shape[1:])
    return EXPONENT_OF_ONE + math.floor(-math.log2(fan_in) / 2 - math.log2(1.5))


def tensor_bytes(name: str, shape: list[int]) -> numpy.ndarray:
    """The tensor's values as fp16 bit patterns (uint16, flat)."""
    count = math.prod(shape)
    digest = zlib.crc32(name.encode()) | zlib.adler32(name.encode()) << 32
    start = digest % PERIOD
    positive = len(shape) == 1 and name.endswith("weight")
    mask = MANTISSA if positive else SIGN_AND_MANTISSA
    key = numpy.uint16((digest >> 23) & mask | exponent_of(name, shape) << 10)
    values = numpy.empty(count, dtype=numpy.uint16)
    for done in range(0, count, PERIOD):
        part = min(PERIOD, count - done)
        numpy.bitwise_xor(_random_bits()[start : start + part], key, out=values[done : done + part])
    if positive:
        values &= numpy.uint16(0x7FFF)
    return values


def file_header(tensors: dict[str, list[int]]) -> bytes:
    """The header with its length, padded to eight bytes with spaces, as the format asks."""
    header: dict = {"__metadata__": {"format": "pt", "pattern": PATTERN_VERSION}}
    offset = 0
    for name, shape in tensors.items():
        end = offset + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def is_complete(path: pathlib.Path, header: bytes, file_bytes: int) -> bool:
    if not path.is_file() or path.stat().st_size != file_bytes:
        return False
    with path.open("rb") as file:
        return file.read(len(header)) == header


def make(path: pathlib.Path) -> bool:
    """Writes the checkpoint to `path`; False where a complete one is there. OSError when it cannot be written."""
    tensors = tensor_list()
    header = file_header(tensors)
    file_bytes = len(header) + sum(2 * math.prod(shape) for shape in tensors.values())
    if is_complete(path, header, file_bytes):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_complete(path, header, file_bytes):
            return False
        try:
            with partial.open("wb") as file:
                file.write(header)
                for name, shape in tensors.items():
                    file.write(tensor_bytes(name, shape).data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = comfy_home.cache_folder() / "models" / DEFAULT_NAME
    parser.add_argument("path", nargs="?", type=pathlib.Path, default=default, help=f"default: {default}")
    path = parser.parse_args().path
    began = time.monotonic()
    try:
        made = make(path)
    except OSError as error:
        print(
            f"make_checkpoint: cannot write {path}: {error.strerror}: 2.2 GB are wanted in a folder that you may "
            "write to; name another path, or set XDG_CACHE_HOME",
            file=sys.stderr,
        )
        return 1
    if made:
        print(f"{path}: made, {path.stat().st_size} bytes, {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
