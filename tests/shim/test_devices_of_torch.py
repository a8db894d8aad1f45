"""What the real PyTorch is told of the devices, where one of two unlike cards lends memory and is hidden.

    tests/simcuda/vramspan-sim --machine 8gb+24gb python -m pytest tests/shim

Each case runs in children of this process, under the preload; what they find out they write as JSON. What the driver shows
in truth is asked of the driver's own functions, and where bytes are is the simulator's account.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SMALL, LARGE = "Simulated GPU 8 GB", "Simulated GPU 24 GB"  # the machine's cuda:0 and cuda:1
UUID = {SMALL: "GPU-00000100-7369-6d75-6c61-746564475055", LARGE: "GPU-00000200-7369-6d75-6c61-746564475055"}
HIDDEN = {"VRAMSPAN_DEVICES": "cuda:1", "VRAMSPAN_DONORS": "cuda:0,cpu"}

# Two weights of 24 MiB fit into the first two shares, one each.
POLICY = """
version: 1
models:
  - match: "*.safetensors"
    distorch: "cuda:1,30mb;cuda:0,30mb;cpu,*"
    order: listed
"""

HELPERS = f"""
import ctypes, json, os, subprocess, sys
sys.path.insert(0, {str(ROOT / "comfyui")!r})
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p

def tell(**what):
    print(json.dumps(what))

def environment():
    return [os.environ.get("CUDA_VISIBLE_DEVICES"), (libc.getenv(b"CUDA_VISIBLE_DEVICES") or b"(none)").decode()]

def driver():
    library = ctypes.CDLL("libcuda.so.1")
    library.simcudaCalls.restype = ctypes.c_uint64
    return library

def shown():
    "The names of all that the driver shows in truth."
    library, count, names = driver(), ctypes.c_int(-1), []
    library.simcudaFunction.restype = ctypes.c_void_p
    own = lambda symbol: ctypes.CFUNCTYPE(ctypes.c_int)(library.simcudaFunction(symbol))
    own(b"cuDeviceGetCount")(ctypes.byref(count))
    for number in range(count.value):
        name = ctypes.create_string_buffer(96)
        assert own(b"cuDeviceGetName")(name, 96, number) == 0
        names.append(name.value.decode())
    return names

def error_of(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return type(error).__name__ + ": " + str(error).split("\\n")[0]
    return None
"""


@pytest.fixture(autouse=True)
def policy(tmp_path, monkeypatch):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    monkeypatch.setenv("VRAMSPAN_POLICY", str(path))
    monkeypatch.setenv("VRAMSPAN_LOG", "warn")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    """A Python under the preload."""
    preload = os.environ["VRAMSPAN_LIBRARY"]
    return subprocess.run(
        [sys.executable, "-c", HELPERS + code],
        env=os.environ | {"LD_PRELOAD": preload} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def ask(code: str, **environment: str) -> dict:
    """What such a Python tells."""
    child = run(code, **environment)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


COUNTS = """
import torch
starts = driver().simcudaCalls(b"cuInit")
before = [torch.cuda.device_count(), torch.cuda._device_count_nvml(), torch.cuda._raw_device_count_nvml()]
by_nvml_alone = driver().simcudaCalls(b"cuInit") == starts
torch.ones(1).cuda()
tell(before=before, by_nvml_alone=by_nvml_alone, shown=shown(), environment=environment(),
     after=[torch.cuda.device_count(), torch._C._cuda_getDeviceCount()],
     names=[torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())])
"""


@pytest.mark.parametrize(
    "variables, visible, names, shown",
    [
        (HIDDEN, "1", [LARGE], [LARGE, SMALL]),
        ({"VRAMSPAN_DEVICES": "cuda:1,cuda:0", "VRAMSPAN_DONORS": "cpu"}, "1,0", [LARGE, SMALL], [LARGE, SMALL]),
        (HIDDEN | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "1", [LARGE], [LARGE, SMALL]),
        (HIDDEN | {"CUDA_VISIBLE_DEVICES": "1,0", "VRAMSPAN_DEVICES": "cuda:0", "VRAMSPAN_DONORS": "cuda:1"}, "1",
         [LARGE], [LARGE, SMALL]),
        (HIDDEN | {"CUDA_VISIBLE_DEVICES": f"{UUID[SMALL]},{UUID[LARGE]}"}, UUID[LARGE], [LARGE], [LARGE, SMALL]),
    ],
)
def test_counts_agree_before_and_after_cuda_starts(variables, visible, names, shown):
    count = len(names)
    assert ask(COUNTS, **variables) == {
        "before": [count, count, 2],
        "by_nvml_alone": True,
        "shown": shown,
        "environment": [visible, visible],
        "after": [count, count],
        "names": names,
    }


def test_where_only_donors_are_said_the_rest_is_counted():
    answer = ask(COUNTS, VRAMSPAN_DONORS="cuda:0,cpu")
    assert (answer["before"], answer["after"]) == ([1, 1, 2], [1, 1])
    assert (answer["names"], answer["shown"]) == ([LARGE], [LARGE, SMALL])


def test_counting_by_cuda_may_come_first():
    """Where NVML does not answer, PyTorch's first call is the runtime's."""
    code = """
import torch
count = torch._C._cuda_getDeviceCount()
tell(count=count, shown=shown(), environment=environment(), name=torch.cuda.get_device_name(0))
"""
    assert ask(code, **HIDDEN) == {
        "count": 1,
        "shown": [LARGE, SMALL],
        "environment": ["1", "1"],
        "name": LARGE,
    }


def test_a_device_that_is_not_seen_is_refused_and_leaves_no_error_behind():
    code = """
import torch
torch.ones(1).cuda()
tell(properties=torch.cuda.get_device_properties(0).total_memory >> 30, index=torch.cuda._get_nvml_device_index(0),
     beyond=error_of(torch.cuda.get_device_properties, 1), set=error_of(torch.cuda.set_device, 1),
     allocate=error_of(lambda: torch.ones(1, device="cuda:1")),
     peer=error_of(torch.cuda.can_device_access_peer, 0, 1),
     then=torch.ones(3).cuda().cpu().tolist(), current=torch.cuda.current_device())
"""
    answer = ask(code, **HIDDEN)
    assert answer["properties"] == 24
    assert answer["index"] == 1
    for refused in ("beyond", "set", "allocate", "peer"):
        assert answer[refused], refused
    assert "invalid device ordinal" in answer["set"]
    assert (answer["then"], answer["current"]) == ([1, 1, 1], 0)


LOOK = "import torch; torch.ones(1).cuda(); tell(count=torch.cuda.device_count(), name=torch.cuda.get_device_name(0), shown=shown())"


@pytest.mark.parametrize("parent_starts_cuda", [False, True])
def test_children_go_on_counting_in_the_users_numbers(parent_starts_cuda):
    code = f"""
import torch
if {parent_starts_cuda}:
    torch.ones(1).cuda()
look = {HELPERS!r} + {LOOK!r}
children = [
    subprocess.run([sys.executable, "-c", look], capture_output=True, text=True),
    subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, env=dict(os.environ)),
]
tell(children=[json.loads(child.stdout) if child.returncode == 0 else child.stderr for child in children])
"""
    expected = {"count": 1, "name": LARGE, "shown": [LARGE, SMALL]}
    assert ask(code, **HIDDEN) == {"children": [expected, expected]}


def test_a_program_that_chooses_a_donor_itself_is_told():
    """As ComfyUI's --cuda-device does, before it imports torch."""
    code = 'os.environ["CUDA_VISIBLE_DEVICES"] = "0"\nimport torch\ntorch.ones(1).cuda()'
    child = run(code, **HIDDEN)
    assert child.returncode == 78
    assert "CUDA_VISIBLE_DEVICES=0, which names cuda:0, a device that is hidden as a donor" in child.stderr
    answer = ask('os.environ["CUDA_VISIBLE_DEVICES"] = "1"\n' + LOOK, **HIDDEN)
    assert answer == {"count": 1, "name": LARGE, "shown": [LARGE, SMALL]}


@pytest.mark.parametrize("allocator", ["native", "cudaMallocAsync"])
def test_a_models_weights_lie_on_the_hidden_donor(allocator, tmp_path):
    code = f"""
import torch, simcuda_account
from safetensors.torch import load_file, save_file
path = {str(tmp_path / "three.safetensors")!r}
torch.manual_seed(7)
save_file({{f"layer.{{n}}.weight": torch.randn(2048, 3072) for n in range(3)}}, path)
cpu = load_file(path)
names = sorted(cpu)
placed = [cpu[name].to("cuda:0") for name in names]
account = simcuda_account.open_account()
tell(shown=shown(), devices=[str(weight.device) for weight in placed], count=torch.cuda.device_count(),
     at=[account.bytes_at(weight.data_ptr(), weight.nbytes) for weight in placed],
     equal=[torch.equal(weight.cpu(), cpu[name]) for name, weight in zip(names, placed)],
     current=torch.cuda.current_device())
"""
    answer = ask(code, **HIDDEN, PYTORCH_CUDA_ALLOC_CONF=f"backend:{allocator}")
    byte_count = 24 << 20
    assert answer == {
        "shown": [LARGE, SMALL],  # so the driver's, and the account's, cuda:1 is the machine's cuda:0
        "devices": ["cuda:0"] * 3,
        "count": 1,
        "at": [{"cuda:0": byte_count}, {"cuda:1": byte_count}, {"host": byte_count}],
        "equal": [True] * 3,
        "current": 0,
    }
