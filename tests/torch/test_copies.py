"""Copies in all directions keep every bit."""

import pytest
import torch
from bits import DTYPES, random_bits, same_bits

SIZES = (1, 3, 511, 4096, (1 << 20) + 1, 32 << 20)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pinned", [False, True], ids=["pageable", "pinned"])
def test_host_to_device_and_back(size, pinned):
    source = random_bits(size, seed=size, pin=pinned)
    assert same_bits(source.to("cuda:0"), source)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype):
    source = random_bits((37, 61), dtype)
    assert same_bits(source.to("cuda:0"), source)


def test_pinned_and_non_blocking_both_ways():
    source = random_bits(8 << 20, seed=1, pin=True)
    target = torch.zeros(8 << 20, dtype=torch.uint8).pin_memory()
    device = source.to("cuda:0", non_blocking=True)
    target.copy_(device, non_blocking=True)
    torch.cuda.synchronize()
    assert same_bits(target, source)


def test_non_blocking_copy_of_a_pageable_source_reads_it_at_the_call():
    source = random_bits(1 << 20, seed=2)
    expected = source.clone()
    device = source.to("cuda:0", non_blocking=True)
    source.zero_()
    assert same_bits(device, expected)


def test_device_to_device_on_one_device():
    source = random_bits((1 << 20) + 7, seed=3).to("cuda:0")
    copy = source.clone()
    assert copy.data_ptr() != source.data_ptr()
    assert same_bits(copy, source)
    source.copy_(random_bits((1 << 20) + 7, seed=4))
    assert same_bits(copy, random_bits((1 << 20) + 7, seed=3))


@pytest.mark.parametrize("way", [("cuda:0", "cuda:1"), ("cuda:1", "cuda:0")], ids="->".join)
@pytest.mark.parametrize("non_blocking", [False, True])
def test_from_device_to_device(second_device, way, non_blocking):
    source = random_bits((3 << 20) + 5, seed=5)
    first = source.to(way[0])
    second = first.to(way[1], non_blocking=non_blocking)
    assert second.device == torch.device(way[1])
    assert same_bits(second, source)
    assert same_bits(first, source)


def test_round_over_all_devices_many_times(second_device):
    tensor = source = random_bits(1 << 16, seed=6)
    for _ in range(20):
        tensor = tensor.to("cuda:0").to("cuda:1").to("cpu").to("cuda:1").to("cuda:0")
    assert same_bits(tensor, source)


def test_slice_is_copied_to_its_place_and_nothing_beside_it():
    device = random_bits(1 << 20, seed=7).to("cuda:0")
    part = random_bits(1001, seed=8)
    device[12345 : 12345 + 1001].copy_(part)
    expected = random_bits(1 << 20, seed=7)
    expected[12345 : 12345 + 1001] = part
    assert same_bits(device, expected)
    assert same_bits(device[12340:12350].cpu(), expected[12340:12350])


def test_slice_within_one_device():
    device = random_bits((64, 1024), seed=9).to("cuda:0")
    device[3:20].copy_(device[40:57])
    expected = random_bits((64, 1024), seed=9)
    expected[3:20] = expected[40:57].clone()
    assert same_bits(device, expected)


def test_transposed_tensor_keeps_its_layout():
    source = random_bits((300, 500), torch.float16, seed=10).t()
    device = source.to("cuda:0")
    assert device.stride() == source.stride()
    assert same_bits(device.t().cpu(), source.t())
    assert same_bits(device.cpu(), source)


def test_channels_last_tensor_keeps_its_layout():
    source = random_bits((2, 8, 16, 16), torch.float16, seed=11).to(memory_format=torch.channels_last)
    device = source.to("cuda:0")
    assert device.is_contiguous(memory_format=torch.channels_last)
    assert same_bits(device.cpu(), source)


def test_columns_of_a_host_tensor():
    source = random_bits((257, 129), torch.float32, seed=12)[:, 5:77]
    assert not source.is_contiguous()
    assert same_bits(source.to("cuda:0"), source.contiguous())


def test_empty_tensor():
    assert torch.empty(0, 5).to("cuda:0").cpu().shape == (0, 5)


def test_pinned_memory_is_known_as_such():
    assert random_bits(4096, pin=True).is_pinned()
    assert not random_bits(4096).is_pinned()


def test_account_sees_the_bytes_that_were_copied(account):
    if account is None:
        pytest.skip("no simulated CUDA")
    import xxhash

    source = random_bits((5 << 20) + 3, seed=13)
    device = source.to("cuda:0")
    torch.cuda.synchronize()
    assert account.hash(device.data_ptr(), device.nbytes) == xxhash.xxh3_64_intdigest(source.numpy())
