"""Runs the tests of this folder once per allocator, each in a process of its own, and adds the results up. Those of
kernels/ are left out: what kernels compute does not depend on the allocator.

    tests/simcuda/vramspan-sim --machine 2x24gb python tests/torch/run.py [--wander] [allocator...]

The last line is "N passed, N failed[, N skipped]"; the exit status is 0 where nothing failed and something passed.
"""

import collections
import importlib.metadata
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import pytest_runs  # noqa: E402

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


def main() -> int:
    total: collections.Counter = collections.Counter()
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    allocators = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    for allocator in allocators or ALLOCATORS:
        for selection, variables in parts():
            total += pytest_runs.run(f"tests/torch with the allocator {allocator}",
                                     [*selection, "--allocator", allocator, *options], variables)
    return pytest_runs.report(total)


if __name__ == "__main__":
    sys.exit(main())
