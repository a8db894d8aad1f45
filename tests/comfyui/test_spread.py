"""An unmodified ComfyUI with and without libvramspan.so: a model spread over three devices by a policy, bit for bit right.

    python -m pytest tests/comfyui/test_spread.py          (the environment is checked; `make check` sets it)

Each run of drive.py is made twice, plainly and under the preload with examples/sd15-three-devices.yaml. Where bytes are
is told by the simulated CUDA, never by the library; what is expected is computed here from the allocations of the
plain run and the policy's numbers.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import comfy_home
import hash_checkpoint
import make_checkpoint

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POLICY = ROOT / "examples" / "sd15-three-devices.yaml"
PREFIX = "model.diffusion_model."
MIB = 1 << 20
QUOTAS = {"cuda:0": 600 * MIB, "cuda:1": 500 * MIB, "host": None}  # as POLICY says; `*` takes the rest
LOADS = ("opened", "reopened")  # points at which a model has just been loaded from its file

Run = collections.namedtuple("Run", "facts trace tensors log")


@pytest.fixture(scope="module")
def checkpoint():
    path = comfy_home.cache_folder() / "models" / make_checkpoint.DEFAULT_NAME
    make_checkpoint.make(path)
    return path


@pytest.fixture(scope="module")
def file_hashes(checkpoint):
    return hash_checkpoint.hashes_by_child(str(checkpoint), PREFIX)


def drive(folder: pathlib.Path, checkpoint, allocator: str, preload: bool) -> Run:
    folder.mkdir()
    library = os.environ.get("VRAMSPAN_LIBRARY")
    assert library, "VRAMSPAN_LIBRARY names libvramspan.so; `make check` sets it"
    environment = dict(os.environ, SIMCUDA_TRACE=str(folder / "trace.jsonl"), SIMCUDA_MACHINE="2x24gb")
    environment["SIMCUDA_COMPUTE"] = "gemm"  # where bytes are is asked here; test_picture.py asks what they make
    environment.pop("LD_PRELOAD", None)
    if preload:
        environment |= {"LD_PRELOAD": library, "VRAMSPAN_POLICY": str(POLICY)}
    command = [sys.executable, str(HERE / "drive.py"), "--checkpoint", str(checkpoint), "--allocator", allocator]
    command += ["--size", "128", "--tensors", str(folder / "tensors.jsonl")]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert child.returncode == 0, child.stderr[-4000:]
    lines = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
    trace = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    tensors = [json.loads(line) for line in (folder / "tensors.jsonl").read_text().splitlines()]
    return Run({line["point"]: line for line in lines}, trace, tensors, child.stderr)


@pytest.fixture(scope="module", params=("cudaMallocAsync", "native"))
def runs(request, checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    plain = drive(folder / "plain", checkpoint, request.param, preload=False)
    shim = drive(folder / "shim", checkpoint, request.param, preload=True)
    return request.param, plain, shim


def segment_bytes(tensor_bytes: int) -> int:
    """PyTorch's native allocator: one tensor gets a segment of its own from 10 MiB on, in steps of 2 MiB."""
    return -(-tensor_bytes // (2 * MIB)) * 2 * MIB


def sizes_that_can_be_placed(allocator: str) -> collections.Counter:
    """How many allocations of which size a load may make for tensors alone: {(allocated, tensor's bytes): count}."""
    sizes: collections.Counter = collections.Counter()
    for tensor in make_checkpoint.tensor_list().items():
        name, shape = tensor
        if not name.startswith(PREFIX):
            continue
        count = 2
        for side in shape:
            count *= side
        if allocator == "cudaMallocAsync":
            sizes[count, count] += 1
        elif count >= 10 * MIB:
            sizes[segment_bytes(count), count] += 1
    return sizes


def expected_bytes(allocator: str, plain: Run) -> dict[str, int]:
    """Replays the allocations of the plain run from its start to the end of the first load: each one that has the size of
    a tensor still missing goes to the first device whose quota holds the tensor."""
    missing = sizes_that_can_be_placed(allocator)
    left = dict(QUOTAS)
    placed = dict.fromkeys(QUOTAS, 0)
    loading = False
    for line in plain.trace:
        loading = line["mark"] == "start" if "mark" in line else loading
        if not loading or line.get("event") != "alloc":
            continue
        fits = [size for size in missing if size[0] == line["bytes"] and missing[size] > 0]
        if not fits:
            continue
        missing[fits[0]] -= 1
        tensor_bytes = fits[0][1]
        device = next(name for name, rest in left.items() if rest is None or rest >= tensor_bytes)
        if left[device] is not None:
            left[device] -= tensor_bytes
        placed[device] += tensor_bytes
    return placed


def test_comfyui_is_unmodified_and_the_devices_are_simulated(runs):
    for run in runs[1:]:
        assert run.facts["start"]["modified"] == []
        assert all(name.startswith("Simulated") for name in run.facts["start"]["devices"])


def test_every_weight_equals_the_files_bytes(runs):
    for run in runs[1:]:
        checked = [point for point, facts in run.facts.items() if "weights" in facts]
        assert len(checked) == 9
        for point in checked:
            weights = run.facts[point]["weights"]
            assert (weights["tensors"], weights["equal"], weights["different"]) == (686, 686, []), point


def test_weights_lie_where_the_policy_says(runs):
    allocator, plain, shim = runs
    expected = expected_bytes(allocator, plain)
    assert expected["cuda:1"] > 480 * MIB, "the test would prove nothing"
    for point in LOADS:
        if allocator == "cudaMallocAsync":
            assert sum(expected.values()) == 1719041928
            assert shim.facts[point]["weights"]["at"] == expected
            continue
        # Only tensors with segments of their own are placed; small ones may share the rest of such a segment.
        at = dict.fromkeys(QUOTAS, 0)
        for tensor in shim.tensors:
            if tensor["point"] == point and tensor["bytes"] >= 10 * MIB:
                for location, count in tensor["at"].items():
                    at[location] += count
        assert at["cuda:1"] == expected["cuda:1"]
        assert at["host"] == expected["host"]
    assert plain.facts["opened"]["weights"]["at"] == {"cuda:0": 1719041928}


def test_about_71_percent_of_the_bytes_have_segments_of_their_own():
    """What the native allocator lets a layer below it place, from the architecture alone."""
    own = sum(tensor * count for (_, tensor), count in sizes_that_can_be_placed("native").items())
    assert 0.69 < own / 1719041928 < 0.73


def test_gemms_see_the_same_weights_in_the_same_order(runs, file_hashes):
    _, plain, shim = runs
    known = set(file_hashes.values())

    def weight_operands(run):
        return [
            (line["gemm"], line["m"], line["n"], line["k"], side, line[side])
            for line in run.trace
            if "gemm" in line
            for side in ("a_hash", "b_hash")
            if line[side] in known
        ]

    expected = weight_operands(plain)
    assert len(expected) > 1000
    assert len({operand[-1] for operand in expected}) > 250, "the linear and convolution weights of the UNet"
    assert weight_operands(shim) == expected


def test_gemms_read_weights_from_all_three_places(runs, file_hashes):
    known = set(file_hashes.values())
    places = {
        line[side]["location"]
        for line in runs[2].trace
        if "gemm" in line
        for side in ("a", "b")
        if line[f"{side}_hash"] in known
    }
    assert places == {"cuda:0", "cuda:1", "host"}


def test_every_weight_elsewhere_was_filled_by_a_copy_of_the_files_bytes(runs, file_hashes):
    allocator, _, shim = runs
    copies = {
        (int(line["dst"], 16), line["bytes"], line["hash"])
        for line in shim.trace
        if "hash" in line and "dst" in line and line["dst_location"] in ("cuda:1", "host")
    }
    elsewhere = [
        tensor for tensor in shim.tensors if tensor["point"] in LOADS and set(tensor["at"]) & {"cuda:1", "host"}
    ]
    assert len(elsewhere) >= 38
    for tensor in elsewhere:
        assert (tensor["address"], tensor["bytes"], file_hashes[tensor["name"]]) in copies, tensor
    if allocator == "cudaMallocAsync":  # and nothing else was ever put there
        assert {digest for _, _, digest in copies} <= set(file_hashes.values())


def test_all_memory_is_given_back(runs):
    _, plain, shim = runs
    for point in ("released", "finished"):
        assert shim.facts[point]["used"] == plain.facts[point]["used"], point
        assert "cuda:1" not in shim.facts[point]["used"]


def test_the_librarys_own_table_agrees_with_the_simulator(runs):
    allocator, _, shim = runs
    rows = re.findall(r"^(cuda:0|cuda:1|cpu) +(\d+) +([\d.]+) +[\d.]+% +([\d.]+)$", shim.log, re.MULTILINE)
    assert len(rows) == 3 * len(LOADS), shim.log
    at = shim.facts["opened"]["weights"]["at"]
    names = {"cpu": "host"}
    assert [row[0] for row in rows] == ["cuda:0", "cuda:1", "cpu"] * len(LOADS)
    for device, _layers, real, planned in rows:
        if allocator == "cudaMallocAsync":
            assert float(real) == pytest.approx(at[names.get(device, device)] / MIB, abs=0.006)
        assert float(planned) == pytest.approx(
            (QUOTAS[names.get(device, device)] or 1719041928 - 1100 * MIB) / MIB, abs=0.006
        )
    ends = re.findall(r"end of run: (\S+) held \d+ weights, [\d.]+ MB at most, 0\.0 MB at the end", shim.log)
    assert ends == ["cuda:0", "cuda:1", "cpu"]
