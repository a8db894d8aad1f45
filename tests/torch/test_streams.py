"""Streams and events: order is kept where it is asked for, and memory in use is not handed out again."""

import pytest
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


def test_an_event_that_was_never_recorded_is_done_and_keeps_nobody_waiting():
    event, stream = torch.cuda.Event(), torch.cuda.Stream()
    assert event.query()
    stream.wait_event(event)
    event.synchronize()
    stream.synchronize()


def test_times_are_asked_of_events_with_timing_only():
    first, last = torch.cuda.Event(), torch.cuda.Event()
    first.record()
    last.record()
    last.synchronize()
    with pytest.raises((RuntimeError, ValueError)):
        first.elapsed_time(last)


def test_an_event_may_be_recorded_again():
    """A wait means the recording before it: the second one comes too late for it."""
    source = random_bits(1 << 20, seed=5, pin=True)
    upload, reader = torch.cuda.Stream(), torch.cuda.Stream()
    device, copy = (torch.zeros(1 << 20, dtype=torch.uint8).cuda() for _ in range(2))
    torch.cuda.synchronize()
    event = torch.cuda.Event()
    for n in range(3):
        with torch.cuda.stream(upload):
            upload.wait_stream(reader)
            source.copy_(random_bits(1 << 20, seed=n))
            device.copy_(source, non_blocking=True)
            event.record(upload)
        reader.wait_event(event)
        with torch.cuda.stream(reader):
            copy.copy_(device, non_blocking=True)
        reader.synchronize()
        assert same_bits(copy, random_bits(1 << 20, seed=n))


def test_the_current_stream_is_the_one_of_the_innermost_block():
    outer, inner = torch.cuda.Stream(), torch.cuda.Stream(priority=-1)
    default = torch.cuda.default_stream()
    assert torch.cuda.current_stream() == default
    with torch.cuda.stream(outer):
        with torch.cuda.stream(inner):
            assert torch.cuda.current_stream() == inner
        assert torch.cuda.current_stream() == outer
    assert torch.cuda.current_stream() == default


def test_priorities_are_the_devices():
    least, greatest = torch.cuda.Stream.priority_range()
    assert greatest < least == 0
    assert torch.cuda.Stream(priority=greatest).priority == greatest
    assert torch.cuda.Stream(priority=0).priority == 0


def test_a_stream_from_elsewhere_is_the_same_stream():
    stream = torch.cuda.Stream()
    same = torch.cuda.ExternalStream(stream.cuda_stream)
    with torch.cuda.stream(same):
        block = random_bits(1 << 20, seed=6, pin=True).to("cuda:0", non_blocking=True)
    stream.synchronize()
    assert same.query()
    assert same_bits(block, random_bits(1 << 20, seed=6))
