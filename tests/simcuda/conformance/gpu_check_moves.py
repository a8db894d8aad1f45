"""A gigabyte of weights that changes its home while kernels read it, for gpu_check.py: tests/shim/control/rehoming.c over
the test build of the library, which is preloaded."""
import os
import re
import subprocess

SECONDS = 300


def moves(program, control, folders, mebibytes):
    """What was seen, a dictionary each: a claim, and whether it holds."""
    environment = dict(os.environ, LD_LIBRARY_PATH=":".join(filter(None, folders)), LD_PRELOAD=control, VRAMSPAN_LOG="warn",
                       VRAMSPAN_POLICY="chosen-by-the-program")
    try:
        done = subprocess.run([program, str(mebibytes)], env=environment, capture_output=True, text=True, timeout=SECONDS)
        output, ended = done.stdout, f"status {done.returncode}"
    except subprocess.TimeoutExpired as expired:
        output, ended = (expired.stdout or b"").decode(errors="replace"), f"no end within {SECONDS} s"
    found = [{"claim": claim, "holds": not word} for word, claim in re.findall(r"^(not )?ok \d+ - (.*)$", output, re.M)]
    if not found or ended != "status 0" and all(one["holds"] for one in found):
        found.append({"claim": f"the program that moves weights ends well ({ended})", "holds": False})
    return found
