"""Runs the tests of this folder once per allocator, each in a process of its own, and adds the results up. Those of
kernels/ are left out: what kernels compute does not depend on the allocator.

    tests/simcuda/vramspan-sim --machine 2x24gb python tests/torch/run.py [allocator...]

The last line is "N passed, N failed[, N skipped]"; the exit status is 0 where nothing failed and something passed.
"""

import collections
import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parent
ALLOCATORS = ("native", "cudaMallocAsync", "expandable_segments")


def parts() -> list[tuple[list[str], dict[str, str]]]:
    """What pytest is called with, and variables for it."""
    everything, graphs = str(FOLDER), str(FOLDER / "test_graphs.py")
    kernels = f"--ignore={FOLDER / 'kernels'}"
    if not importlib.metadata.version("torch").startswith("2.6."):
        return [([everything, kernels], {})]
    # Its CUDAGraph fills its seed in another stream than it was allocated in, without a wait (ATen/cuda/CUDAGraph.cpp).
    return [
        ([everything, kernels, f"--ignore={graphs}"], {}),
        ([graphs], {"SIMCUDA_WEAK": "pool_use_behind_allocation"}),
    ]


def run(allocator: str, selection: list[str], variables: dict[str, str]) -> collections.Counter:
    command = [sys.executable, "-m", "pytest", *selection, "-q", "-p", "no:cacheprovider", "--allocator", allocator]
    print(f"tests/torch with the allocator {allocator}", flush=True)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | variables)
    last = ""
    for line in child.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        last = line if line.strip() else last
    status = child.wait()
    counts = collections.Counter({word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)})
    counts["failed"] += counts.pop("error", 0)
    if status not in (0, 1) and not counts["failed"]:
        counts["failed"] += 1  # the process died: pytest could not say so itself
        print(f"tests/torch: pytest ended with status {status}")
    return counts


def main() -> int:
    total: collections.Counter = collections.Counter()
    for allocator in sys.argv[1:] or ALLOCATORS:
        for selection, variables in parts():
            total += run(allocator, selection, variables)
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
