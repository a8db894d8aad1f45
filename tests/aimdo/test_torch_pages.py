"""PyTorch in the same process, as in ComfyUI: tensors over pages, allocations of PyTorch's that make pages go, and a
model that is larger than the card, with its refused weights passed through a buffer."""

import ctypes
import gc
import os
import pathlib

import pytest
import torch
from comfy_aimdo import host_buffer
from comfy_aimdo.torch import aimdo_to_tensor, hostbuf_to_tensor
from comfy_aimdo.vram_buffer import VRAMBuffer
from driver import MIB, PAGE
from vbars import Weights

SHAPE = (2048, 4096)  # fp32: one page
ROWS_APART = 16  # a product with some rows from all of a page takes less time
KERNELS_COMPUTED = torch.__version__.startswith("2.11.")


def values(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tensor_of(weights, n):
    device = torch.device("cuda", weights.vbar.device)
    return aimdo_to_tensor(weights.weights[n], device).view(torch.float32).view(SHAPE)


def close(result, expected):
    return torch.allclose(result.cpu(), expected, atol=1e-2, rtol=1e-4)


def counted(aimdo, device=0):
    return aimdo.lib.get_total_vram_usage(aimdo.get_devctx(device))


@pytest.fixture
def full(aimdo):
    """More weights than fit onto device 0, faulted until one is refused."""
    weights = Weights(64)
    assert weights.use_all()[-1] == "refused"
    return weights


@pytest.mark.parametrize("pinned", [False, True])
def test_a_tensor_over_pages_holds_its_values(aimdo, account, pinned):
    weights = Weights(3)
    weights.pin(1)
    source = values(*SHAPE, seed=1)
    tensor = tensor_of(weights, 1)
    assert tensor.data_ptr() == weights.address(1)
    tensor.copy_(source.pin_memory() if pinned else source, non_blocking=pinned)
    torch.cuda.synchronize()
    assert account.bytes_at(tensor.data_ptr(), PAGE) == {"cuda:0": PAGE}
    assert torch.equal(tensor.cpu(), source)
    assert torch.equal(tensor.clone().cpu(), source)
    assert torch.equal(tensor[5:9].cpu(), source[5:9])
    weights.unpin(1)


def test_products_with_weights_in_pages(aimdo, account):
    weights = Weights(2)
    x = values(8, SHAPE[1], seed=9)
    for n in range(2):
        weights.pin(n)
        source = values(*SHAPE, seed=n)
        tensor_of(weights, n).copy_(source)
        assert close(torch.nn.functional.linear(x.cuda(), tensor_of(weights, n)), torch.nn.functional.linear(x, source))
        weights.unpin(n)


def test_kernels_over_a_page(aimdo, account):
    """Where kernels are computed, the result is; elsewhere they are launched over it without an error."""
    weights = Weights(1)
    weights.pin(0)
    source = values(*SHAPE, seed=1)
    tensor = tensor_of(weights, 0)
    tensor.copy_(source)
    launched, computed = account.launches()
    tensor.add_(1).mul_(2)
    torch.cuda.synchronize()
    assert account.launches()[0] == launched + 2
    if KERNELS_COMPUTED:
        assert account.launches()[1] == computed + 2
        assert torch.equal(tensor.cpu(), (source + 1) * 2)
    weights.unpin(0)


def test_a_file_read_into_a_page_is_a_weight(aimdo, tmp_path):
    weights = Weights(2)
    source, x = values(*SHAPE, seed=3), values(8, SHAPE[1], seed=4)
    path = tmp_path / "weight.bin"
    path.write_bytes(b"header.." + source.numpy().tobytes())
    weights.pin(1)
    stream = torch.cuda.Stream()
    with open(path, "rb") as file:
        host_buffer.read_file_to_device(file, 8, PAGE, stream.cuda_stream, weights.address(1), 0)
    torch.cuda.current_stream().wait_stream(stream)
    assert close(torch.nn.functional.linear(x.cuda(), tensor_of(weights, 1)), torch.nn.functional.linear(x, source))
    weights.unpin(1)
    host_buffer.cleanup_file_reader()


def test_a_host_buffer_is_a_pinned_tensor(aimdo, account):
    buffer = host_buffer.HostBuffer(PAGE)
    tensor = hostbuf_to_tensor(buffer)
    source = values(*SHAPE, seed=5)
    tensor.view(torch.float32).view(SHAPE).copy_(source)
    assert tensor.is_pinned()
    assert torch.equal(tensor.to("cuda:0", non_blocking=True).view(torch.float32).view(SHAPE).cpu(), source)


def test_what_pytorch_allocates_is_counted(aimdo, account):
    before = counted(aimdo)
    block = torch.empty(64 * MIB, dtype=torch.uint8, device="cuda:0")
    assert account.bytes_at(block.data_ptr(), 64 * MIB) == {"cuda:0": 64 * MIB}
    assert counted(aimdo) == before + 64 * MIB
    del block
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert counted(aimdo) == before


def test_an_allocation_of_pytorchs_makes_pages_go(full, account):
    pages = full.resident(account)
    marks = {n: values(16, seed=n) for n in pages[:3]}
    for n, mark in marks.items():
        tensor_of(full, n)[0, :16].copy_(mark)
    block = torch.empty(800 * MIB, dtype=torch.uint8, device="cuda:0")
    assert account.bytes_at(block.data_ptr(), 800 * MIB) == {"cuda:0": 800 * MIB}
    left = full.resident(account)
    assert left == pages[: len(left)] and 700 * MIB <= (len(pages) - len(left)) * PAGE <= 1000 * MIB
    assert all(torch.equal(tensor_of(full, n)[0, :16].cpu(), mark) for n, mark in marks.items())
    assert full.use(pages[-1]) == "refused"
    del block
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    full.vbar.prioritize()
    assert [full.use(n) for n in pages[:-2]] == ["kept"] * len(left) + ["new"] * (len(pages) - 2 - len(left))


def test_out_of_memory_where_all_pages_are_in_use_and_none_after_that(full, account):
    pages = full.resident(account)
    for n in pages:
        full.pin(n)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        torch.empty(800 * MIB, dtype=torch.uint8, device="cuda:0")
    assert full.resident(account) == pages
    for n in pages:
        full.unpin(n)
    block = torch.empty(800 * MIB, dtype=torch.uint8, device="cuda:0")
    source = values(1024, seed=1)
    block.view(torch.float32)[:1024].copy_(source)
    assert torch.equal(block.view(torch.float32)[:1024].cpu(), source)


class Offloaded:
    """ComfyUI's way with a layer, in short: a weight is faulted in, and copied in when it is new; a refused one comes
    by a buffer at each use, in one of two streams, which the buffer's next user waits for."""

    def __init__(self, count, device):
        self.device = torch.device("cuda", device)
        self.sources = [values(*SHAPE, seed=n).pin_memory() for n in range(3)]
        self.model = Weights(count, device)
        self.streams = [torch.cuda.Stream(self.device) for _ in range(2)]
        self.buffers = [VRAMBuffer(PAGE, device) for _ in range(2)]
        self.uses = 0

    def source(self, n):
        return self.sources[n % len(self.sources)]

    def layer(self, n, x):
        """The product, and what was done about the weight."""
        done = self.model.fault(n)
        if done == "refused":
            turn = self.uses % 2
            self.uses += 1
            stream = self.streams[turn]
            stream.wait_stream(torch.cuda.current_stream(self.device))
            weight = aimdo_to_tensor(self.buffers[turn].get(PAGE), self.device).view(torch.float32).view(SHAPE)
            with torch.cuda.stream(stream):
                weight.copy_(self.source(n), non_blocking=True)
            torch.cuda.current_stream(self.device).wait_stream(stream)
        else:
            weight = tensor_of(self.model, n)
            if done == "new":
                weight.copy_(self.source(n), non_blocking=True)
        y = torch.nn.functional.linear(x, weight[::ROWS_APART])
        if done != "refused":
            self.model.unpin(n)
        return y, done

    def run(self, xs, expected):
        """All layers; tells what was done about each weight."""
        told = []
        for n in range(len(self.model.weights)):
            y, done = self.layer(n, xs[n % len(xs)].to(self.device, non_blocking=True))
            assert close(y, expected[n % len(self.sources)][n % len(xs)]), n
            told.append(done)
        return told


def kept(told):
    """How many weights from the first on were still there; all others must have been refused."""
    count = told.count("kept")
    assert told == ["kept"] * count + ["refused"] * (len(told) - count)
    return count


def test_a_model_larger_than_the_card_runs_right(aimdo, account):
    """28 weights of a page for a card with room for about 20; then PyTorch needs room in the middle of things. Every
    two seconds comfy-aimdo looks at the card itself, sees what it has not counted (contexts, kernels), and may lower
    the watermark."""
    with torch.cuda.device(1):
        model = Offloaded(28, device=1)
        xs = [values(4, SHAPE[1], seed=100 + n) for n in range(2)]
        expected = [[torch.nn.functional.linear(x, source[::ROWS_APART]) for x in xs] for source in model.sources]
        first = model.run(xs, expected)
        assert first.count("new") >= 4 and first == ["new"] * first.count("new") + ["refused"] * first.count("refused")
        before = kept(model.run(xs, expected))
        there = model.model.resident(account)
        assert 8 <= before <= 26 and there == list(range(len(there))) and len(there) <= before
        block = torch.empty(100 * MIB, dtype=torch.uint8, device="cuda:1")
        assert account.bytes_at(block.data_ptr(), 100 * MIB) == {"cuda:1": 100 * MIB}
        fewer = len(model.model.resident(account))
        assert 0 < fewer < len(there)
        assert kept(model.run(xs, expected)) <= fewer
        del block
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        fewer = len(model.model.resident(account))
        model.model.vbar.prioritize()
        last = model.run(xs, expected)
        assert last[: fewer + 1] == ["kept"] * fewer + ["new"] and last[-1] == "refused"
        torch.cuda.synchronize()


def test_the_other_device_keeps_its_pages_under_pytorchs_pressure(full, account):
    pages = full.resident(account)
    block = torch.empty(400 * MIB, dtype=torch.uint8, device="cuda:1")
    assert account.bytes_at(block.data_ptr(), 400 * MIB) == {"cuda:1": 400 * MIB}
    assert full.resident(account) == pages


@pytest.mark.skipif(
    pathlib.Path(os.environ.get("VRAMSPAN_POLICY", "")).name != "policy.yaml" or "LD_PRELOAD" not in os.environ,
    reason="libvramspan.so is not preloaded with tests/torch/policy.yaml",
)
def test_the_library_places_weights_while_pages_go(full, account, tmp_path):
    """Three weights that the policy puts onto cuda:0, cuda:1 and into the host's memory; then PyTorch needs room."""
    from safetensors.torch import load_file, save_file

    path = tmp_path / "three.safetensors"
    save_file({f"layer.{n}.weight": values(2048, 3072, seed=n) for n in range(3)}, path)
    cpu = load_file(path)
    placed = [cpu[name].to("cuda:0") for name in sorted(cpu)]
    at = [account.bytes_at(weight.data_ptr(), 24 * MIB) for weight in placed]
    assert at == [{place: 24 * MIB} for place in ("cuda:0", "cuda:1", "host")]
    pages = full.resident(account)
    block = torch.empty(800 * MIB, dtype=torch.uint8, device="cuda:0")
    assert account.bytes_at(block.data_ptr(), 800 * MIB) == {"cuda:0": 800 * MIB}
    assert len(full.resident(account)) < len(pages)
    assert [account.bytes_at(weight.data_ptr(), 24 * MIB) for weight in placed] == at
    assert all(torch.equal(weight.cpu(), cpu[name]) for weight, name in zip(placed, sorted(cpu), strict=True))
