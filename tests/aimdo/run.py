"""Runs the tests of this folder, each part in a process of its own, and adds the results up:

  - without PyTorch, once per order in which the simulator does queued work: `late` shows where a wait is missing;
  - with PyTorch, once per allocator that ComfyUI uses, since PyTorch reads it once.

    PYTHONPATH=<site-packages with comfy_aimdo> tests/simcuda/vramspan-sim --machine 2gb+1gb \\
        python tests/aimdo/run.py [--every-order] [pytest's arguments]

The last line is "N passed, N failed"; the exit status is 0 where nothing failed and something passed.
"""

import collections
import os
import pathlib
import re
import subprocess
import sys

PARTS = (("none", "late"), ("native", "early"), ("cudaMallocAsync", "early"))
MORE_PARTS = (("none", "early"), ("none", "random"), ("native", "late"), ("cudaMallocAsync", "late"))


def run(allocator: str, order: str, arguments: list[str]) -> collections.Counter:
    folder = pathlib.Path(__file__).parent
    command = [sys.executable, "-m", "pytest", str(folder), "-q", "-p", "no:cacheprovider", "--allocator", allocator]
    print(f"tests/aimdo, allocator {allocator}, order {order}", flush=True)
    child = subprocess.Popen(command + arguments, stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "SIMCUDA_ORDER": order, "SIMCUDA_SEED": "7"})
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
    arguments = sys.argv[1:]
    parts = PARTS
    if "--every-order" in arguments:
        arguments.remove("--every-order")
        parts += MORE_PARTS
    total: collections.Counter = collections.Counter()
    for allocator, order in parts:
        total += run(allocator, order, arguments)
    print(f"{total['passed']} passed, {total['failed']} failed")
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
