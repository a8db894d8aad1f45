"""Pages are taken away while work that uses them is queued. comfy-aimdo waits for the current context first, in each
way to take pages; the simulator breaks the context where it does not (rule unmap_pending; cuda.h promises no wait in
cuMemUnmap).

In the order `late` (run.py) the work is really undone at that moment; the last tests show that, by what aimdo lacks."""

import ctypes
import os
import subprocess
import sys

import pytest
from driver import ILLEGAL_ADDRESS, MIB, PAGE
from vbars import Weights, random_bytes


def close(weights, driver):
    weights.vbar.close()


def lower_the_watermark(weights, driver):
    weights.vbar.set_watermark(0)


def ask_memory_back(weights, driver):
    weights.vbar.free_memory(4 * PAGE)


def unpin_above_the_watermark(weights, driver):
    weights.pin(0)
    weights.vbar.set_watermark(0)
    weights.unpin(0)


def allocate(weights, driver):
    driver.free(driver.allocate(1500 * MIB))


def allocate_in_stream_order(weights, driver):
    driver.free(driver.allocate(1500 * MIB, "cuMemAllocAsync"), "cuMemFreeAsync")


def fault_elsewhere(weights, driver):
    Weights(60).use_all()


def grow_a_buffer(weights, driver):
    from comfy_aimdo.vram_buffer import VRAMBuffer

    VRAMBuffer(1500 * MIB, 0).get(1400 * MIB)


WAYS = (close, lower_the_watermark, ask_memory_back, unpin_above_the_watermark, allocate, allocate_in_stream_order,
        fault_elsewhere, grow_a_buffer)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_queued_copies_are_waited_for_before_a_page_goes(aimdo, account, driver, way):
    """To and from a page, in two streams that wait for nobody."""
    weights = Weights(4)
    weights.use_all()
    source, target = driver.pinned(8 * MIB), driver.pinned(8 * MIB)
    data = random_bytes(8 * MIB, seed=1)
    ctypes.memmove(source, data, len(data))
    driver.write(weights.address(3), data)
    driver.copy_in(weights.address(0), source, 8 * MIB, driver.stream())
    driver.copy_out(target, weights.address(3), 8 * MIB, driver.stream())
    way(weights, driver)
    assert account.bytes_at(weights.address(0), PAGE) == {}
    driver.synchronize()  # an illegal address would be told here, and for ever
    assert ctypes.string_at(target, 8 * MIB) == data


NOT_WAITED_FOR = """
import ctypes, gc, os, sys
sys.path[:0] = {path!r}
from comfy_aimdo import control
control.init("cuda")
control.set_log_none()
from driver import MIB, PAGE, Driver, DriverError
driver = Driver()
control.init_devices([0, 1])
from vbars import Weights
from comfy_aimdo.vram_buffer import VRAMBuffer
source = driver.pinned(8 * MIB)
driver.use({device})
stream = driver.stream()
{body}
try:
    for device in (0, 1):
        driver.use(device)
        driver.synchronize()
    print(0)
except DriverError as error:
    print(error.result)
sys.stdout.flush()
os._exit(0)  # an end in order would report the broken context again
"""
BUFFER = """
buffer = VRAMBuffer(64 * MIB, {device})
driver.copy_in(buffer.get(20 * MIB)[1], source, 8 * MIB, stream)
{wait}
del buffer
gc.collect()
"""
OTHER_DEVICE = """
weights = Weights(2, device=1)
weights.use_all()
driver.copy_in(weights.address(0), source, 8 * MIB, stream)
driver.use({current})
weights.vbar.free_memory(2 * PAGE)
"""


def outcome(body, device=0):
    script = NOT_WAITED_FOR.format(path=sys.path[:2], body=body, device=device)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "SIMCUDA_ORDER": "late"})
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_buffer_must_be_waited_for_by_its_owner():
    """VRAMBuffer unmaps at once: whoever drops one with work queued breaks the context."""
    assert outcome(BUFFER.format(device=0, wait="")) == ILLEGAL_ADDRESS
    assert outcome(BUFFER.format(device=0, wait="driver.synchronize()")) == 0


def test_pages_of_a_device_that_is_not_current_are_not_waited_for():
    """It waits for the current context, whichever device the pages are of."""
    assert outcome(OTHER_DEVICE.format(current=0), device=1) == ILLEGAL_ADDRESS
    assert outcome(OTHER_DEVICE.format(current=1), device=1) == 0
