"""Runs the tests of this folder, each part in a process of its own, and adds the results up. A part is an allocator and
the order in which the simulator does queued work:

  - the allocator is one that ComfyUI uses, which PyTorch reads once, or `none`: without PyTorch;
  - `late` shows where a wait is missing, `early` and `random` (by SIMCUDA_SEED) what counts on it.

    PYTHONPATH=<site-packages with comfy_aimdo> tests/simcuda/vramspan-sim --machine 2gb+1536mb \\
        python tests/aimdo/run.py [--parts none:late,native:early,...] [pytest's arguments]

The last line is "N passed, N failed[, N skipped]"; the exit status is 0 where nothing failed and something passed.
"""

import argparse
import collections
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import pytest_runs  # noqa: E402

ALL_PARTS = ",".join(f"{allocator}:{order}" for allocator in ("none", "native", "cudaMallocAsync")
                     for order in ("early", "late", "random"))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", default=ALL_PARTS)
    options, arguments = parser.parse_known_args()
    total: collections.Counter = collections.Counter()
    for part in options.parts.split(","):
        allocator, order = part.split(":")
        total += pytest_runs.run(f"tests/aimdo, allocator {allocator}, order {order}",
                                 [str(FOLDER), "--allocator", allocator, *arguments], {"SIMCUDA_ORDER": order})
    return pytest_runs.report(total)


if __name__ == "__main__":
    sys.exit(main())
