"""What the real PyTorch imports of the CUDA runtime, against the table of hooks: CUDA starts in whichever call comes first, so
each one that can be the first has to be in the table. The others are listed here.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# They take something that an earlier call has made, or ask nothing of the driver.
NEED_AN_EARLIER_CALL = """
    __cudaGetKernel __cudaPopCallConfiguration __cudaPushCallConfiguration
    cudaEventDestroy cudaEventElapsedTime cudaEventQuery cudaEventRecord cudaEventRecordWithFlags cudaEventSynchronize
    cudaIpcGetEventHandle cudaStreamWaitEvent cudaStreamDestroy
    cudaFreeHost cudaHostGetDevicePointer cudaHostUnregister cudaIpcCloseMemHandle
    cudaGraphAddNode cudaGraphConditionalHandleCreate cudaGraphDebugDotPrint cudaGraphDestroy cudaGraphExecDestroy
    cudaGraphGetNodes cudaGraphInstantiate cudaGraphInstantiateWithFlags cudaGraphLaunch cudaGraphNodeGetDependencies
    cudaGraphRetainUserObject cudaUserObjectRelease cudaStreamUpdateCaptureDependencies
    cudaKernelSetAttributeForDevice cudaLibraryGetGlobal cudaLibraryGetKernel cudaLibraryGetKernelCount
    cudaLibraryGetManaged cudaLibraryGetUnifiedFunction cudaLibraryUnload
    cudaMemPoolGetAttribute cudaMemPoolSetAccess cudaMemPoolSetAttribute
""".split()
START_NOTHING = """
    __cudaRegisterFatBinary __cudaRegisterFatBinaryEnd __cudaRegisterFunction __cudaRegisterVar __cudaUnregisterFatBinary
    __cudaInitModule cudaGetErrorName cudaGetErrorString cudaRuntimeGetVersion
""".split()


def imports() -> set[str]:
    """Of the wheel's libraries, without loading them."""
    root = pathlib.Path(sys.prefix)
    found = set()
    for library in root.glob("lib/python3*/site-packages/torch/lib/lib*.so"):
        listed = subprocess.run(
            ["nm", "-D", "--undefined-only", library],
            capture_output=True,
            text=True,
            check=True,
            env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
        ).stdout
        found |= set(re.findall(r" U ((?:__)?cuda[A-Z]\w*)", listed))
    return found


def hooked() -> set[str]:
    table = (ROOT / "shim/hooks.def").read_text()
    return set(re.findall(r"^cudart *\| *(\w+)", table, re.MULTILINE))


def test_each_call_that_can_be_the_first_is_in_the_table():
    imported = imports()
    assert len(imported) > 80
    assert imported - hooked() - set(NEED_AN_EARLIER_CALL) - set(START_NOTHING) == set()


def test_what_is_left_out_is_not_in_the_table():
    assert hooked() & (set(NEED_AN_EARLIER_CALL) | set(START_NOTHING)) == set()
