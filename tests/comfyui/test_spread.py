"""An unmodified ComfyUI with and without libvramspan.so: a model spread over three devices by a policy, bit for bit right.

    python -m pytest tests/comfyui/test_spread.py          (the environment is checked; `make check` sets it)

drive.py runs plainly and under the preload, with examples/sd15-three-devices.yaml (the order of DisTorch2) and with a
policy of virtual VRAM (the order `spread`). Where bytes are is told by the simulated CUDA, never by the library; where
they should be is computed in planned_homes.py from the table of SD 1.5's modules.
"""

import collections
import functools
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
import planned_homes

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PREFIX = "model.diffusion_model."
MIB = 1 << 20
MACHINE = "2x24gb"
LOADS = ("opened", "reopened")  # points at which a model has just been loaded from its file
EXAMPLE = ROOT / "examples" / "sd15-three-devices.yaml"
VIRTUAL_VRAM = """
version: 1
donors: ["cuda:1:500mb", cpu]
models:
  - {match: "v1-5-*.safetensors", virtual-vram: 1100mb}
"""

Run = collections.namedtuple("Run", "facts trace tensors log")
Runs = collections.namedtuple("Runs", "allocator order plain shim")


@pytest.fixture(scope="module")
def checkpoint():
    path = comfy_home.cache_folder() / "models" / make_checkpoint.DEFAULT_NAME
    make_checkpoint.make(path)
    return path


@pytest.fixture(scope="module")
def file_hashes(checkpoint):
    return hash_checkpoint.hashes_by_child(str(checkpoint), PREFIX)


def drive(folder: pathlib.Path, checkpoint, allocator: str, policy: pathlib.Path | None) -> Run:
    folder.mkdir()
    library = os.environ.get("VRAMSPAN_LIBRARY")
    assert library, "VRAMSPAN_LIBRARY names libvramspan.so; `make check` sets it"
    environment = dict(os.environ, SIMCUDA_TRACE=str(folder / "trace.jsonl"), SIMCUDA_MACHINE=MACHINE)
    environment["SIMCUDA_COMPUTE"] = "gemm"  # where bytes are is asked here; test_picture.py asks what they make
    environment.pop("LD_PRELOAD", None)
    if policy:
        environment |= {"LD_PRELOAD": library, "VRAMSPAN_POLICY": str(policy)}
    command = [sys.executable, str(HERE / "drive.py"), "--checkpoint", str(checkpoint), "--allocator", allocator]
    command += ["--size", "128", "--tensors", str(folder / "tensors.jsonl")]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert child.returncode == 0, child.stderr[-4000:]
    lines = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
    trace = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    tensors = [json.loads(line) for line in (folder / "tensors.jsonl").read_text().splitlines()]
    return Run({line["point"]: line for line in lines}, trace, tensors, child.stderr)


@pytest.fixture(scope="module")
def plain(checkpoint, tmp_path_factory):
    """plain(allocator) -> Run, made once."""
    return functools.cache(
        lambda allocator: drive(tmp_path_factory.mktemp("plain") / allocator, checkpoint, allocator, None)
    )


@pytest.fixture(
    scope="module",
    params=(("cudaMallocAsync", "distorch"), ("native", "distorch"), ("cudaMallocAsync", "spread")),
    ids="-".join,
)
def runs(request, checkpoint, plain, tmp_path_factory):
    allocator, order = request.param
    folder = tmp_path_factory.mktemp(f"{allocator}-{order}")
    policy = EXAMPLE
    if order == "spread":
        policy = folder / "virtual-vram.yaml"
        policy.write_text(VIRTUAL_VRAM)
    return Runs(allocator, order, plain(allocator), drive(folder / "shim", checkpoint, allocator, policy))


@pytest.fixture(scope="module")
def distorch_homes():
    return planned_homes.of_the_example()


def can_be_placed(allocator: str, tensor_bytes: int) -> bool:
    """PyTorch's native allocator: one tensor gets a segment of its own from 10 MiB on; the library sees no others."""
    return allocator == "cudaMallocAsync" or tensor_bytes >= 10 * MIB


def segment_bytes(tensor_bytes: int) -> int:
    """What it asks for then: steps of 2 MiB."""
    return -(-tensor_bytes // (2 * MIB)) * 2 * MIB


def homes_of(tensors: list[dict], point: str, least_bytes: int = 0) -> dict[str, str]:
    """The place of each tensor (of so many bytes at least), by the simulator: {name: "cuda:1"}."""
    found = {}
    for tensor in tensors:
        if tensor["point"] == point and tensor["bytes"] >= least_bytes:
            assert len(tensor["at"]) == 1, tensor
            found[tensor["name"].removeprefix(PREFIX)] = "".join(tensor["at"]).replace("host", "cpu")
    return found


def test_comfyui_is_unmodified_and_the_devices_are_simulated(runs):
    for run in (runs.plain, runs.shim):
        assert run.facts["start"]["modified"] == []
        assert all(name.startswith("Simulated") for name in run.facts["start"]["devices"])


def test_every_weight_equals_the_files_bytes(runs):
    for run in (runs.plain, runs.shim):
        checked = [point for point, facts in run.facts.items() if "weights" in facts]
        assert len(checked) == 9
        for point in checked:
            weights = run.facts[point]["weights"]
            assert (weights["tensors"], weights["equal"], weights["different"]) == (686, 686, []), point


def segments_of_the_load(plain: Run) -> collections.Counter:
    """How many allocations of which size PyTorch made in the plain run's first load."""
    sizes: collections.Counter = collections.Counter()
    loading = False
    for line in plain.trace:
        loading = line["mark"] == "start" if "mark" in line else loading
        if loading and line.get("event") == "alloc":
            sizes[line["bytes"]] += 1
    return sizes


def test_in_distorchs_order_each_weight_lies_where_distorch2_puts_it(runs, distorch_homes):
    """The native allocator may serve a weight from what it kept of a freed temporary, without asking anybody: there the
    next weight of that size takes its place, and what can be told is how many of each size lie at each place."""
    if runs.order != "distorch":
        pytest.skip("another order")
    sizes = planned_homes.tensor_bytes(planned_homes.modules())
    assert sum(sizes.values()) == 1719041928
    if runs.allocator == "cudaMallocAsync":
        assert set(distorch_homes.values()) == {"cuda:0", "cuda:1", "cpu"}, "the test would prove nothing"
        for point in LOADS:
            assert homes_of(runs.shim.tensors, point) == planned_homes.as_placed(distorch_homes)
        return
    expected: collections.Counter = collections.Counter()
    segments = segments_of_the_load(runs.plain)
    for name, size in sizes.items():  # in the order of execution, in which the model is built, too
        if can_be_placed(runs.allocator, size) and segments[segment_bytes(size)] > 0:
            segments[segment_bytes(size)] -= 1
            expected[size, distorch_homes[name]] += 1
    expected = collections.Counter({key: count for key, count in expected.items() if key[1] != "cuda:0"})
    assert {home for _, home in expected} == {"cuda:1", "cpu"} and expected.total() > 20
    for point in LOADS:
        homes = homes_of(runs.shim.tensors, point, 10 * MIB)
        assert collections.Counter((sizes[name], home) for name, home in homes.items() if home != "cuda:0") == expected


def test_spread_gives_each_device_its_bytes_evenly(runs):
    """Bytes per device within one tensor. Of the weights that are free to go (not small, and computed with as others
    are), the bytes that have left follow the straight line along the order of execution."""
    if runs.order != "spread":
        pytest.skip("another order")
    modules = planned_homes.modules()
    sizes = planned_homes.tensor_bytes(modules)
    rare, common = planned_homes.kinds(modules)
    for point in LOADS:
        homes = homes_of(runs.shim.tensors, point)
        largest = max(sizes.values())
        for device, asked in (("cuda:1", 500 * MIB), ("cpu", 600 * MIB)):
            assert abs(sum(size for name, size in sizes.items() if homes[name] == device) - asked) <= largest
        assert {homes[name] for name in sizes if name not in rare and name not in common} == {"cuda:0"}
        assert len(rare) == 24 and all(homes[name] != "cuda:0" for name in rare)
        for lenders in ({"cuda:1", "cpu"}, {"cuda:1"}, {"cpu"}):
            distance = planned_homes.distance_from_line(common, sizes, {n for n in common if homes[n] in lenders})
            assert distance <= 1.5 * max(sizes[name] for name in common)


def test_about_71_percent_of_the_bytes_have_segments_of_their_own():
    """What the native allocator lets a layer below it place, from the architecture alone."""
    sizes = planned_homes.tensor_bytes(planned_homes.modules()).values()
    assert 0.69 < sum(size for size in sizes if can_be_placed("native", size)) / sum(sizes) < 0.73


def test_gemms_see_the_same_weights_in_the_same_order(runs, file_hashes):
    known = set(file_hashes.values())

    def weight_operands(run):
        return [
            (line["gemm"], line["m"], line["n"], line["k"], side, line[side])
            for line in run.trace
            if "gemm" in line
            for side in ("a_hash", "b_hash")
            if line[side] in known
        ]

    expected = weight_operands(runs.plain)
    assert len(expected) > 1000
    assert len({operand[-1] for operand in expected}) > 250, "the linear and convolution weights of the UNet"
    assert weight_operands(runs.shim) == expected


def test_gemms_read_weights_from_all_three_places(runs, file_hashes):
    known = set(file_hashes.values())
    places = {
        line[side]["location"]
        for line in runs.shim.trace
        if "gemm" in line
        for side in ("a", "b")
        if line[f"{side}_hash"] in known
    }
    assert places == {"cuda:0", "cuda:1", "host"}


def test_every_weight_elsewhere_was_filled_by_a_copy_of_the_files_bytes(runs, file_hashes):
    shim = runs.shim
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
    if runs.allocator == "cudaMallocAsync":  # and nothing else was ever put there
        assert {digest for _, _, digest in copies} <= set(file_hashes.values())


def test_all_memory_is_given_back(runs):
    plain, shim = runs.plain, runs.shim
    for point in ("released", "finished"):
        assert shim.facts[point]["used"] == plain.facts[point]["used"], point
        assert "cuda:1" not in shim.facts[point]["used"]


def test_the_librarys_own_table_agrees_with_the_simulator(runs, distorch_homes):
    """What was planned is what lies there, but for small tensors, where the allocator shows every tensor."""
    rows = re.findall(r"^(cuda:0|cuda:1|cpu) +(\d+) +([\d.]+) +[\d.]+% +([\d.]+)$", runs.shim.log, re.MULTILINE)
    assert [row[0] for row in rows] == ["cuda:0", "cuda:1", "cpu"] * len(LOADS), runs.shim.log
    at = runs.shim.facts["opened"]["weights"]["at"]
    if runs.allocator == "cudaMallocAsync":
        for device, _layers, real, planned in rows:
            assert float(real) == pytest.approx(at[device.replace("cpu", "host")] / MIB, abs=0.006)
            if runs.order == "distorch":
                wished = planned_homes.bytes_at(distorch_homes)
                assert float(planned) == pytest.approx(wished[device.replace("cpu", "host")] / MIB, abs=0.006)
            else:
                assert planned == real
        assert sum(int(row[1]) for row in rows) == 686 * len(LOADS)
    assert runs.shim.log.count("(diffusion): 686 tensors, 1639.41 MB") == len(LOADS)
    ends = re.findall(r"end of run: (\S+) held \d+ weights, [\d.]+ MB at most, 0\.0 MB at the end", runs.shim.log)
    assert ends == ["cuda:0", "cuda:1", "cpu"]
