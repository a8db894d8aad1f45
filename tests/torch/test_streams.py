"""Streams and events: order is kept where it is asked for, and memory in use is not handed out again."""

import torch
from bits import random_bits, same_bits


def test_event_orders_a_copy_on_another_stream():
    source = random_bits(16 << 20, seed=1, pin=True)
    upload, second = torch.cuda.Stream(), torch.cuda.Stream()
    device = torch.empty(16 << 20, dtype=torch.uint8, device="cuda:0")
    copy = torch.empty_like(device)
    torch.cuda.synchronize()
    done = torch.cuda.Event()
    with torch.cuda.stream(upload):
        device.copy_(source, non_blocking=True)
        done.record()
    with torch.cuda.stream(second):
        second.wait_event(done)
        copy.copy_(device, non_blocking=True)
    second.synchronize()
    assert same_bits(copy, source)


def test_wait_stream_orders_a_download():
    source = random_bits(4 << 20, seed=2, pin=True)
    target = torch.zeros(4 << 20, dtype=torch.uint8).pin_memory()
    upload, download = torch.cuda.Stream(), torch.cuda.Stream()
    with torch.cuda.stream(upload):
        device = source.to("cuda:0", non_blocking=True)
    download.wait_stream(upload)
    with torch.cuda.stream(download):
        target.copy_(device, non_blocking=True)
        device.record_stream(download)
    download.synchronize()
    assert same_bits(target, source)


def test_event_query_becomes_true_and_times_are_ordered():
    first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    first.record()
    blocks = [random_bits(1 << 20, seed=n, pin=True).to("cuda:0", non_blocking=True) for n in range(8)]
    last.record()
    last.synchronize()
    assert first.query() and last.query()
    assert first.elapsed_time(last) >= 0
    assert same_bits(blocks[7], random_bits(1 << 20, seed=7))


def test_query_does_not_stay_false_for_ever():
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        block = random_bits(1 << 20, seed=3, pin=True).to("cuda:0", non_blocking=True)
    for _ in range(10000):
        if stream.query():
            break
    assert stream.query()
    assert same_bits(block, random_bits(1 << 20, seed=3))


def test_memory_used_by_another_stream_is_not_reused_early():
    """record_stream: a block freed while another stream still reads it is given out only after that."""
    reader = torch.cuda.Stream()
    for n in range(20):
        target = torch.zeros(2 << 20, dtype=torch.uint8).pin_memory()
        block = random_bits(2 << 20, seed=n).to("cuda:0")
        reader.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(reader):
            target.copy_(block, non_blocking=True)
        block.record_stream(reader)
        del block
        overwritten = torch.zeros(2 << 20, dtype=torch.uint8).to("cuda:0")
        reader.synchronize()
        assert same_bits(target, random_bits(2 << 20, seed=n))
        del overwritten


def test_product_on_a_side_stream():
    generator = torch.Generator().manual_seed(4)
    a, b = torch.randn(64, 64, generator=generator), torch.randn(64, 64, generator=generator)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        result = a.cuda() @ b.cuda()
    stream.synchronize()
    assert torch.allclose(result.cpu(), a @ b, atol=1e-4)


def test_streams_of_both_devices(second_device):
    copies = []
    for n, device in enumerate(("cuda:0", second_device)):
        with torch.cuda.device(device), torch.cuda.stream(torch.cuda.Stream(device)):
            copies.append(random_bits(1 << 20, seed=n, pin=True).to(device, non_blocking=True))
    torch.cuda.synchronize("cuda:0")
    torch.cuda.synchronize(second_device)
    assert all(same_bits(copy, random_bits(1 << 20, seed=n)) for n, copy in enumerate(copies))
