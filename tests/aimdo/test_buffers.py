"""What feeds pages: files read through pinned windows, host buffers, mapped models; and buffers for refused weights."""

import ctypes
import os

import pytest
import xxhash
from comfy_aimdo import host_buffer, model_mmap
from comfy_aimdo.model_vbar import ModelVBAR, vbar_fault, vbar_unpin
from comfy_aimdo.vram_buffer import VRAMBuffer
from driver import MIB, PAGE
from vbars import Weights, random_bytes

CHUNK = 16 * MIB  # of a VRAMBuffer: comfy_aimdo/vram_buffer.py
WINDOW = 64 * MIB  # of the file reader
FILE_BYTES = 70 * MIB + 12345


@pytest.fixture(scope="module")
def data():
    return random_bytes(FILE_BYTES, seed=3)


@pytest.fixture(scope="module")
def path(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("aimdo") / "model.bin"
    path.write_bytes(data)
    return path


@pytest.fixture
def weight(aimdo):
    """A pinned weight of 160 MiB on device 0: (its VBAR, address, size)."""
    vbar = ModelVBAR(160 * MIB, 0)
    weight = vbar.alloc(160 * MIB)
    assert vbar_fault(weight)
    yield weight
    vbar_unpin(weight)
    host_buffer.cleanup_file_reader()
    vbar.close()


@pytest.mark.parametrize("stream", ["default", "other"])
def test_a_file_is_read_into_pages_through_pinned_windows(weight, account, driver, path, data, stream):
    """More than one window, from an odd place of the file to an odd place of a page, and another part behind it."""
    stream = driver.stream().value if stream == "other" else 0
    before = account.bytes_used().get("host", 0)
    with open(path, "rb") as file:
        host_buffer.read_file_to_device(file, 777, FILE_BYTES - 777, stream, weight[1] + 4099, 0)
        host_buffer.read_file_to_device(file, 0, 5 * MIB, stream, weight[1] + 100 * MIB, 0)
    assert account.bytes_used()["host"] - before in (WINDOW, 2 * WINDOW)
    driver.synchronize()
    assert account.hash(weight[1] + 4099, FILE_BYTES - 777) == xxhash.xxh3_64_intdigest(data[777:])
    assert account.hash(weight[1] + 100 * MIB, 5 * MIB) == xxhash.xxh3_64_intdigest(data[: 5 * MIB])
    host_buffer.lib.hostbuf_file_reader_cleanup()


def test_windows_are_used_again_only_when_their_copies_are_done(weight, account, driver, path, data):
    """Twenty reads of 10 MiB in turn in two streams: each is another part of the file, none may overwrite another's."""
    streams = [driver.stream().value, driver.stream().value]
    parts = [(n * 3 * MIB + n, weight[1] + (n % 16) * 10 * MIB) for n in range(20)]
    with open(path, "rb") as file:
        for n, (offset, address) in enumerate(parts):
            if n == 16:
                driver.synchronize()  # from here on places of the device are written again
            host_buffer.read_file_to_device(file, offset, 10 * MIB, streams[n % 2], address, 0)
    driver.synchronize()
    for offset, address in parts[4:]:
        assert account.hash(address, 10 * MIB) == xxhash.xxh3_64_intdigest(data[offset : offset + 10 * MIB])


def test_the_second_device_reads_files_too(aimdo, account, driver, path, data):
    driver.use(1)
    vbar = ModelVBAR(64 * MIB, 1)
    weight = vbar.alloc(40 * MIB)
    assert vbar_fault(weight)
    with open(path, "rb") as file:
        host_buffer.read_file_to_device(file, MIB, 40 * MIB, 0, weight[1], 1)
    driver.synchronize()
    assert account.bytes_at(weight[1], 40 * MIB) == {"cuda:1": 40 * MIB}
    assert account.hash(weight[1], 40 * MIB) == xxhash.xxh3_64_intdigest(data[MIB : 41 * MIB])
    host_buffer.cleanup_file_reader()
    vbar_unpin(weight)
    vbar.close()


def test_pages_are_written_to_a_file(weight, account, driver, tmp_path, data):
    driver.write(weight[1], data)
    with open(tmp_path / "out.bin", "wb+") as file:
        host_buffer.write_device_to_file(file, 100, FILE_BYTES, 0, weight[1], 0)
        file.seek(100)
        assert file.read() == data
    host_buffer.cleanup_file_reader()


def test_a_host_buffer_is_pinned_as_far_as_it_reaches(aimdo, account, driver, path, data):
    before = account.bytes_used().get("host", 0)
    buffer = host_buffer.HostBuffer(0, max_grow_size=64 * MIB)
    buffer.extend(4 * MIB)
    assert account.bytes_used()["host"] == before + 4 * MIB
    buffer.extend(12 * MIB)
    assert account.bytes_used()["host"] == before + 16 * MIB
    with open(path, "rb") as file:
        buffer.read_file_slice(file, 99, 10 * MIB)
    assert ctypes.string_at(buffer.get_raw_address(), 10 * MIB) == data[99 : 99 + 10 * MIB]
    buffer.truncate(4 * MIB)
    assert account.bytes_used()["host"] == before + 4 * MIB
    del buffer
    assert account.bytes_used().get("host", 0) == before


def test_a_slice_goes_to_the_host_buffer_and_on_to_the_device(weight, account, driver, path, data):
    buffer = host_buffer.HostBuffer(32 * MIB)
    stream = driver.stream().value
    with open(path, "rb") as file:
        buffer.read_file_slice(file, 5, 30 * MIB, offset=MIB, stream=stream, device_ptr=weight[1] + 512, device=0)
    driver.synchronize()
    assert ctypes.string_at(buffer.get_raw_address() + MIB, 30 * MIB) == data[5 : 5 + 30 * MIB]
    assert account.hash(weight[1] + 512, 30 * MIB) == xxhash.xxh3_64_intdigest(data[5 : 5 + 30 * MIB])


def test_a_mapped_model_is_a_source_of_copies(weight, account, driver, path, data):
    model = model_mmap.ModelMMAP(path)
    driver.copy_in(weight[1], model.get(), FILE_BYTES)
    driver.synchronize()
    assert account.hash(weight[1], FILE_BYTES) == xxhash.xxh3_64_intdigest(data)
    assert os.pread(model.get_file_handle(), 16, 99) == data[99:115]
    assert model.bounce()
    assert ctypes.string_at(model.get() + 99, 4096) == data[99 : 99 + 4096]


def test_a_vram_buffer_grows_in_chunks_and_keeps_its_bytes(aimdo, account, driver):
    before = account.bytes_used()["cuda:0"]
    buffer = VRAMBuffer(100 * MIB, 0)
    assert account.bytes_used()["cuda:0"] == before
    _, address, _ = buffer.get(5 * MIB)
    assert account.bytes_at(address, 100 * MIB) == {"cuda:0": CHUNK}
    mark = random_bytes(5 * MIB, seed=1)
    driver.write(address, mark)
    again = buffer.get(20 * MIB, offset=30 * MIB)[1]
    assert again == address + 30 * MIB and account.bytes_at(address, 100 * MIB) == {"cuda:0": 4 * CHUNK}
    assert driver.read(address, 5 * MIB) == mark
    buffer.get(100 * MIB)
    assert account.bytes_at(address, 100 * MIB) == {"cuda:0": 100 * MIB}
    with pytest.raises(RuntimeError, match="grow"):
        buffer.get(7 * CHUNK + 1)
    driver.synchronize()
    del buffer, _
    assert account.bytes_used()["cuda:0"] == before


def test_a_vram_buffer_that_grows_makes_pages_go(aimdo, account, driver):
    weights = Weights(64)
    weights.use_all()
    pages = weights.resident(account)
    buffer = VRAMBuffer(800 * MIB, 0)
    address = buffer.get(600 * MIB)[1]
    assert account.bytes_at(address, 600 * MIB) == {"cuda:0": 600 * MIB}
    left = weights.resident(account)
    assert left == pages[: len(left)] and 500 * MIB < (len(pages) - len(left)) * PAGE <= 700 * MIB
    driver.synchronize()


def test_a_vram_buffer_that_does_not_fit_is_refused(aimdo, account, driver):
    """Nothing is there to be taken. What it got before the refusal stays, and comes back with it."""
    before = account.bytes_used()["cuda:0"]
    buffer = VRAMBuffer(3000 * MIB, 0)
    with pytest.raises(RuntimeError, match="grow"):
        buffer.get(2500 * MIB)
    driver.synchronize()
    del buffer
    assert account.bytes_used()["cuda:0"] == before
