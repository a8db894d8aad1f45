"""An unmodified ComfyUI on the CUDA at hand, in one process: every weight's bytes are right at every point.

    tests/simcuda/vramspan-sim --machine 2x24gb python -m pytest tests/comfyui/test_drive.py

The expectations hold with and without libvramspan.so preloaded; where the bytes are to lie is not judged here unless
COMFYUI_EXPECT_AT says so, as JSON: {"cuda:0": bytes, "host": bytes, ...} of the loaded UNet.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

import comfy_home
import make_checkpoint

HERE = pathlib.Path(__file__).parent
POINTS = (
    "start opened loaded encoded sampled unloaded loaded-again sampled-again released "
    "reopened sampled-reopened finished"
).split()
LOADED = [point for point in POINTS if point in ("loaded", "sampled", "loaded-again", "reopened", "sampled-reopened")]
UNET_BYTES = 1719041928
MIB = 1 << 20

# allocator, RAM that ComfyUI is told of: with 16gb the UNet's weights go from the file's mapping straight to a 24 GB
# GPU, with 64gb by way of the heap
RUNS = (("cudaMallocAsync", "16gb"), ("native", "16gb"), ("native", "64gb"))


@pytest.fixture(scope="module")
def checkpoint():
    path = comfy_home.cache_folder() / "models" / make_checkpoint.DEFAULT_NAME
    make_checkpoint.make(path)
    return path


@pytest.fixture(scope="module", params=RUNS, ids=lambda run: "-".join(run))
def facts(request, checkpoint):
    """The facts of one run, by point."""
    allocator, host_memory = request.param
    command = [sys.executable, str(HERE / "drive.py"), "--checkpoint", str(checkpoint)]
    command += ["--allocator", allocator, "--host-memory", host_memory]
    child = subprocess.run(command, capture_output=True, text=True, timeout=400)
    lines = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
    found = {line["point"]: line for line in lines}
    assert child.returncode == 0 and set(found) == set(POINTS), (
        f"{' '.join(command)} ended with {child.returncode} after the points {list(found)}:\n{child.stderr[-4000:]}"
    )
    found["start"]["host_memory"] = host_memory
    return found


def test_allocator_and_path_are_those_asked_for(facts):
    straight = facts["start"]["host_memory"] == "16gb" and facts["start"]["total"] > 20 << 30
    assert facts["start"]["modified"] == []
    assert facts["opened"]["initial_device"].startswith("cuda" if straight else "cpu")


def test_every_weight_equals_the_files_at_every_point(facts):
    for point in POINTS:
        if point in ("start", "released", "finished"):
            continue
        weights = facts[point]["weights"]
        assert weights["different"] == [], point
        assert (weights["tensors"], weights["equal"], weights["bytes"]) == (686, 686, UNET_BYTES), point


def test_every_loaded_byte_is_somewhere(facts):
    for point in LOADED:
        assert sum(facts[point]["weights"]["at"].values()) == UNET_BYTES, point
        assert not {"cpu", "cuda"} & set(facts[point]["weights"]["at"]) or "used" not in facts[point], point
    assert facts["unloaded"]["weights"]["at"] == {"cpu": UNET_BYTES}


def test_places_are_those_expected(facts):
    expected = os.environ.get("COMFYUI_EXPECT_AT")
    if expected is None:
        pytest.skip("COMFYUI_EXPECT_AT is not set")
    for point in LOADED:
        assert facts[point]["weights"]["at"] == json.loads(expected), point


def test_total_memory_never_changes(facts):
    assert len({facts[point]["total"] for point in POINTS}) == 1


def test_memory_is_given_back(facts):
    """After everything is released only what contexts, library handles and the allocator's minimum take is left."""
    for point in ("released", "finished"):
        assert facts[point]["allocated"] <= 64 * MIB, point
        if "used" in facts[point]:
            start = facts["start"]["used"]
            for location, used in facts[point]["used"].items():
                assert used - start.get(location, 0) <= 512 * MIB, (point, location)
    assert facts["finished"]["reserved"] <= facts["released"]["reserved"] + 64 * MIB


def test_nothing_piles_up_from_one_load_to_the_next(facts):
    if "used" not in facts["start"]:
        pytest.skip("no simulated CUDA")
    for location, used in facts["finished"]["used"].items():
        assert used <= facts["released"]["used"].get(location, 0) + 64 * MIB, location
    assert facts["finished"]["live_allocations"] <= facts["released"]["live_allocations"] + 8


def test_a_changed_a_missing_and_an_unknown_weight_are_noticed():
    """The check itself, on three small tensors of the CPU."""
    import types

    import torch
    import xxhash

    import drive

    tensors = {"a": torch.zeros(8), "b": torch.ones(8), "unknown": torch.ones(2)}
    expected = {
        "a": xxhash.xxh3_64_hexdigest(tensors["a"].numpy()),
        "b": xxhash.xxh3_64_hexdigest(tensors["a"].numpy()),
        "missing": "0" * 16,
    }
    checker = object.__new__(drive.Drive)
    checker.torch, checker.account, checker.tensor_file, checker.wrong = torch, None, None, 0
    checker.expected = {drive.UNET_PREFIX + name: value for name, value in expected.items()}
    network = types.SimpleNamespace(state_dict=lambda: tensors)
    checker.model = types.SimpleNamespace(model=types.SimpleNamespace(diffusion_model=network))
    found = checker.check_weights("point")
    assert sorted(found["different"]) == [drive.UNET_PREFIX + name for name in ("b", "missing", "unknown")]
    assert (found["tensors"], found["equal"], found["at"], checker.wrong) == (3, 1, {"cpu": 72}, 3)
