"""PyTorch's own statistics, its cache, and running out of memory."""

import gc

import pytest
import torch

MIB = 1 << 20
GIB = 1 << 30


def statistics(device=0):
    stats = torch.cuda.memory_stats(device)
    return {key: stats.get(f"{key}_bytes.all.current", 0) for key in ("allocated", "active", "reserved")}


@pytest.fixture
def baseline(nothing_cached):
    return statistics()


@pytest.mark.parametrize("size", [1, 4096, MIB, 3 * MIB, 20 * MIB + 1])
def test_statistics_rise_and_fall_by_what_is_allocated(baseline, size):
    block = torch.empty(size, dtype=torch.uint8, device="cuda:0")
    rounded = -(-size // 512) * 512
    during = statistics()
    assert size <= during["allocated"] - baseline["allocated"] <= rounded
    assert during["reserved"] >= during["allocated"]
    assert torch.cuda.max_memory_allocated() >= during["allocated"]
    del block
    torch.cuda.synchronize()  # a free in stream order counts when the host has seen it done
    assert statistics()["allocated"] == baseline["allocated"]


def test_free_plus_reserved_never_exceeds_total(baseline):
    blocks = []
    for n in range(40):
        blocks.append(torch.empty((n % 7 + 1) * 3 * MIB, dtype=torch.uint8, device="cuda:0"))
        if n % 3 == 0:
            blocks.pop(0)
        free, total = torch.cuda.mem_get_info(0)
        assert free + torch.cuda.memory_reserved(0) <= total


def test_empty_cache_gives_everything_back(baseline, account):
    before = torch.cuda.mem_get_info(0)[0]
    used_before = account.bytes_used() if account else None
    blocks = [torch.empty(size * MIB, dtype=torch.uint8, device="cuda:0") for size in (1, 2, 7, 15, 33, 200)]
    assert torch.cuda.mem_get_info(0)[0] <= before - 258 * MIB
    del blocks
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert statistics() == baseline
    assert torch.cuda.mem_get_info(0)[0] == before
    if account:
        assert account.bytes_used() == used_before


def test_more_than_the_card_has_is_refused_and_the_next_request_works(baseline):
    free, total = torch.cuda.mem_get_info(0)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        torch.empty(total + GIB, dtype=torch.uint8, device="cuda:0")
    small = torch.ones(1000).cuda()
    assert small.cpu().sum() == 1000
    assert torch.cuda.mem_get_info(0)[0] <= free


def test_filled_card_refuses_and_recovers(baseline):
    before = torch.cuda.mem_get_info(0)[0]
    blocks = []
    with pytest.raises(torch.cuda.OutOfMemoryError):
        for _ in range(1000):
            blocks.append(torch.empty(GIB, dtype=torch.uint8, device="cuda:0"))
    assert len(blocks) == before // GIB
    blocks[-1][:8].copy_(torch.arange(8, dtype=torch.uint8))
    assert blocks[-1][:8].cpu().tolist() == list(range(8))
    del blocks[0]
    torch.cuda.synchronize()
    again = torch.empty(GIB, dtype=torch.uint8, device="cuda:0")
    del again, blocks
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert torch.cuda.mem_get_info(0)[0] == before


def test_one_full_card_leaves_the_other_usable(baseline, second_device):
    blocks = []
    with pytest.raises(torch.cuda.OutOfMemoryError):
        while True:
            blocks.append(torch.empty(GIB, dtype=torch.uint8, device="cuda:0"))
    other = torch.full((1000,), 7.0).to(second_device)
    assert other.cpu().sum() == 7000


def test_thousands_of_small_allocations(baseline):
    kept = {}
    generator = torch.Generator().manual_seed(1)
    for n in range(3000):
        size = int(torch.randint(1, 70000, (), generator=generator))
        kept[n % 97] = (n, torch.full((size,), n % 251, dtype=torch.uint8).cuda())
    for n, tensor in kept.values():
        assert torch.equal(tensor.cpu(), torch.full(tensor.shape, n % 251, dtype=torch.uint8))
    kept.clear()
    del tensor
    torch.cuda.synchronize()
    assert statistics()["allocated"] == baseline["allocated"]
