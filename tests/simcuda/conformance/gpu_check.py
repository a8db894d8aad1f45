#!/usr/bin/env python3
"""Runs the conformance programs on this machine's GPU and writes a report: report.json and report.md.

Used by `make gpu-check`. The programs are linked against the simulated CUDA and find NVIDIA's libraries at run time:
the system's libcuda.so.1, and a libcudart of a toolkit or of a wheel (nvidia-cuda-runtime). Exits with 77 where the
machine has no GPU or no such library (make shows that as "Error 77" and itself ends with 2, as it always does), with 1
where a check failed. --on-simulated is for the tests of this program.
"""
import argparse
import glob
import json
import os
import subprocess
import sys

from gpu_check_moves import moves
from gpu_check_page import page
from gpu_check_proofs import proofs

PROGRAMS = {13: "conformance", 12: "conformance-12"}
DRIVER_FOLDERS = ["/usr/lib/wsl/lib", "/run/opengl-driver/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"]
CANNOT_RUN = 77

# Asked in a process of its own, since a driver may take the process with it.
PROBE = """
import ctypes, json, sys
cuda = ctypes.CDLL(sys.argv[1])
version, count = ctypes.c_int(0), ctypes.c_int(0)
cuda.cuDriverGetVersion(ctypes.byref(version))
started = cuda.cuInit(0)
cuda.cuDeviceGetCount(ctypes.byref(count))
print(json.dumps({"simulated": hasattr(cuda, "simcudaBytesUsed"), "version": version.value, "started": started,
                  "devices": count.value if started == 0 else 0}))
"""


def give_up(sentence):
    print(f"gpu-check: {sentence}", file=sys.stderr)
    sys.exit(CANNOT_RUN)


def probe(library, environment):
    """What the driver `library` says, or None where it cannot be loaded."""
    done = subprocess.run([sys.executable, "-c", PROBE, library], env=environment, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 and done.stdout else None


def find_driver(environment):
    """(what the driver says, the folder that must be searched for it or None)."""
    candidates = [("libcuda.so.1", None)] + [(f"{f}/libcuda.so.1", f) for f in DRIVER_FOLDERS]
    for library, folder in candidates:
        said = probe(library, environment)
        if said is not None:
            return said, folder
    return give_up("no libcuda.so.1 was found, so this machine has no NVIDIA driver: install the driver of your GPU "
                   "(on WSL: the one of Windows), and see that nvidia-smi lists the GPU")


def check_driver(said):
    if said["simulated"]:
        give_up("the libcuda.so.1 that is found is the simulated one: remove its folder from LD_LIBRARY_PATH")
    if said["started"] != 0 or said["devices"] == 0:
        give_up(f"NVIDIA's driver is there but offers no device (cuInit says {said['started']}): see that nvidia-smi "
                "lists a GPU, that CUDA_VISIBLE_DEVICES does not hide it, and that a container was given it")


def runtime_folders(environments):
    """Where a libcudart may lie: toolkits, Python environments, the loader's own list."""
    home = os.environ.get("CUDA_HOME")
    yield from [f"{home}/lib64", f"{home}/lib"] if home else []
    roots = environments + [os.environ.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX")] + [sys.prefix, "/usr"]
    for root in filter(None, roots):
        for wheel in ("cu13", "cuda_runtime"):
            yield from sorted(glob.glob(f"{root}/lib/python3*/*-packages/nvidia/{wheel}/lib"))
    yield from sorted(glob.glob(os.path.expanduser("~/.local/lib/python3*/site-packages/nvidia/*/lib")))
    yield from sorted(glob.glob("/usr/local/cuda*/lib64"))
    yield from ["/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"]


def find_runtime(major, folders):
    return next((f for f in folders if os.path.exists(f"{f}/libcudart.so.{major}")), None)


def run_program(path, part, folders, costs):
    """The part of the report that one program writes; None where it wrote none."""
    environment = dict(os.environ, LD_LIBRARY_PATH=":".join(filter(None, folders)))
    command = [path, "--json", part] + (["--costs"] if costs else [])
    with open(part + ".tap", "w", encoding="utf-8") as tap:
        done = subprocess.run(command, env=environment, stdout=tap, stderr=subprocess.STDOUT, check=False)
    if done.returncode not in (0, 1) or not os.path.exists(part):
        with open(part + ".tap", encoding="utf-8") as tap:
            print(f"gpu-check: {os.path.basename(path)} ended with {done.returncode}:\n{tap.read()[-2000:]}")
        return None
    with open(part, encoding="utf-8") as text:
        return json.load(text)


def merge(parts, release):
    """One report of the programs' parts: machine and costs of the first, checks of all."""
    first = parts[min(parts, key=lambda major: -major)]
    report = {key: first[key] for key in ("report", "format", "cuda", "machine")}
    report["vramspan"] = release
    report["runtimes"] = [{"major": major, "runtime_version": part["runtime_version"],
                           "headers_version": part["headers_version"]} for major, part in parts.items()]
    report["checks"] = [dict(check, runtime=major) for major, part in parts.items() for check in part["checks"]]
    report["costs"] = first["costs"]
    return report


def print_checks(report):
    """The assumed ones first, then failures, then the rest."""
    def order(check):
        return "assumed" not in check["tag"], check["result"] != "fail"
    for check in sorted(report["checks"], key=order):
        print(f"{check['result']:4}  cudart {check['runtime']}  {check['id']}: {check['sentence']} {check['tag']}")
        if check["reason"]:
            print(f"      {check['reason']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="the folder of the conformance programs")
    parser.add_argument("--out", required=True, help="the folder to write to")
    parser.add_argument("--control", help="the test build of the library, in which weights are moved by hand")
    parser.add_argument("--move-mebibytes", type=int, default=1024, help="how much is moved")
    parser.add_argument("--library", help="libvramspan.so, whose proofs of memory are to be run")
    parser.add_argument("--release", default="", help="vramspan's version")
    parser.add_argument("--python-env", action="append", default=[], help="a Python environment with a libcudart wheel")
    parser.add_argument("--on-simulated", metavar="FOLDER", help="for tests: the simulated CUDA's folder")
    options = parser.parse_args()

    if options.on_simulated:
        driver, driver_folder, majors = None, options.on_simulated, list(PROGRAMS)
        runtimes = {major: options.on_simulated for major in majors}
    else:
        driver, driver_folder = find_driver(dict(os.environ))
        check_driver(driver)
        majors = [major for major in PROGRAMS if major <= driver["version"] // 1000]
        folders = list(runtime_folders([env for env in options.python_env if env]))
        runtimes = {major: find_runtime(major, folders) for major in majors}
        runtimes = {major: folder for major, folder in runtimes.items() if folder}
        if not runtimes:
            give_up(f"no libcudart.so.{' or '.join(map(str, majors))} was found: install a toolkit, or "
                    "`pip install nvidia-cuda-runtime` and say GPU_CHECK_ENV=<that environment>")
    os.makedirs(options.out, exist_ok=True)
    parts = {}
    for major, folder in runtimes.items():
        print(f"gpu-check: running {PROGRAMS[major]} (a minute or two) ...", flush=True)
        part = os.path.join(options.out, f"cudart-{major}.json")
        if os.path.exists(part):
            os.remove(part)
        # Other folders of the caller's LD_LIBRARY_PATH follow, so that a driver found through it is found again.
        search = [folder, driver_folder, os.environ.get("LD_LIBRARY_PATH") if driver else None]
        parts[major] = run_program(os.path.join(options.programs, PROGRAMS[major]), part, search, costs=not parts)
        if parts[major] is None or (parts[major]["cuda"] == "simulated CUDA") != bool(options.on_simulated):
            print("gpu-check: no report was written", file=sys.stderr)
            return 1
    report = merge(parts, options.release)
    report["moves"] = []
    if options.control:
        print("gpu-check: moving weights under running kernels ...", flush=True)
        report["moves"] = moves(os.path.join(options.programs, "programs", "rehoming"), os.path.abspath(options.control),
                                search, options.move_mebibytes)
    print("gpu-check: proving memory ...", flush=True)
    report["proofs"] = proofs(os.path.abspath(options.library), search) if options.library else []
    print_checks(report)
    for name, text in (("report.json", json.dumps(report, indent=1)), ("report.md", page(report))):
        with open(os.path.join(options.out, name), "w", encoding="utf-8") as file:
            file.write(text + "\n")
    for move in report["moves"]:
        print("ok" if move["holds"] else "FAILS", "-", move["claim"])
    failed = sum(check["result"] == "fail" for check in report["checks"])
    failed += sum(not move["holds"] for move in report["moves"])
    print(f"{report['cuda']}: {len(report['checks'])} checks, {failed} failed; "
          f"{options.out}/report.md and report.json name no user and no host: attach them to a report")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
