"""Prints, as JSON, the XXH3-64 (a hexadecimal string) of each tensor's bytes in a safetensors file.

    python hash_checkpoint.py FILE [PREFIX]     only tensors whose names begin with PREFIX

A program of its own, because a library that watches a process's model files shall not see these reads.
"""

import json
import os
import struct
import subprocess
import sys

import xxhash


def hashes_of(path: str, prefix: str = "") -> dict[str, str]:
    with open(path, "rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_bytes))
        hashes = {}
        for name, entry in header.items():
            if name == "__metadata__" or not name.startswith(prefix):
                continue
            begin, end = entry["data_offsets"]
            file.seek(8 + header_bytes + begin)
            hashes[name] = xxhash.xxh3_64_hexdigest(file.read(end - begin))
    return hashes


def hashes_by_child(path: str, prefix: str = "") -> dict[str, str]:
    """The same, read by a child process with nothing preloaded."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    command = [sys.executable, __file__, path, prefix]
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    json.dump(hashes_of(*sys.argv[1:]), sys.stdout, indent=0)
