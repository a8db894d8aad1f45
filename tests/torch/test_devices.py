"""What PyTorch learns of the machine: devices, names, memory."""

import os
import subprocess
import sys

import pytest
import torch

MIB = 1 << 20


def test_allocator_is_the_one_asked_for(allocator):
    assert torch.cuda.get_allocator_backend() == {"expandable_segments": "native"}.get(allocator, allocator)
    if allocator != "cudaMallocAsync":
        kept = torch.empty(1 << 20, device="cuda:0")
        segments = torch.cuda.memory_snapshot()
        assert segments and all(segment["is_expandable"] == (allocator == "expandable_segments") for segment in segments)
        del kept


def test_every_device_has_a_name_and_properties():
    assert torch.cuda.device_count() >= 1
    for n in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(n)
        assert torch.cuda.get_device_name(n) == properties.name
        assert properties.name.strip()
        assert torch.cuda.get_device_capability(n) == (properties.major, properties.minor)
        assert properties.major >= 7
        assert properties.multi_processor_count > 0


def test_total_memory_is_the_same_wherever_it_is_asked():
    for n in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(n)
        # The driver keeps some memory of a real card for itself: the properties may say more, never less.
        assert 0 < free <= total <= torch.cuda.get_device_properties(n).total_memory


def test_free_memory_falls_by_what_is_allocated_and_returns():
    torch.cuda.init()
    torch.empty(1, device="cuda:0")  # the context and the allocator's first segment
    torch.cuda.empty_cache()
    before, total = torch.cuda.mem_get_info(0)
    block = torch.empty(256 * MIB, dtype=torch.uint8, device="cuda:0")
    during, total_during = torch.cuda.mem_get_info(0)
    assert before - during >= 256 * MIB
    assert before - during <= 320 * MIB  # cudaMallocAsync grows its pool by up to 32 MiB more
    assert total_during == total
    del block
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert torch.cuda.mem_get_info(0) == (before, total)


def test_memory_of_one_device_is_not_taken_from_another(second_device):
    torch.empty(1, device=second_device)
    before = torch.cuda.mem_get_info(0)[0]
    block = torch.empty(256 * MIB, dtype=torch.uint8, device=second_device)
    assert block.device.index == 1
    assert torch.cuda.mem_get_info(0)[0] == before


def test_account_agrees_with_what_pytorch_holds(account, pages_at_home):
    if account is None:
        pytest.skip("no simulated CUDA")
    torch.empty(1, device="cuda:0")
    torch.cuda.empty_cache()
    before, reserved = account.bytes_used().get("cuda:0", 0), torch.cuda.memory_reserved(0)
    block = torch.empty(64 * MIB, dtype=torch.uint8, device="cuda:0")
    block.copy_(torch.zeros(64 * MIB, dtype=torch.uint8))
    # Expandable segments may have the rest of a page for it.
    assert torch.cuda.memory_reserved(0) - reserved >= 44 * MIB
    assert account.bytes_used()["cuda:0"] - before == torch.cuda.memory_reserved(0) - reserved
    assert account.bytes_at(block.data_ptr(), 64 * MIB) == {"cuda:0": 64 * MIB}


def run_child(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=120
    )


def test_visible_devices_are_those_of_the_environment(second_device):
    code = "import torch; print(torch.cuda.device_count(), torch.cuda.mem_get_info(0)[1])"
    child = run_child(code, CUDA_VISIBLE_DEVICES="1")
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == ["1", str(torch.cuda.mem_get_info(1)[1])]
    child = run_child("import torch; print(torch.cuda.is_available())", CUDA_VISIBLE_DEVICES="")
    assert child.stdout.split() == ["False"], child.stderr


@pytest.mark.parametrize("ending", ["pass", "sys.exit(3)", "os._exit(3)"])
def test_program_ends_well_with_memory_still_allocated(ending):
    code = "import os, sys, torch; kept = [torch.ones(1 << 20).cuda() for _ in range(8)]; torch.cuda.synchronize(); "
    child = run_child(code + ending)
    assert child.returncode == (0 if ending == "pass" else 3), child.stderr
    assert "Error" not in child.stderr and "error" not in child.stderr, child.stderr
