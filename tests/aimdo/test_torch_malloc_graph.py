"""comfy-aimdo's plan of a loop's memory (comfy_aimdo.malloc_graph, for ComfyUI's compiler): what PyTorch allocates in
stream order inside a recording lies in mapped memory of comfy-aimdo's own, at the same places in each turn."""

import gc

import pytest
import torch
from driver import MIB, PAGE
from vbars import Weights

WIDTH = 4096  # activations of 32 MiB, fp32


@pytest.fixture(autouse=True)
def stream_ordered(request):
    if request.config.getoption("--allocator") != "cudaMallocAsync":
        pytest.skip("watches cuMemAllocAsync only")


def values(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_each_turn_has_the_same_memory_and_the_right_result(aimdo, account):
    weight, inputs = values(16, WIDTH, seed=1), [values(2048, 16, seed=10 + n) for n in range(4)]
    on_device = weight.cuda()
    inputs[0].cuda() @ on_device  # cuBLAS makes its workspace
    torch.cuda.synchronize()
    gc.collect()
    torch.cuda.empty_cache()
    before, entered = account.bytes_used()["cuda:0"], account.calls("cuMemAllocAsync")
    graph = aimdo.record(torch.cuda.current_stream())
    graph.push("turn")
    places = set()
    for x in inputs:
        first = x.cuda() @ on_device
        copies = [first.clone(), first.clone()]
        del first
        last = copies.pop().clone()
        assert torch.allclose(last[:8].cpu(), x[:8] @ weight, atol=1e-3)
        assert account.bytes_at(last.data_ptr(), 32 * MIB) == {"cuda:0": 32 * MIB}
        places.add(last.data_ptr())
        del last, copies
        graph.iterate("turn")
    assert len(places) == 1
    assert account.calls("cuMemAllocAsync") == entered  # the driver's own pool had no part in it
    taken = account.bytes_used()["cuda:0"] - before
    assert 3 * 32 * MIB <= graph.peak_used <= taken == graph.physical_bytes < 4 * 32 * MIB
    graph.pop()
    del graph
    torch.cuda.synchronize()
    assert account.bytes_used()["cuda:0"] == before


def test_a_recording_makes_pages_go(aimdo, account):
    """The memory of a recording ranks above pages, as any other allocation does."""
    weights = Weights(64)
    weights.use_all()
    pages = weights.resident(account)
    graph = aimdo.record(torch.cuda.current_stream())
    graph.push("turn")
    block = torch.empty(640 * MIB, dtype=torch.uint8, device="cuda:0")
    assert account.bytes_at(block.data_ptr(), 640 * MIB) == {"cuda:0": 640 * MIB}
    left = weights.resident(account)
    assert left == pages[: len(left)] and len(pages) - len(left) >= 500 * MIB // PAGE
    del block
    graph.pop()
    del graph
    torch.cuda.synchronize()
