"""comfy-aimdo starts: it finds its functions, patches six of them in place, counts what goes through them, and takes
the patches away at its end. Each case is a process of its own."""

import json
import os
import subprocess
import sys

import pytest
from driver import MIB, PATCHED

LOOK_UPS = 33  # of comfy-aimdo 0.6.0 on Linux

# What a process tells: the bytes at the entries of the driver's own functions before, during and after, and what comes of
# `body`.
PROCESS = """
import ctypes, gc, json, sys
sys.path[:0] = {path!r}
from comfy_aimdo import control
from driver import MIB, PATCHED, Driver
from simcuda_account import open_account
NEIGHBOURS = ("cuMemCreate", "cuMemMap", "cuMemUnmap", "cuMemcpyHtoDAsync_v2", "cuMemAllocManaged", "cuMemAllocHost_v2",
              "cuMemAllocFromPoolAsync", "cuCtxSynchronize", "cuMemGetInfo_v2")

control.init("cuda")
control.set_log_none()
driver, account, told = Driver(), open_account(), {{}}

def entries():
    return {{name: ctypes.string_at(account.function(name), 16).hex()
            for name in (*PATCHED, *NEIGHBOURS)}}

def usage(device=0):
    return control.lib.get_total_vram_usage(control.get_devctx(device))

told["before"] = entries()
asked = account.calls("cuGetProcAddress")
told["started"] = control.init_devices({devices})
told["asked"] = account.calls("cuGetProcAddress") - asked
told["during"] = entries()
{body}
control.deinit()
told["after"] = entries()
print(json.dumps(told))
"""


def process(body="", devices="[0, 1]", **environment):
    script = PROCESS.format(path=sys.path[:2], devices=devices, body=body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("devices", [[0], [1], [0, 1]])
def test_starts_with_one_device_and_with_two(devices):
    told = process("""
told["known"] = [bool(control.lib.get_devctx(n)) for n in (0, 1, 2)]
""", devices=devices)
    assert told["started"]
    assert told["asked"] == LOOK_UPS
    assert told["known"] == [n in devices for n in (0, 1, 2)]


@pytest.mark.parametrize("n", range(1, LOOK_UPS + 1))
def test_each_function_is_needed_and_without_it_nothing_is_patched(n):
    told = process(SIMCUDA_FAIL=f"cuGetProcAddress:{n}:CUDA_ERROR_NOT_FOUND")
    assert not told["started"] and told["asked"] == n
    assert told["before"] == told["during"] == told["after"]


def test_six_functions_are_patched_in_place_and_restored():
    told = process("""
told["exported"], told["looked_up"] = [], []
for name, (asked, flag) in PATCHED.items():
    told["exported"].append(ctypes.cast(getattr(driver.library, name), ctypes.c_void_p).value)
    address = ctypes.c_void_p()
    driver.call("cuGetProcAddress_v2", asked.encode(), ctypes.byref(address), 12060, flag, None)
    told["looked_up"].append(address.value)
""")
    assert told["exported"] == told["looked_up"]  # both ways lead to one function, under a preloaded library, too
    assert len(set(told["exported"])) == len(PATCHED)
    changed = {name for name in told["before"] if told["before"][name] != told["during"][name]}
    assert changed == set(PATCHED)
    assert told["after"] == told["before"]


SCENES = {
    "cuMemAlloc_v2": ("cuMemAlloc_v2", "cuMemFree_v2"),
    "cuMemAllocAsync": ("cuMemAllocAsync", "cuMemFreeAsync"),
    "cuMemAllocAsync_ptsz": ("cuMemAllocAsync_ptsz", "cuMemFreeAsync_ptsz"),
    "freed through the other interface": ("cuMemAllocAsync", "cuMemFree_v2"),
}


@pytest.mark.parametrize("scene", SCENES)
def test_what_passes_through_the_patched_functions_is_done_and_counted(scene):
    allocate, free = SCENES[scene]
    told = process(f"""
used = [usage()]
there = []
address = driver.allocate(8 * MIB, {allocate!r})
used.append(usage())
there.append(account.bytes_at(address, 8 * MIB))
driver.free(address, {free!r})
driver.synchronize()
used.append(usage())
there.append(account.bytes_at(address, 8 * MIB))
told["used"], told["there"] = used, there
told["entered"] = [account.calls(name.removesuffix("_ptsz")) for name in ({allocate!r}, {free!r})]
""")
    assert told["used"] == [0, 8 * MIB, 0]
    assert told["there"] == [{"cuda:0": 8 * MIB}, {}]
    assert told["entered"] == [1, 1]  # the function behind the patch runs, through its displaced first instructions


def test_each_device_has_its_own_count():
    told = process("""
driver.use(1)
address = driver.allocate(8 * MIB)
told["used"] = [usage(0), usage(1)]
told["there"] = account.bytes_at(address, 8 * MIB)
driver.free(address)
""")
    assert told["used"] == [0, 8 * MIB]
    assert told["there"] == {"cuda:1": 8 * MIB}


def test_a_device_that_was_not_named_is_left_alone():
    told = process("""
driver.use(1)
address = driver.allocate(8 * MIB)
told["used"] = usage(0)
told["there"] = account.bytes_at(address, 8 * MIB)
driver.free(address)
""", devices="[0]")
    assert told["used"] == 0
    assert told["there"] == {"cuda:1": 8 * MIB}


def test_the_runtime_passes_through_the_patches_too():
    """The simulated libcudart asks cuGetProcAddress, as NVIDIA's does: the jump at the entry serves it as well."""
    told = process("""
runtime = ctypes.CDLL("libcudart.so.13")
used, address = [], ctypes.c_void_p()
for allocate, free in (("cudaMalloc", "cudaFree"), ("cudaMallocAsync", "cudaFreeAsync")):
    stream = (None,) if allocate.endswith("Async") else ()
    assert getattr(runtime, allocate)(ctypes.byref(address), ctypes.c_size_t(8 * MIB), *stream) == 0
    used.append(usage())
    assert getattr(runtime, free)(address, *stream) == 0
    used.append(usage())
told["used"] = used
""")
    assert told["used"] == [8 * MIB, 0, 8 * MIB, 0]


def test_a_device_without_virtual_memory_management_starts_and_has_no_vbar():
    """As on virtual GPUs: cuMemAddressReserve is not supported there, all else is."""
    told = process("""
from comfy_aimdo import model_vbar, vram_buffer
told["refused"] = []
for make in (lambda: model_vbar.ModelVBAR(64 * MIB, 0), lambda: vram_buffer.VRAMBuffer(64 * MIB, 0)):
    try:
        make()
    except (MemoryError, RuntimeError) as error:
        told["refused"].append(str(error))
driver.free(driver.allocate(8 * MIB))
""", devices="[0]", SIMCUDA_MACHINE="no-vmm")
    assert told["started"]
    assert told["refused"] == ["VBAR allocation failed", "VRAM reservation failed"]


def test_everything_comes_back():
    """Pages, buffers of device and host, a foreign allocation; then the contexts: nothing of the machine is in use."""
    told = process("""
from comfy_aimdo import host_buffer, model_vbar, vram_buffer
vbar, buffer = model_vbar.ModelVBAR(256 * MIB, 0), vram_buffer.VRAMBuffer(64 * MIB, 1)
pins = host_buffer.HostBuffer(8 * MIB)
page = vbar.alloc(40 * MIB)
assert model_vbar.vbar_fault(page) is not None
there = buffer.get(20 * MIB)[1]
with open(sys.executable, "rb") as file:
    host_buffer.read_file_to_device(file, 0, 4096, 0, page[1], 0)
address = driver.allocate(8 * MIB)
told["used"] = account.bytes_used()
driver.free(address)
model_vbar.vbar_unpin(page)
del vbar, page, buffer, pins
gc.collect()
host_buffer.cleanup_file_reader()
control.deinit()
driver.release_contexts()
told["left"], told["live"] = account.bytes_used(), account.live_allocations()
""")
    used = told["used"]
    assert used["cuda:0"] > (64 + 8) * MIB and used["cuda:1"] > 32 * MIB and used["host"] >= 8 * MIB
    assert told["left"] == {} and told["live"] == 0
