"""The real PyTorch on the CUDA at hand: the simulated one, with or without libvramspan.so preloaded, or a real one.

    tests/simcuda/vramspan-sim --machine 2x24gb python -m pytest tests/torch --allocator native
    tests/simcuda/vramspan-sim --machine 2x24gb python -m pytest tests/torch --allocator cudaMallocAsync

PyTorch reads its allocator once, so each one wants a run of its own (run.py makes all). Kernels need not compute for
these tests: they look at copies, matrix products, memory and errors only. Where the CUDA is simulated, its own account
(fixture `account`) is the evidence of where bytes are.
"""

import ctypes
import gc
import itertools
import os
import pathlib
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "comfyui"))

# Name and what PyTorch calls it.
ALLOCATORS = {
    "native": "backend:native",
    "cudaMallocAsync": "backend:cudaMallocAsync",
    "expandable_segments": "expandable_segments:True",
}


def pytest_addoption(parser):
    parser.addoption("--allocator", choices=ALLOCATORS, default="native")
    parser.addoption("--wander", action="store_true",
                     help="all pages of expandable segments move to a donor and back while the tests run (under "
                          "libvramspan_control.so)")
    parser.addoption("--every", type=int, default=1, metavar="N", help="run each Nth of the parametrized tests only")


def pytest_collection_modifyitems(config, items):
    every = config.getoption("--every")
    items[:] = [item for n, item in enumerate(items) if n % every == 0 or not hasattr(item, "callspec")]


def pytest_configure(config):
    os.environ["PYTORCH_CUDA_ALLOC_CONF"] = ALLOCATORS[config.getoption("--allocator")]
    import torch

    if not torch.cuda.is_available():
        pytest.exit("PyTorch finds no CUDA device: run this under tests/simcuda/vramspan-sim, or on a machine with a GPU", 2)


def pytest_report_header(config):
    import torch

    return (
        f"torch {torch.__version__}, {torch.cuda.device_count()} devices, allocator {config.getoption('--allocator')}"
    )


@pytest.fixture(scope="session")
def allocator(request) -> str:
    return request.config.getoption("--allocator")


@pytest.fixture(scope="session")
def account():
    """The simulator's account of where bytes are; None on a real GPU."""
    import simcuda_account

    return simcuda_account.open_account()


@pytest.fixture(scope="session")
def second_device() -> str:
    import torch

    if torch.cuda.device_count() < 2:
        pytest.skip("needs two devices")
    return "cuda:1"


def give_back():
    """What nobody holds any more goes back to the driver, out of PyTorch's cache."""
    import torch

    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Each test begins without another's memory, and with no error pending from it."""
    yield
    give_back()


class Wanderer(threading.Thread):
    """Sends all pages that PyTorch has mapped to another device, to the host and home again, until it is stopped."""

    LOCATIONS = (1, -1, 0)

    def __init__(self):
        super().__init__(daemon=True)
        self.library = ctypes.CDLL(None)
        self.library.vs_control_send_guests.restype = ctypes.c_size_t
        self.stopped = threading.Event()
        self.moving = threading.Lock()
        self.sent = dict.fromkeys(self.LOCATIONS, 0)
        self.refused = 0

    def run(self):
        refused = ctypes.c_size_t()
        for location in itertools.cycle(self.LOCATIONS):
            if self.stopped.wait(0.01):
                return
            with self.moving:
                self.sent[location] += self.library.vs_control_send_guests(location, ctypes.byref(refused))
                self.refused += refused.value


@pytest.fixture(scope="session", autouse=True)
def wandering(request):
    """The pages move as long as the tests run; each home must have seen some of them."""
    if not request.config.getoption("--wander"):
        yield None
        return
    wanderer = Wanderer()
    wanderer.start()
    yield wanderer
    wanderer.stopped.set()
    wanderer.join()
    print(f"\npieces sent: {wanderer.sent}, refused: {wanderer.refused}", file=sys.stderr)
    assert all(count > 0 for count in wanderer.sent.values()), wanderer.sent


@pytest.fixture
def pages_at_home(wandering):
    """For tests that count what the device holds: the pages come home, and stay there until the test is over."""
    if wandering is None:
        yield
        return
    with wandering.moving:
        wandering.library.vs_control_send_guests(0, ctypes.byref(ctypes.c_size_t()))
        yield


@pytest.fixture
def nothing_cached():
    """The device is in use, and the cache is empty: statistics can be compared with those of now."""
    import torch

    torch.empty(1, device="cuda:0")
    torch._C._cuda_clearCublasWorkspaces()  # an earlier product's, which would leave room in a segment
    give_back()
