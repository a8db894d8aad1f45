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
import os
import pathlib
import re
import subprocess
import sys

ALL_PARTS = ",".join(f"{allocator}:{order}" for allocator in ("none", "native", "cudaMallocAsync")
                     for order in ("early", "late", "random"))


def run(allocator: str, order: str, arguments: list[str]) -> collections.Counter:
    folder = pathlib.Path(__file__).parent
    command = [sys.executable, "-m", "pytest", str(folder), "-q", "-p", "no:cacheprovider", "--allocator", allocator]
    print(f"tests/aimdo, allocator {allocator}, order {order}", flush=True)
    child = subprocess.Popen(command + arguments, stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "SIMCUDA_ORDER": order})
    last = ""
    for line in child.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        last = line if line.strip() else last
    status = child.wait()
    counts = collections.Counter({word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)})
    counts["failed"] += counts.pop("error", 0)
    if status and not counts["failed"]:
        counts["failed"] += 1  # the process died, or ran nothing: pytest could not say so itself
        print(f"tests/aimdo: pytest ended with status {status}")
    return counts


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", default=ALL_PARTS)
    options, arguments = parser.parse_known_args()
    total: collections.Counter = collections.Counter()
    for part in options.parts.split(","):
        total += run(*part.split(":"), arguments)
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
