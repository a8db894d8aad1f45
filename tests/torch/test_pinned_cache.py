"""PyTorch's cache of pinned memory (ATen/core/CachingHostAllocator.h): blocks are powers of two, come back to the cache when
they are dropped, and are handed out again only when the copies that read them are done."""

import gc

import pytest
import torch
from bits import random_bits, same_bits

MIB = 1 << 20

pytestmark = pytest.mark.usefixtures("pages_at_home")  # pages away would count among what the host holds


def empty_host_cache():
    gc.collect()
    torch.cuda.synchronize()
    torch._C._host_emptyCache()


@pytest.fixture
def empty_cache():
    torch.empty(1, device="cuda:0")
    empty_host_cache()
    yield
    empty_host_cache()


def pinned(size):
    return torch.empty(size, dtype=torch.uint8, pin_memory=True)


def test_a_dropped_block_is_handed_out_again_without_a_call(empty_cache, account):
    block = pinned(4 * MIB)
    address = block.data_ptr()
    calls = account and account.calls("cuMemHostAlloc")
    del block
    again = pinned(4 * MIB)
    assert again.data_ptr() == address
    if account:
        assert account.calls("cuMemHostAlloc") == calls


def test_blocks_are_powers_of_two(empty_cache, account):
    if account is None:
        pytest.skip("no simulated CUDA")
    before = account.bytes_used().get("host", 0)
    block = pinned(5 * MIB)
    assert account.bytes_used()["host"] - before == 8 * MIB
    assert account.bytes_at(block.data_ptr(), 5 * MIB) == {"host": 5 * MIB}


def test_emptying_the_cache_unpins_what_nobody_holds(empty_cache, account):
    if account is None:
        pytest.skip("no simulated CUDA")
    before = account.bytes_used().get("host", 0)
    kept, dropped = pinned(2 * MIB), pinned(16 * MIB)
    assert account.bytes_used()["host"] - before == 18 * MIB
    del dropped
    assert account.bytes_used()["host"] - before == 18 * MIB, "dropping gives it to the cache"
    empty_host_cache()
    assert account.bytes_used()["host"] - before == 2 * MIB
    assert account.bytes_at(kept.data_ptr(), 2 * MIB) == {"host": 2 * MIB}


def test_a_block_that_a_copy_still_reads_is_not_handed_out(empty_cache):
    """Each upload's source is dropped at once, and a new block is written at once."""
    uploads = []
    for n in range(12):
        source = pinned(MIB)
        source.copy_(random_bits(MIB, seed=n))
        uploads.append(source.to("cuda:0", non_blocking=True))
        del source
    for n, upload in enumerate(uploads):
        assert same_bits(upload, random_bits(MIB, seed=n))


def test_a_download_into_a_dropped_block_does_not_reach_its_next_owner(empty_cache):
    source = random_bits(MIB, seed=1).to("cuda:0")
    stream = torch.cuda.Stream()
    for n in range(12):
        target = pinned(MIB)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            target.copy_(source, non_blocking=True)
        del target
        mine = pinned(MIB)
        mine.copy_(random_bits(MIB, seed=2 + n))
        stream.synchronize()
        assert same_bits(mine, random_bits(MIB, seed=2 + n))


def test_statistics_count_what_is_pinned(empty_cache):
    if not hasattr(torch.cuda, "host_memory_stats"):
        pytest.skip("this PyTorch keeps no statistics of pinned memory")
    torch.cuda.reset_peak_host_memory_stats()
    before = torch.cuda.host_memory_stats()
    block = pinned(4 * MIB)
    during = torch.cuda.host_memory_stats()
    assert during["allocated_bytes.current"] - before["allocated_bytes.current"] == 4 * MIB
    del block
    empty_host_cache()
    after = torch.cuda.host_memory_stats()
    assert after["allocated_bytes.current"] == before["allocated_bytes.current"]
    assert after["allocated_bytes.peak"] >= before["allocated_bytes.current"] + 4 * MIB
