"""How PyTorch counts and finds devices: through NVML, without starting CUDA.

    tests/simcuda/vramspan-sim python -m pytest tests/simcuda/nvml/tests/test_torch_devices.py

Each case runs in a forked child of this process, which imports torch once and never starts CUDA itself. CUDA_VISIBLE_DEVICES
is read by torch (for NVML) and by the driver (for cudaGetDeviceCount): each case compares the two.
"""

import ctypes
import json
import os

import pytest
import torch

# In the order of the file; NVML's is First, Middle, Last, and the driver's own is Last, First, Middle.
MACHINE = """
devices:
  - {name: Middle, memory: 2gb, capability: 7.5, pci: '0000:41:00.0'}
  - {name: Last, memory: 3gb, capability: 8.9, pci: '0001:01:00.0'}
  - {name: First, memory: 1gb, capability: 8.6, pci: '0000:01:00.0'}
"""
UUID = {"First": "GPU-00000100", "Middle": "GPU-00004100", "Last": "GPU-00010100"}


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    path = tmp_path / "machine.yaml"
    path.write_text(MACHINE)
    monkeypatch.setenv("SIMCUDA_MACHINE", str(path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)


def in_child(function, **environment):
    """What `function` returns in a child with these variables."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.environ.update(environment)
            answer = function()
        except BaseException as error:  # pylint: disable=broad-except
            answer = {"error": repr(error)}
        os.write(sending, json.dumps(answer).encode())
        os._exit(0)
    os.close(sending)
    with open(receiving, "rb") as pipe:
        text = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(text)


def driver_starts():
    driver = ctypes.CDLL("libcuda.so.1")
    driver.simcudaCalls.restype = ctypes.c_uint64
    return driver.simcudaCalls(b"cuInit")


def counts():
    return {
        "raw": torch.cuda._raw_device_count_nvml(),
        "nvml": torch.cuda._device_count_nvml(),
        "torch": torch.cuda.device_count(),
        "cuda_was_started": driver_starts(),
        "driver": torch._C._cuda_getDeviceCount(),
    }


@pytest.mark.parametrize(
    "visible, count",
    [
        (None, 3),
        ("1", 1),
        ("2,0", 2),
        ("0,1,2", 3),
        ("", 0),
        ("-1", 0),
        ("3", 0),
        ("0,7,1", 1),
        ("1gpu,0x", 2),
        ("0,0", 0),  # a duplicate hides all
        ("1,2,1", 0),
        (UUID["Middle"], 1),
        (f"{UUID['Last']},{UUID['First']}", 2),
        (f"{UUID['First']},GPU-ffff,{UUID['Last']}", 1),
        (f"{UUID['First']},{UUID['First']}", 0),
        ("GPU-0000", 0),  # two devices begin so
    ],
)
def test_nvml_and_the_driver_count_the_same(visible, count):
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert in_child(counts, **environment) == {
        "raw": 3,
        "nvml": count,
        "torch": count,
        "cuda_was_started": 0,
        "driver": count,
    }


def test_without_nvml_the_count_starts_cuda(tmp_path):
    """The control of the test above: this is what it would see if NVML did not answer."""
    gone = str(tmp_path / "gone.yaml")
    answer = in_child(counts, SIMCUDA_MACHINE=gone)
    assert (answer["raw"], answer["nvml"]) == (-1, -1)
    assert answer["cuda_was_started"] > 0


def test_availability_can_be_asked_of_nvml_alone():
    def ask():
        return {"available": torch.cuda.is_available(), "cuda_was_started": driver_starts()}

    assert in_child(ask, PYTORCH_NVML_BASED_CUDA_CHECK="1") == {"available": True, "cuda_was_started": 0}
    assert in_child(ask)["cuda_was_started"] > 0


def nvml_names_and_torchs():
    """Per device of PyTorch: its own name, and the name behind the index and the UUID that it would ask NVML for."""
    library = ctypes.CDLL("libnvidia-ml.so.1")
    assert library.nvmlInit_v2() == 0

    def name(handle):
        text = ctypes.create_string_buffer(96)
        assert library.nvmlDeviceGetName(handle, text, 96) == 0
        return text.value.decode()

    rows = []
    for number in range(torch.cuda.device_count()):
        by_index, by_uuid = ctypes.c_void_p(), ctypes.c_void_p()
        properties = torch.cuda.get_device_properties(number)
        index = torch.cuda._get_nvml_device_index(number)
        assert library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(by_index)) == 0
        assert library.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}".encode(), ctypes.byref(by_uuid)) == 0
        rows.append([properties.name, name(by_index), name(by_uuid)])
    return rows


def test_numbers_differ_between_cuda_and_nvml_unless_asked_to_agree():
    rows = in_child(nvml_names_and_torchs)
    assert rows == [["Last", "First", "Last"], ["First", "Middle", "First"], ["Middle", "Last", "Middle"]]
    rows = in_child(nvml_names_and_torchs, CUDA_DEVICE_ORDER="PCI_BUS_ID", CUDA_VISIBLE_DEVICES="2,0")
    assert rows == [["Last", "Last", "Last"], ["First", "First", "First"]]


def test_nvml_tells_the_memory_that_pytorch_uses():
    def ask():
        library = ctypes.CDLL("libnvidia-ml.so.1")
        assert library.nvmlInit_v2() == 0
        kept = torch.zeros(64 << 20, dtype=torch.uint8, device="cuda")
        answer = {"torch": list(torch.cuda.mem_get_info(0)), "bytes": kept.nbytes, "nvml": []}
        for index in range(3):
            handle, memory = ctypes.c_void_p(), (ctypes.c_ulonglong * 3)()
            assert library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0
            assert library.nvmlDeviceGetMemoryInfo(handle, memory) == 0
            answer["nvml"].append(list(memory))  # total, free, used
        return answer

    answer = in_child(ask, CUDA_DEVICE_ORDER="PCI_BUS_ID", CUDA_VISIBLE_DEVICES="1")
    free, total = answer["torch"]
    assert answer["nvml"][1] == [total, free, total - free]
    assert total - free >= answer["bytes"]
    assert [answer["nvml"][other][2] for other in (0, 2)] == [0, 0]
