"""Kernels that the simulated CUDA computes give what PyTorch gives on the CPU: reductions, norms, softmax, attention,
convolutions, resizing, indexing.

Each case names the kernel that it is about; the simulator's account must say that it was launched and computed, so that
a result which PyTorch or another kernel made does not count. The CPU computes in double precision.
"""

import dataclasses
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as functional

pytestmark = [pytest.mark.skipif(torch.__version__.split("+")[0] != "2.11.0", reason="layouts are those of 2.11.0")]

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
# One rounding to the type, and what the order of a sum in fp32 makes of it.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


@dataclasses.dataclass
class Case:
    name: str
    kernel: str
    compute: Callable
    inputs: tuple = ()  # shapes of random tensors, or functions of (dtype) that make one
    dtypes: tuple = FLOATS
    loose: float = 1  # factor of the tolerance
    also: tuple = ()  # more kernels that must be among those computed


def random_values(shape, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) < 0.3
    if not dtype.is_floating_point:
        return torch.randint(-50, 50, shape, generator=generator).to(dtype)
    return torch.randn(shape, generator=generator).to(dtype)


def indices(count, shape, seed=7, negative=True):
    def make(_dtype):
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(-count if negative else 0, count, shape, generator=generator)

    return make


def flags(shape, share=0.3):
    return lambda _dtype: torch.rand(shape, generator=torch.Generator().manual_seed(3)) < share


def widened(value):
    return value.double() if torch.is_tensor(value) and value.is_floating_point() else value


def as_tuple(result):
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def check(case: Case, dtype: torch.dtype, account) -> None:
    inputs = [
        made(dtype) if callable(made) else random_values(made, dtype, seed) for seed, made in enumerate(case.inputs)
    ]
    expected = as_tuple(case.compute(*[widened(value.clone()) for value in inputs]))
    on_device = [value.to("cuda") for value in inputs]
    torch.cuda.synchronize()
    kernels = (case.kernel, *case.also)
    before = [account.launches(kernel) for kernel in kernels]
    results = as_tuple(case.compute(*on_device))
    torch.cuda.synchronize()
    for kernel, (launched, computed) in zip(kernels, before):
        launched_now, computed_now = account.launches(kernel)
        assert launched_now > launched, f"{kernel} was not launched"
        assert computed_now - computed == launched_now - launched, f"{kernel} was launched and not computed"
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected):
        assert result.is_cuda
        actual = result.cpu()
        assert actual.shape == wanted.shape
        if not actual.is_floating_point():
            assert torch.equal(actual, wanted.to(actual.dtype))
            continue
        tolerance = TOLERANCE[actual.dtype] * case.loose
        close = torch.isclose(actual.double(), wanted.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
        assert close.all(), f"differs by up to {(actual.double() - wanted.double()).abs().max()}"


ROWS = (7, 129)
REDUCTIONS = [
    Case("sum of all", "sum_functor", lambda x: x.sum(), (ROWS,), (*FLOATS, torch.float64, torch.int64), 16),
    Case("sum of rows", "sum_functor", lambda x: x.sum(1), (ROWS,), (*FLOATS, torch.int64), 8),
    Case("sum of columns", "sum_functor", lambda x: x.sum(0), (ROWS,), loose=8),
    Case("sum of columns, four at a time", "reduce_kernel<128, 4", lambda x: x.sum(0), ((300, 64),), loose=64),
    Case("sum of the middle dimension", "sum_functor", lambda x: x.sum(1), ((5, 6, 7),), loose=8),
    Case("sum of the outer dimensions", "sum_functor", lambda x: x.sum((0, 2)), ((5, 6, 7),), loose=8),
    Case("sum of a transposed tensor", "sum_functor", lambda x: x.t().sum(1), (ROWS,), loose=8),
    Case("sum of a slice", "sum_functor", lambda x: x[:, 3::5].sum(1, keepdim=True), (ROWS,), loose=8),
    Case("sum of 100000", "sum_functor", lambda x: x.sum(), ((100000,),), (torch.float32,), 1000),
    Case("sum of one", "sum_functor", lambda x: x.sum(), ((1, 1),)),
    Case("sum of halves in fp32", "sum_functor", lambda x: x.float().sum(1), (ROWS,), (torch.float32,), 8),
    Case("mean of all", "MeanOps", lambda x: x.mean(), (ROWS,), (*FLOATS, torch.float64)),
    Case("mean of two dimensions", "MeanOps", lambda x: x.mean((2, 3), keepdim=True), ((2, 5, 8, 9),)),
    Case("largest of all", "MaxNanFunctor", lambda x: x.max(), (ROWS,), (*FLOATS, torch.float64, torch.int64)),
    Case("smallest of all", "MinNanFunctor", lambda x: x.min(), (ROWS,), (*FLOATS, torch.int32, torch.int64)),
    Case("largest of rows", "MaxNanFunctor", lambda x: x.amax(1), (ROWS,)),
    Case("smallest of columns", "MinNanFunctor", lambda x: x.amin(0), (ROWS,), (*FLOATS, torch.int32)),
    Case("index of the largest", "ArgMaxOps", lambda x: x.argmax(), (ROWS,), (torch.float32, torch.float64, torch.int32)),
    Case("index of the smallest in rows", "ArgMinOps", lambda x: x.argmin(1), (ROWS,), (torch.float32, torch.int64)),
    Case("index among equals is the first", "ArgMaxOps", lambda x: (x * 0).argmax(-1), ((4, 50),), (torch.int32,)),
    Case("largest of rows and where", "MaxOps", lambda x: x.max(1), (ROWS,), (torch.float32, torch.float64)),
    Case("smallest of columns and where", "MinOps", lambda x: x.min(0), (ROWS,), (torch.float32,)),
    Case("smallest and largest", "MinMaxOps", lambda x: torch.aminmax(x), (ROWS,), (*FLOATS, torch.int64)),
    Case("norm", "NormTwoOps", lambda x: torch.linalg.vector_norm(x), (ROWS,)),
    Case("norm of rows", "NormTwoOps", lambda x: x.norm(dim=1), (ROWS,)),
    Case("sum of magnitudes", "NormOneOps", lambda x: x.norm(p=1, dim=0), (ROWS,)),
    Case("norm of the third order", "NormOps", lambda x: x.norm(p=3, dim=1), (ROWS,), loose=4),
    Case("largest magnitude", "AbsMaxOps", lambda x: torch.linalg.vector_norm(x, float("inf")), (ROWS,)),
    Case("smallest magnitude", "AbsMinOps", lambda x: torch.linalg.vector_norm(x, -float("inf")), (ROWS,)),
    Case("standard deviation", "WelfordOps", lambda x: x.std(), (ROWS,)),
    Case("variance of rows", "WelfordOps", lambda x: x.var(1, correction=0), (ROWS,)),
    Case("deviation and mean", "WelfordOps", lambda x: torch.std_mean(x, 1), (ROWS,)),
    Case("any", "or_kernel_cuda", lambda x: x.any(1), ((9, 4),), (torch.bool, torch.int64, torch.uint8, *FLOATS)),
    Case("all", "and_kernel_cuda", lambda x: x.all(0), ((2, 40),), (torch.bool, torch.float32, torch.int32)),
    Case("NaN is the largest", "MaxNanFunctor", lambda x: x.max(), (lambda t: torch.tensor([1, float("nan"), 2], dtype=t),)),
    Case("NaN's index", "ArgMinOps", lambda x: x.argmin(), (lambda t: torch.tensor([1, float("nan"), 0], dtype=t),)),
]

CHANNELS = (2, 64, 8, 8)
NORMS = [
    Case(
        "group norm",
        "ComputeFusedParams",
        lambda x, g, b: functional.group_norm(x, 32, g, b),
        (CHANNELS, (64,), (64,)),
        loose=4,
        also=("RowwiseMoments", "GroupNormKernelImplInternal"),
    ),
    Case(
        "group norm of few elements",
        "ComputeFusedParams",
        lambda x, g, b: functional.group_norm(x, 3, g, b),
        ((1, 6, 3, 5), (6,), (6,)),
        loose=4,
        also=("GroupNormKernelImplInternal",),
    ),
    Case(
        "group norm with gamma alone",
        "ComputeFusedParams",
        lambda x, g: functional.group_norm(x, 4, g),
        (CHANNELS, (64,)),
        loose=4,
        also=("GroupNormKernelImplInternal",),
    ),
    Case(
        "group norm without weights",
        "GroupNormKernelImplInternal",
        lambda x: functional.group_norm(x, 4),
        (CHANNELS,),
        loose=4,
        also=("RowwiseMoments",),
    ),
    Case(
        "group norm of one pixel",
        "GroupNorm1dForward",
        lambda x, g, b: functional.group_norm(x, 8, g, b),
        ((2, 32, 1, 1), (32,), (32,)),
        loose=6,
    ),
    Case(
        "group norm of one pixel with gamma alone",
        "GroupNorm1dForward",
        lambda x, g: functional.group_norm(x, 8, g),
        ((2, 32, 1, 1), (32,)),
        loose=6,
    ),
    Case(
        "group norm of one pixel without weights",
        "GroupNorm1dForward",
        lambda x: functional.group_norm(x, 8),
        ((2, 32, 1, 1),),
        loose=6,
    ),
    Case(
        "layer norm",
        "vectorized_layer_norm",
        lambda x, g, b: functional.layer_norm(x, (320,), g, b),
        ((2, 9, 320), (320,), (320,)),
        loose=4,
    ),
    Case(
        "layer norm without weights",
        "vectorized_layer_norm",
        lambda x: functional.layer_norm(x, (768,)),
        ((5, 768),),
        loose=4,
    ),
    Case(
        "layer norm of odd rows",
        "LayerNormForward",
        lambda x, g, b: functional.layer_norm(x, (15,), g, b),
        ((5, 15), (15,), (15,)),
        loose=4,
        also=("RowwiseMoments",),
    ),
    Case("rms norm", "vectorized_layer_norm", lambda x, g: functional.rms_norm(x, (64,), g, 1e-5), ((9, 64), (64,)), loose=4),
    Case("rms norm without weights", "vectorized_layer_norm", lambda x: functional.rms_norm(x, (64,), None, 1e-5), ((9, 64),), loose=4),
    Case("rms norm of odd rows", "LayerNormForward", lambda x, g: functional.rms_norm(x, (15,), g, 1e-5), ((9, 15), (15,)), loose=4),
]

SOFTMAX = [
    Case("softmax of short rows", "softmax_warp_forward", lambda x: x.softmax(-1), (ROWS,)),
    Case("softmax of one element", "softmax_warp_forward", lambda x: x.softmax(-1), ((4, 1),)),
    Case("softmax of 1000", "softmax_warp_forward", lambda x: (x * 20).softmax(-1), ((3, 1000),), (torch.float32,), 8),
    Case("softmax in fp32", "softmax_warp_forward", lambda x: x.softmax(-1, dtype=torch.float32), (ROWS,), (torch.float16,), 8),
    Case("softmax of longer rows", "cunn_SoftMaxForward", lambda x: x.softmax(-1), ((3, 5000),)),
    Case("softmax of long rows", "cunn_SoftMaxForward", lambda x: x.softmax(-1), ((2, 50001),)),
    Case("softmax of the first dimension", "SpatialSoftMax", lambda x: x.softmax(0), (ROWS,)),
    Case("softmax of the middle dimension", "SpatialSoftMax", lambda x: x.softmax(1), ((3, 8, 5),)),
    Case("log softmax of short rows", "softmax_warp_forward", lambda x: x.log_softmax(-1), (ROWS,), loose=4),
    Case("log softmax of long rows", "cunn_SoftMaxForward", lambda x: x.log_softmax(-1), ((2, 50001),), loose=8),
    Case("log softmax of the first dimension", "SpatialSoftMax", lambda x: x.log_softmax(0), (ROWS,), loose=4),
]


def attention(**options):
    return lambda q, k, v, *mask: functional.scaled_dot_product_attention(q, k, v, *mask, **options)


def heads(*sizes):
    return (sizes[:2] + (sizes[2], sizes[4]), sizes[:2] + (sizes[3], sizes[4]), sizes[:2] + (sizes[3], sizes[4]))


def from_rows(q, k, v):
    """Heads beside one another in a row, as linear layers leave them: not contiguous by head."""
    return functional.scaled_dot_product_attention(*(x.view(*x.shape[:2], 8, -1).transpose(1, 2) for x in (q, k, v)))


HALVES = (torch.float16, torch.bfloat16)
ATTENTION = [
    Case("flash, heads of 40", "flash_fwd_kernel", attention(), heads(2, 8, 64, 64, 40), HALVES, 2),
    Case("flash, more queries than a block", "flash_fwd", attention(), heads(1, 2, 300, 257, 40), HALVES, 2),
    Case("flash, 77 keys", "flash_fwd_kernel", attention(), heads(2, 8, 16, 77, 80), HALVES, 2),
    Case("flash, odd sizes", "flash_fwd_kernel", attention(), heads(1, 3, 17, 33, 37), HALVES, 2),
    Case("flash, four tokens", "flash_fwd_kernel", attention(), heads(2, 8, 4, 4, 160), HALVES, 2),
    Case("flash, one token", "flash_fwd", attention(), heads(2, 8, 1, 1, 160), HALVES, 2),
    Case("flash, from rows", "flash_fwd_kernel", from_rows, ((2, 64, 320), (2, 77, 320), (2, 77, 320)), HALVES, 2),
    Case("flash, causal", "flash_fwd_kernel", attention(is_causal=True), heads(1, 12, 77, 77, 64), HALVES, 2),
    Case("flash, own scale", "flash_fwd_kernel", attention(scale=0.5), heads(1, 2, 30, 30, 64), HALVES, 8),
    Case(
        "flash, split keys",
        "flash_fwd_splitkv_kernel",
        attention(),
        heads(2, 8, 1, 77, 160),
        HALVES,
        2,
        ("flash_fwd_splitkv_combine",),
    ),
    Case(
        "flash, keys split in many",
        "flash_fwd_splitkv_kernel",
        attention(),
        heads(1, 1, 3, 1500, 64),
        HALVES,
        2,
        ("flash_fwd_splitkv_combine",),
    ),
    Case("efficient, heads of 64", "fmha_cutlassF_f32", attention(), heads(1, 12, 77, 77, 64), (torch.float32,), 4),
    Case("efficient, causal", "fmha_cutlassF_f32", attention(is_causal=True), heads(1, 2, 77, 77, 64), (torch.float32,), 4),
    Case("efficient, one wide head", "fmha_cutlassF", attention(), heads(1, 1, 100, 100, 512), (*FLOATS,), 8),
    Case("efficient, mask", "fmha_cutlassF", attention(), (*heads(2, 3, 20, 77, 64), (20, 77)), FLOATS, 4),
    Case("efficient, mask of each head", "fmha_cutlassF", attention(), (*heads(2, 3, 9, 15, 64), (2, 3, 9, 15)), FLOATS, 4),
]

CONVOLUTIONS = [
    Case("unfold", "im2col_kernel", lambda x: functional.unfold(x, 3), ((2, 3, 9, 7),)),
    Case("unfold with everything", "im2col_kernel", lambda x: functional.unfold(x, (3, 2), (2, 1), (3, 1), (2, 3)), ((1, 3, 12, 9),), (*FLOATS, torch.float64)),
    Case("fold", "col2im", lambda x: functional.fold(x, (9, 7), 3, padding=1, stride=2), ((2, 27, 20),), loose=4),
    Case("convolution", "im2col_kernel", lambda x, w: functional.conv2d(x, w, padding=1), ((2, 4, 8, 8), (6, 4, 3, 3)), loose=32),
    Case("strided convolution", "im2col_kernel", lambda x, w: functional.conv2d(x, w, stride=2, padding=1), ((1, 4, 9, 8), (6, 4, 3, 3)), loose=32),
    Case("transposed convolution", "col2im_kernel", lambda x, w: functional.conv_transpose2d(x, w, stride=2), ((1, 4, 5, 6), (4, 3, 4, 4)), loose=32),
    Case("convolution of volumes", "vol2col_kernel", lambda x, w: functional.conv3d(x, w, padding=1), ((1, 3, 4, 6, 5), (4, 3, 3, 3, 3)), (torch.float32,), 32),
]


def resize(mode, channels_last=False, **options):
    def compute(x):
        if channels_last:
            x = x.to(memory_format=torch.channels_last)
        return functional.interpolate(x, mode=mode, **options)

    return compute


PICTURE = ((2, 4, 7, 5),)
RESIZING = [
    Case("nearest, doubled", "upsample_nearest2d_out_frame", resize("nearest", scale_factor=2), PICTURE),
    Case("nearest, odd sizes", "upsample_nearest2d_out_frame", resize("nearest", size=(10, 3)), PICTURE),
    Case("nearest, channels last", "upsample_nearest2d_nhwc", resize("nearest", True, scale_factor=2), PICTURE),
    Case("nearest exact", "nearest_neighbor_exact", resize("nearest-exact", size=(10, 3)), PICTURE),
    Case("nearest of a row", "upsample_nearest1d", resize("nearest", scale_factor=3), ((2, 3, 7),)),
    Case("nearest of a volume", "upsample_nearest3d", resize("nearest", scale_factor=2), ((1, 2, 3, 4, 5),)),
    Case("bilinear", "upsample_bilinear2d", resize("bilinear", size=(13, 4)), PICTURE, (*FLOATS[:1],), 4),
    Case("bilinear to the corners", "upsample_bilinear2d", resize("bilinear", scale_factor=2, align_corners=True), PICTURE, loose=4),
    Case("bicubic", "upsample_bicubic2d", resize("bicubic", scale_factor=2), PICTURE, loose=4),
    Case("bicubic, smaller", "upsample_bicubic2d", resize("bicubic", size=(3, 3), align_corners=False), PICTURE, (torch.float32,), 8),
]


def put(x, i, values):
    x[i] = values
    return x


def put_two(x, i, j, values):
    x[:, i, j] = values
    return x


MOVED = (torch.float32, torch.float16, torch.int64, torch.uint8, torch.bool)
INDEXING = [
    Case("index of rows", "vectorized_gather_kernel", lambda x, i: x[i], ((6, 4, 16), indices(6, (5,))), MOVED[:2]),
    Case("index of odd rows", "index_elementwise_kernel", lambda x, i: x[i], ((6, 5), indices(6, (3, 2))), MOVED),
    Case("index of two dimensions", "index_elementwise_kernel", lambda x, i, j: x[:, i, j], ((4, 6, 9), indices(6, (5,)), indices(9, (5,), 8)), MOVED),
    Case("index of dimensions apart", "index_elementwise_kernel", lambda x, i, j: x[i, :, j], ((4, 6, 9), indices(4, (5,)), indices(9, (5,), 8)), MOVED),
    Case("index of a transposed tensor", "index_elementwise_kernel", lambda x, i: x.t()[i], ((5, 6), indices(6, (4,))), MOVED),
    Case("one index", "index_elementwise_kernel", lambda x, i: x[i], ((9,), indices(9, (1,))), MOVED),
    Case("index_put", "index_put_kernel_impl", put, ((6, 5), lambda _: torch.tensor([4, 0, -3]), (3, 5)), MOVED),
    Case("index_put of two dimensions", "index_put_kernel_impl", put_two, ((3, 6, 9), lambda _: torch.tensor([4, 0]), lambda _: torch.tensor([8, -9]), (3, 2)), MOVED),
    Case("gather", "_cuda_scatter_gather_internal_kernel<false", lambda x, i: x.gather(1, i), ((4, 9, 5), indices(9, (2, 3, 4), negative=False)), MOVED),
    Case("gather along the last dimension", "_cuda_scatter_gather_internal_kernel<false", lambda x, i: x.gather(-1, i), ((4, 9), indices(9, (4, 3), negative=False)), MOVED),
    Case("scatter", "_cuda_scatter_gather_internal_kernel<true", lambda x, i, v: x.scatter_(1, i, v), ((4, 9), lambda _: torch.tensor([[1, 8, 3], [0, 1, 2]]), (2, 3)), MOVED),
    Case("scatter of a number", "_cuda_scatter_fill_internal_kernel", lambda x, i: x.scatter_(0, i, 3), ((4, 9), indices(4, (2, 7), negative=False)), MOVED[:4]),
    Case("index_select", "indexSelect", lambda x, i: x.index_select(1, i), ((4, 9, 5), indices(9, (6,), negative=False)), MOVED),
    Case("index_select of many", "_cuda_scatter_gather_internal_kernel<false", lambda x, i: x.index_select(0, i), ((40, 17), indices(40, (100,), negative=False)), MOVED[:2]),
    Case("embedding", "vectorized_gather_kernel", lambda w, i: functional.embedding(i, w), ((100, 24), indices(100, (2, 77), negative=False)), FLOATS),
    Case("concatenation of rows", "CatArrayBatchedCopy", lambda x, y: torch.cat([x, y]), ((4, 16), (3, 16)), MOVED),
    Case("concatenation of columns", "CatArrayBatchedCopy", lambda x, y: torch.cat([x, y], 1), ((4, 16), (4, 32)), MOVED),
    Case("concatenation of channels", "CatArrayBatchedCopy_vectorized", lambda x, y: torch.cat([x, y], 1), ((2, 4, 4, 4), (2, 8, 4, 4)), MOVED[:2]),
    Case("concatenation of odd columns", "CatArrayBatchedCopy", lambda x, y: torch.cat([x, y], 1), ((4, 5), (4, 3)), MOVED),
    Case("concatenation of odd addresses", "CatArrayBatchedCopy", lambda x, y: torch.cat([x[1:], y[1:]]), ((66,), (32,)), MOVED),
    Case("concatenation of slices", "CatArrayBatchedCopy", lambda x, y: torch.cat([x[:, ::2], y.t()], 1), ((4, 6), (5, 4)), MOVED),
    Case("concatenation, channels last", "CatArrayBatchedCopy", lambda x: torch.cat([x.to(memory_format=torch.channels_last)] * 2, 1), ((2, 3, 4, 5),), MOVED[:2]),
    Case("concatenation of 150", "CatArrayBatchedCopy", lambda x: torch.cat([x + i for i in range(150)]), ((2, 8),), (torch.float32,)),
    Case("nonzero", "DeviceSelectSweepKernel", lambda x: x.nonzero(), (flags((100,)),), (torch.bool,)),
    Case("nonzero of numbers", "DeviceSelectSweepKernel", lambda x: (x * (x > 0)).nonzero(), (flags((50,), 0.5),), (torch.bool,)),
    Case("nonzero of nothing", "DeviceReduce", lambda x: x.nonzero(), (flags((100,), 0),), (torch.bool,)),
    Case("nonzero of 70000", "DeviceReduceKernel", lambda x: x.nonzero(), (flags((70000,)),), (torch.bool,)),
    Case("nonzero of a matrix", "write_indices", lambda x: x.nonzero(), (flags((9, 31)),), (torch.bool,)),
    Case("selection by a mask", "DeviceSelectSweepKernel", lambda x, m: x[m], ((100,), flags((100,))), MOVED),
    Case("upper triangle", "triu_tril_kernel", lambda x: x.triu(1), ((3, 20, 21),), MOVED),
    Case("lower triangle", "triu_tril_kernel", lambda x: x.tril(-2), ((20, 17),), MOVED),
    Case("upper triangle in place", "triu_tril_kernel", lambda x: x.triu_(1), ((77, 77),), FLOATS),
    Case("triangle of a transposed tensor", "triu_tril_kernel", lambda x: x.t().triu(), ((20, 17),), FLOATS),
]

FAMILIES = {
    "reductions": REDUCTIONS,
    "norms": NORMS,
    "softmax": SOFTMAX,
    "attention": ATTENTION,
    "convolutions": CONVOLUTIONS,
    "resizing": RESIZING,
    "indexing": INDEXING,
}
ALL = [
    pytest.param(case, dtype, id=f"{family}-{case.name}-{str(dtype).removeprefix('torch.')}")
    for family, cases in FAMILIES.items()
    for case in cases
    for dtype in case.dtypes
]


@pytest.mark.parametrize("case,dtype", ALL)
@torch.no_grad()
def test_computed_kernel_agrees_with_the_cpu(case, dtype, account):
    if account is None:
        pytest.skip("not a simulated CUDA")
    check(case, dtype, account)
