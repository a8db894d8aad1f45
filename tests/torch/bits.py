"""Random bits as tensors, and bit-for-bit comparison: values would make NaN unequal and -0 equal to 0."""

import torch

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int64)


def random_bits(shape, dtype=torch.uint8, seed=0, pin=False) -> torch.Tensor:
    """A contiguous CPU tensor of random bits (any NaN may be among them)."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = torch.empty(shape, dtype=dtype, device="meta").nelement() * dtype.itemsize
    raw = torch.randint(0, 256, (size,), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    raw = raw.pin_memory() if pin else raw
    return raw.view(dtype).view(shape)


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Compares shapes, dtypes and bits of two tensors, which may be on any device."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    left, right = (tensor.cpu().contiguous().reshape(-1).view(torch.uint8) for tensor in (left, right))
    return torch.equal(left, right)
