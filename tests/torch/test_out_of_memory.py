"""Out of memory as PyTorch's documentation tells it: cached blocks are given back and the request is made again before it
fails, a failure is counted, and the program goes on. The probe for all that is free is what cudnn.benchmark makes."""

import pytest
import torch

MIB = 1 << 20
GIB = 1 << 30


pytestmark = pytest.mark.usefixtures("nothing_cached")


@pytest.fixture
def counters(allocator):
    """How often the allocator emptied its cache to try again, and how often that did not help."""
    if allocator == "cudaMallocAsync":
        pytest.skip("cudaMallocAsync does not count these")

    def count():
        stats = torch.cuda.memory_stats()
        return stats["num_alloc_retries"], stats["num_ooms"]

    return count


def block(size):
    return torch.empty(size, dtype=torch.uint8, device="cuda:0")


def test_a_probe_for_all_that_is_free_works_or_is_refused_and_leaves_no_trace(account):
    """cudnn.benchmark asks for the largest workspace that any algorithm could use (ATen/native/cudnn/Conv_v7.cpp), and takes
    a smaller one where it is refused."""
    free = torch.cuda.mem_get_info()[0]
    used = account and account.bytes_used()
    weight = torch.arange(1000, dtype=torch.float32).cuda()
    for part in (1, 2, 4):
        probe = None
        try:
            probe = block(torch.cuda.mem_get_info()[0] // part)
        except torch.cuda.OutOfMemoryError:
            assert part == 1, "half of what is free can be had"
        if probe is not None and account:
            assert account.bytes_used()["cuda:0"] >= used.get("cuda:0", 0) + probe.numel()
        del probe
        torch.cuda.empty_cache()
    assert torch.equal(weight.cpu(), torch.arange(1000, dtype=torch.float32))
    del weight
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert torch.cuda.mem_get_info()[0] == free
    if account:
        assert account.bytes_used() == used


def test_one_byte_more_than_is_free_is_refused():
    with pytest.raises(torch.cuda.OutOfMemoryError):
        block(torch.cuda.mem_get_info()[0] + 2 * MIB)
    assert block(MIB).numel() == MIB


def test_cached_blocks_are_given_back_before_a_request_fails(account):
    free = torch.cuda.mem_get_info()[0]
    cached = [block(GIB) for _ in range(int(free * 0.6) // GIB)]
    del cached
    torch.cuda.synchronize()
    large = block(int(free * 0.8))
    assert large.numel() == int(free * 0.8)
    if account:
        assert account.bytes_at(large.data_ptr(), large.numel()) == {"cuda:0": large.numel()}


def test_a_request_made_again_with_success_counts_as_a_retry(counters, allocator):
    free = torch.cuda.mem_get_info()[0]
    cached = [block(GIB) for _ in range(int(free * 0.6) // GIB)]
    del cached
    retries, failures = counters()
    block(int(free * 0.8))
    # An expandable segment that is free is a part of the new block: nothing has to be given back.
    assert counters() == (retries + (allocator == "native"), failures)


def test_a_refused_request_is_counted_once(counters):
    retries, failures = counters()
    with pytest.raises(torch.cuda.OutOfMemoryError):
        block(torch.cuda.mem_get_info()[1] + GIB)
    assert counters() == (retries + 1, failures + 1)


def test_work_goes_on_after_a_refusal_in_the_middle_of_it():
    generator = torch.Generator().manual_seed(5)
    a, b = torch.randn(64, 64, generator=generator), torch.randn(64, 64, generator=generator)
    left, right = a.cuda(), b.cuda()
    product = left @ right
    with pytest.raises(torch.cuda.OutOfMemoryError):
        block(1 << 50)
    assert torch.allclose((product @ right).cpu(), a @ b @ b, atol=1e-3)


def test_a_fraction_of_the_card_is_the_limit_that_was_set(allocator):
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(0.25)
    try:
        with pytest.raises(torch.cuda.OutOfMemoryError):
            block(total // 4 + GIB)
        assert block(total // 4 - GIB).numel() == total // 4 - GIB
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()
    assert block(total // 2).numel() == total // 2


def test_peaks_are_those_since_they_were_reset():
    before = torch.cuda.memory_allocated()
    first = block(64 * MIB)
    del first
    torch.cuda.synchronize()
    assert torch.cuda.max_memory_allocated() >= before + 64 * MIB
    torch.cuda.reset_peak_memory_stats()
    assert torch.cuda.max_memory_allocated() == torch.cuda.memory_allocated()
    second = block(8 * MIB)
    assert torch.cuda.max_memory_allocated() == before + 8 * MIB
    del second


def test_a_snapshot_names_the_segments_and_blocks(allocator):
    if allocator == "cudaMallocAsync":
        pytest.skip("cudaMallocAsync has no segments")
    kept = block(3 * MIB)
    segments = [s for s in torch.cuda.memory_snapshot() if s["address"] <= kept.data_ptr() < s["address"] + s["total_size"]]
    assert len(segments) == 1
    assert segments[0]["device"] == 0
    assert [b["size"] for b in segments[0]["blocks"] if b["state"] == "active_allocated"] == [3 * MIB]
