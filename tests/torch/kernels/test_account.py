"""What the simulated CUDA says of kernels: each one that it does not compute is named, once; and what it counts."""

import os
import subprocess
import sys

PROGRAM = """
import torch
x = torch.ones(1000, device="cuda:0")
for _ in range(3):
    torch.nn.functional.dropout(x, 0.5, True)
x.sort()
x.sort()
y = x + 1
torch.cuda.synchronize()
"""


def said(**variables: str) -> list[str]:
    environment = os.environ | {"SIMCUDA_COMPUTE": "all"} | variables
    environment.pop("LD_PRELOAD", None)
    child = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300)
    assert child.returncode == 0, child.stderr
    return child.stderr.splitlines()


def test_each_kernel_that_is_not_computed_is_named_once():
    named = [line for line in said() if line.startswith("simcuda: kernel ")]
    assert named and all(line.endswith(" is not computed") for line in named)
    assert len(named) == len(set(named))
    assert sum("dropout" in line for line in named) == 1
    assert any("sort" in line.lower() for line in named)
    assert not any("FillFunctor" in line or "CUDAFunctorOnSelf_add" in line for line in named)


def test_none_is_named_where_kernels_are_not_to_be_computed():
    assert not [line for line in said(SIMCUDA_COMPUTE="gemm") if line.startswith("simcuda: kernel ")]


def test_the_report_counts_launches():
    lines = said(SIMCUDA_REPORT="1")
    dropout = next(line for line in lines if line.lstrip()[:1].isdigit() and "dropout" in line)
    assert dropout.split()[:2] == ["3", "0"]
    added = next(line for line in lines if "CUDAFunctorOnSelf_add" in line)
    assert added.split()[:2] == ["1", "1"]
