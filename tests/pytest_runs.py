"""Runs of pytest, each in a process of its own, whose results are added up: PyTorch reads its allocator only once, and a
process that dies must not end the others."""

import collections
import os
import re
import subprocess
import sys


def run(title: str, arguments: list[str], variables: dict[str, str]) -> collections.Counter:
    """One run, with its output passed through; how many tests passed, failed and were skipped."""
    command = [sys.executable, "-m", "pytest", *arguments, "-q", "-p", "no:cacheprovider"]
    print(title, flush=True)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | variables)
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
        print(f"{title}: pytest ended with status {status}")
    return counts


def report(total: collections.Counter) -> int:
    """Prints "N passed, N failed[, N skipped]"; the exit status, 0 where nothing failed and something passed."""
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 0 if total["passed"] and not total["failed"] else 1
