"""comfy-aimdo, the offloader inside ComfyUI, on the simulated CUDA: an unmodified wheel, driven through its own Python
modules in the order in which ComfyUI does it (comfy_aimdo.control.init before torch, the devices after it).

    tests/simcuda/vramspan-sim --machine 2gb+1536mb python tests/aimdo/run.py

The simulator's account tells where bytes are; comfy-aimdo's own figures are compared with it, never believed. The tests
need the machine above: two small cards are filled quickly. run.py says why each part runs in a process of its own.
"""

import gc
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "comfyui"))
sys.path.insert(0, str(HERE))

ALLOCATORS = {"none": None, "native": "backend:native", "cudaMallocAsync": "backend:cudaMallocAsync"}


def pytest_addoption(parser):
    parser.addoption("--allocator", choices=ALLOCATORS, default="none", help="of PyTorch; none: without PyTorch")


def pytest_configure(config):
    from comfy_aimdo import control

    # Before torch, as comfy-aimdo asks. The kind is named: it would look for torch otherwise.
    assert control.init("cuda")
    control.set_log_error()
    allocator = config.getoption("--allocator")
    if ALLOCATORS[allocator]:
        os.environ["PYTORCH_CUDA_ALLOC_CONF"] = ALLOCATORS[allocator]
        import torch

        torch.cuda.init()


def pytest_ignore_collect(collection_path, config):
    """Tests of PyTorch and tests without it never share a process."""
    if collection_path.name.startswith("test_"):
        return (collection_path.name.startswith("test_torch")) == (config.getoption("--allocator") == "none")
    return None


@pytest.fixture(scope="session")
def account():
    import simcuda_account

    account = simcuda_account.open_account()
    assert account, "the simulated CUDA tells where bytes are"
    return account


@pytest.fixture(scope="session")
def driver():
    from driver import Driver

    return Driver()


@pytest.fixture
def aimdo(driver):
    """comfy_aimdo.control with all devices. Each test has a start of its own: what comfy-aimdo saw of the card in the
    test before would count for two seconds. The end is that of control.deinit, which would also drop the library."""
    from comfy_aimdo import control

    assert control.init_devices(range(len(driver.contexts)))
    yield control
    control.lib.cleanup()
    control.devctxs = []
    control.lib.plat_cleanup()


@pytest.fixture(autouse=True)
def nothing_left_behind(request, account):
    """Each test gives its memory back; one that fails does not harm the next."""
    if "aimdo" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("aimdo")  # ends after this one
    driver = request.getfixturevalue("driver")
    before = account.bytes_used()
    yield
    from vbars import Weights

    with_torch = request.config.getoption("--allocator") != "none"
    if with_torch:
        sys.modules["torch"].cuda.synchronize()
    Weights.close_all()
    gc.collect()
    driver.free_all()
    if with_torch:
        sys.modules["torch"].cuda.empty_cache()
    else:
        assert account.bytes_used() == before
