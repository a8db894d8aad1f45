"""Weights that libvramspan.so placed elsewhere, in the hands of PyTorch: copied, multiplied, cloned, freed.

Only under the preload with tests/torch/policy.yaml; else skipped."""

import gc
import os
import pathlib
import threading

import pytest
import torch

MIB = 1 << 20
BYTES = 24 * MIB
SHAPE = (2048, 3072)  # fp32: 24 MiB, a segment of its own in PyTorch's native allocator
PLACES = ("cuda:0", "cuda:1", "host")  # in the order of the policy, one weight each

pytestmark = pytest.mark.skipif(
    pathlib.Path(os.environ.get("VRAMSPAN_POLICY", "")).name != "policy.yaml" or "LD_PRELOAD" not in os.environ,
    reason="libvramspan.so is not preloaded with tests/torch/policy.yaml",
)


@pytest.fixture
def weights(tmp_path, account, allocator):
    """Three weights on the CPU and, placed by the policy, on the GPU."""
    from safetensors.torch import load_file, save_file

    assert account, "the simulated CUDA tells where bytes are"
    if allocator == "expandable_segments":
        pytest.skip("the library does not place what the program maps itself")
    torch.manual_seed(7)
    path = tmp_path / "three.safetensors"
    save_file({f"layer.{n}.weight": torch.randn(SHAPE) for n in range(3)}, path)
    cpu = load_file(path)
    names = sorted(cpu)
    placed = [cpu[name].to("cuda:0") for name in names]
    yield [cpu[name] for name in names], placed
    placed.clear()
    gc.collect()
    torch.cuda.empty_cache()  # else PyTorch serves the next test from its cache


def test_each_lies_in_its_place_and_has_its_bytes(weights, account):
    for expected, weight, place in zip(*weights, PLACES, strict=True):
        assert account.bytes_at(weight.data_ptr(), BYTES) == {place: BYTES}
        assert weight.device == torch.device("cuda:0")
        assert torch.equal(weight.cpu(), expected)


def test_linear_with_a_weight_of_each_place(weights):
    x = torch.randn(16, SHAPE[1])
    for expected, weight in zip(*weights, strict=True):
        ours = torch.nn.functional.linear(x.cuda(), weight).cpu()
        torch.testing.assert_close(ours, torch.nn.functional.linear(x, expected), rtol=1e-4, atol=1e-3)


def test_copies_between_places_and_devices(weights):
    expected, placed = weights
    assert torch.equal(placed[1].clone().cpu(), expected[1])
    assert torch.equal(placed[2].to("cuda:1").cpu(), expected[2])
    placed[2].copy_(placed[1])
    assert torch.equal(placed[2].cpu(), expected[1])
    pinned = torch.empty(SHAPE, pin_memory=True)
    pinned.copy_(placed[1], non_blocking=True)
    torch.cuda.synchronize()
    assert torch.equal(pinned, expected[1])
    placed[0].copy_(pinned, non_blocking=True)
    torch.cuda.synchronize()
    assert torch.equal(placed[0].cpu(), expected[1])


def test_copies_in_the_streams_of_another_device(weights, second_device):
    """PyTorch enqueues them in a stream of the source's device, which has enabled peer access by then: of the device's
    memory, or of its pool under cudaMallocAsync."""
    _, placed = weights
    other = torch.randn(SHAPE).to(second_device)
    for weight in placed:
        weight.copy_(other)
        assert torch.equal(weight.cpu(), other.cpu())
    torch.cuda.synchronize(second_device)


def test_a_part_of_a_weight(weights):
    expected, placed = weights
    for n in (1, 2):
        assert torch.equal(placed[n][100:200].cpu(), expected[n][100:200])
        placed[n][5:9].copy_(torch.ones(4, SHAPE[1]))
        expected[n][5:9] = 1
        assert torch.equal(placed[n].cpu(), expected[n])


def test_two_threads_read_them(weights):
    expected, placed = weights
    results = {}

    def read(n):
        with torch.cuda.stream(torch.cuda.Stream()):
            results[n] = all(torch.equal(placed[n].cpu(), expected[n]) for _ in range(5))

    threads = [threading.Thread(target=read, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {1: True, 2: True}


def test_memory_comes_back(weights, account):
    before = account.bytes_used()
    assert before["cuda:1"] >= BYTES and before["host"] >= BYTES
    weights[1].clear()
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    after = account.bytes_used()
    assert before["host"] - after.get("host", 0) >= BYTES
    assert before["cuda:1"] - after.get("cuda:1", 0) >= BYTES
