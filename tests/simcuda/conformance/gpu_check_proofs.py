"""Which memory proves itself on this machine: for gpu_check.py. The library is executed as it executes itself
(shim/proof_child.h): a process for each backing and place, which tells each step that it begins, and the outcome."""
import json
import os
import re
import subprocess
import sys

SECONDS = 90

# In a process of its own, since a driver may take the process with it.
DEVICES = """
import ctypes, json, re
cuda = ctypes.CDLL("libcuda.so.1")
cuda.cuInit(0)
count = ctypes.c_int(0)
cuda.cuDeviceGetCount(ctypes.byref(count))
uuids = []
for device in range(count.value):
    uuid = (ctypes.c_ubyte * 16)()
    cuda.cuDeviceGetUuid_v2(uuid, device)
    uuids.append("GPU-" + re.sub("^(.{8})(.{4})(.{4})(.{4})", r"\\1-\\2-\\3-\\4-", bytes(uuid).hex()))
with open("/proc/self/maps", encoding="utf-8") as maps:
    path = next(line.split(maxsplit=5)[5].strip() for line in maps if "libcuda.so" in line)
print(json.dumps({"uuids": uuids, "driver": path}))
"""


def loader():
    """The dynamic loader that this process runs on."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return next(re.search(r"(/\S*/ld-linux\S*|/\S*/ld-\d\S*)", line)[0] for line in maps if "/ld-" in line)


def prove(library, environment, driver, backing, place, compute, peer):
    """(the outcome, the step that it ended in, the detail)."""
    read, write = os.pipe()
    command = [loader(), library, "--prove", backing, place, compute, peer, driver]
    child = subprocess.Popen(["/bin/sh", "-c", f'exec "$@" 3>&{write}', "sh", *command], pass_fds=[write], env=environment,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    os.close(write)
    try:
        child.wait(SECONDS)
        ended = None
    except subprocess.TimeoutExpired:
        child.kill()
        ended = f"{SECONDS} s"
    with os.fdopen(read, "rb") as pipe:
        lines = pipe.read().decode(errors="replace").splitlines()
    steps = [line for line in lines if " " not in line and line not in ("works", "wrong", "full")]
    last = lines[-1] if lines else ""
    if ended or not lines or last in steps:
        return "hung" if ended else "died", steps[-1] if steps else "", ended or f"status {child.returncode}"
    outcome, _, detail = last.partition(" ")
    return outcome, steps[-1], detail


def proofs(library, folders):
    """All of them, a dictionary each; empty where the devices cannot be asked for."""
    environment = dict(os.environ, LD_LIBRARY_PATH=":".join(filter(None, folders)))
    asked = subprocess.run([sys.executable, "-c", DEVICES], env=environment, capture_output=True, text=True)
    if asked.returncode != 0:
        return []
    machine = json.loads(asked.stdout.splitlines()[-1])
    found = []
    for device, uuid in enumerate(machine["uuids"]):
        places = [("vmm", "local", None), ("vmm", "host", None), ("pinned", "host", None)]
        places += [("vmm", "peer", peer) for peer in range(len(machine["uuids"])) if peer != device]
        for backing, place, peer in places:
            outcome, step, detail = prove(library, environment, machine["driver"], backing, place, uuid,
                                          machine["uuids"][peer] if peer is not None else "")
            found.append({"backing": backing, "place": place, "device": device, "outcome": outcome, "step": step,
                          "detail": detail, **({"peer": peer} if peer is not None else {})})
    return found
