#!/usr/bin/env python3
"""Generates stand-ins for the NVIDIA libraries that an installed PyTorch needs and that are not simulated.

    generate.py TORCH_LIB SIMULATED OUT

TORCH_LIB is the folder torch/lib of a PyTorch wheel for CUDA. For each NVIDIA library that one of its files names as
NEEDED (cuFFT, NCCL, ...) and that the folder SIMULATED does not hold, a library with that SONAME is built. It
exports exactly the symbols that those files leave undefined, under the version node that they ask for. What a stub does
is in stub.h.

Each PyTorch gets a folder of its own in OUT, whose path is printed: its name has the version and a hash of all that
matters, so a folder that is there is right, and several processes may ask at once. Its file `libraries` lists the paths
of all NVIDIA libraries that this PyTorch needs, the simulated ones among them; `cudnn-version` holds the number that
cudnnGetVersion is to return, which is what the wheel pins (empty: it pins none): PyTorch refuses an older one.

Needs readelf (binutils) and a C compiler ($CC, else gcc).
"""
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent

NVIDIA = re.compile(r"lib(cu|nv|nccl)[A-Za-z_]*\.so\.")

# Where the functions' common prefix is not the library's name.
PREFIXES = {"nvshmem_host": "nvshmem", "nvToolsExt": "nvtx"}

# What a call that cannot be done returns, per library (each library's status type; "not supported" where it has one).
# -1 also serves functions that return a count (cuFileRead).
STATUS = {"cufft": 16, "cusolver": 9, "cusparse": 10, "cusparseLt": 10, "nccl": 5, "cufile": -1,
          "cupti": 27, "nvrtc": 11, "curand": 203}
STATUS_OTHERS = 1

# Functions that return a pointer, or must not fail for a program that only looks whether something is there.
ZERO = {"nvshmem_malloc", "nvshmem_ptr", "nvshmemx_mc_ptr"}

TEXTS = re.compile(r"GetError(String|Name)$|GetLastError$")


def fail(message):
    sys.exit(f"generate.py: {message}")


def run(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True,
                              env=dict(os.environ, LC_ALL="C")).stdout
    except FileNotFoundError:
        fail(f"{command[0]} is needed and was not found; install it (Debian: apt-get install binutils gcc)")
    except subprocess.CalledProcessError as error:
        fail(f"{shlex.join(command)} failed:\n{error.stderr.strip()}")


def base_of(soname):
    return soname.split(".so")[0].removeprefix("lib")


def owner_without_version(symbol, sonames):
    """The library among `sonames` whose prefix `symbol` has; the longest prefix wins (cusparseLt before cusparse)."""
    def prefix(soname):
        return PREFIXES.get(base_of(soname), base_of(soname)).lower()
    fitting = [soname for soname in sonames if symbol.lower().startswith(prefix(soname))]
    return max(fitting, key=lambda soname: len(prefix(soname)), default=None)


def undefined_symbols(path):
    """Yields (soname, version node or None, symbol, is_data) of what the file wants of NVIDIA's libraries."""
    needed = [soname for soname in re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", path))
              if NVIDIA.match(soname)]
    # A version node belongs to the file under which the version section lists it.
    file_of_version = {}
    file = None
    for line in run("readelf", "-VW", path).splitlines():
        if match := re.search(r"Version: \d+\s+File: (\S+)", line):
            file = match[1]
        elif match := re.search(r"Name: (\S+)\s+Flags:", line):
            file_of_version[match[1]] = file
        elif "Version definition" in line:
            file = None
    for soname in needed:
        yield soname, None, None, False
    for line in run("readelf", "--dyn-syms", "-W", path).splitlines():
        fields = line.split()
        # A weak reference may stay undefined: programs ask by it whether something is there.
        if len(fields) < 8 or fields[6] != "UND" or fields[4] != "GLOBAL":
            continue
        symbol, _, version = fields[7].partition("@")
        soname = file_of_version.get(version.lstrip("@")) if version else owner_without_version(symbol, needed)
        if soname and NVIDIA.match(soname):
            yield soname, version.lstrip("@") or None, symbol, fields[3] == "OBJECT"


def pinned_versions(torch_lib):
    """The versions of NVIDIA's packages that the wheel was made for, by package name without its -cuNN."""
    versions = {}
    for metadata in torch_lib.parent.parent.glob("torch-*.dist-info/METADATA"):
        for line in metadata.read_text(errors="replace").splitlines():
            if match := re.match(r"Requires-Dist: (?:nvidia-)?([a-z-]+?)(?:-cu\d+)?(?:\[.*?\])?(?: \()?==([\d.]+)", line):
                versions[match[1]] = [int(part) for part in match[2].split(".")]
    return versions


def answers(versions):
    """Symbols that answer: the version that the wheel pins, else one that PyTorch 2.11 was built with."""
    nccl = (versions.get("nccl") or [2, 28, 9])[:3]
    return {
        "cuptiGetResultString": "ANSWER_TEXT(cuptiGetResultString)",
        "ncclGetVersion": f"ANSWER_NUMBER(ncclGetVersion, {nccl[0] * 10000 + nccl[1] * 100 + nccl[2]})",
    }


def line_for(symbol, is_data, status, answering):
    if symbol in answering:
        return answering[symbol]
    if is_data:
        return f"STUB_DATA({symbol})"
    if TEXTS.search(symbol):
        return f"STUB_TEXT({symbol})"
    return f"STUB({symbol}, {0 if symbol in ZERO else status})"


def build(soname, symbols, answering, folder):
    """Writes and compiles one library. `symbols` maps (version, symbol) to is_data."""
    source, script = folder / f"{soname}.c", folder / f"{soname}.map"
    status = STATUS.get(base_of(soname), STATUS_OTHERS)
    lines = [f"/* {soname}: generated by generate.py for the undefined symbols of one PyTorch. */",
             f'#define LIBRARY "{soname}"', '#include "stub.h"', ""]
    nodes = {}
    for (version, symbol), is_data in sorted(symbols.items(), key=lambda item: item[0][1]):
        lines.append(line_for(symbol, is_data, status, answering))
        nodes.setdefault(version, []).append(symbol)
    source.write_text("\n".join(lines) + "\n")
    command = shlex.split(os.environ.get("CC") or "gcc") + [
        "-shared", "-fPIC", "-O1", "-fvisibility=hidden", "-I", str(HERE), "-Wl,-soname," + soname,
        "-o", str(folder / soname), str(source)]
    # References without a version bind to a library without versions only if none of its symbols has one.
    versions = [version for version in nodes if version]
    if versions:
        # Unversioned references are served by any default version.
        nodes[versions[0]] += nodes.pop(None, [])
        script.write_text("\n".join(
            f"{version} {{ global: {'; '.join(names)}; local: *; }};" if version == versions[0]
            else f"{version} {{ global: {'; '.join(names)}; }};" for version, names in nodes.items()) + "\n")
        command.append(f"-Wl,--version-script={script}")
    run(*command)


def fingerprint(torch_lib, simulated):
    """Changes with the wheel (names, sizes and times of its libraries), with what is simulated, and with these sources."""
    state = [sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in torch_lib.glob("*.so*")),
             str(simulated), sorted(file.name for file in simulated.glob("*.so.*")),
             [file.read_text() for file in (HERE / "generate.py", HERE / "stub.h")]]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def folder_for(torch_lib, simulated, out):
    """The folder of the stand-ins for this PyTorch, whether it is there or not."""
    version = re.search(r"__version__ = '([^']*)'", (torch_lib.parent / "version.py").read_text())
    return out / f"{version[1]}-{fingerprint(torch_lib, simulated)[:12]}"


def generate(torch_lib, simulated, final):
    libraries = {}
    for file in sorted(torch_lib.glob("*.so")):
        for soname, version, symbol, is_data in undefined_symbols(str(file)):
            symbols = libraries.setdefault(soname, {})
            if symbol:
                symbols[version, symbol] = is_data
    versions = pinned_versions(torch_lib)
    answering = answers(versions)
    final.parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=final.name + ".", dir=final.parent))
    try:
        paths = []
        for soname, symbols in sorted(libraries.items()):
            if (simulated / soname).exists():
                paths.append(simulated / soname)
            else:
                build(soname, symbols, answering, folder)
                paths.append(final / soname)
        (folder / "libraries").write_text("".join(f"{path}\n" for path in paths))
        major, minor, patch = versions.get("cudnn", [0, 0, 0])[:3]
        (folder / "cudnn-version").write_text(str(major * 10000 + minor * 100 + patch) if major else "")
        folder.chmod(0o755)
        folder.rename(final)
    except OSError:
        # Another process may have been first: its folder is as good.
        shutil.rmtree(folder, ignore_errors=True)
        if not final.exists():
            raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def main():
    if len(sys.argv) != 4 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:2] in (["-h"], ["--help"]) else 2)
    torch_lib, simulated, out = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    if not (torch_lib / "libtorch_cuda.so").exists():
        fail(f"{torch_lib} holds no libtorch_cuda.so: give the folder torch/lib of an installed PyTorch for CUDA")
    final = folder_for(torch_lib, simulated, out)
    if not final.exists():
        generate(torch_lib, simulated, final)
    print(final)


if __name__ == "__main__":
    main()
