"""Element-wise kernels that the simulated CUDA computes give what PyTorch gives on the CPU: copies, casts, fills, arithmetic,
comparisons, bits, functions of one value, ranges.

Each case runs on tensors of many shapes and strides. What is launched meanwhile must all be computed, and must be an
element-wise kernel, so that a result which PyTorch made on the CPU does not count.
"""

import operator

import pytest
import torch
import torch.nn.functional as functional

pytestmark = [pytest.mark.skipif(torch.__version__.split("+")[0] != "2.11.0", reason="layouts are those of 2.11.0")]

HALVES = (torch.float16, torch.bfloat16)
FLOATS = (torch.float32, torch.float64, *HALVES)
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
NUMBERS = (*FLOATS, *INTEGERS)
FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)
ALL = (*NUMBERS, torch.bool)
# The functions of libm may differ in their last bit from those that PyTorch's CPU vectors have.
TOLERANCE = {torch.float64: 1e-14, torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


def values(shape, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) < 0.5
    if dtype in INTEGERS:
        return torch.randint(0 if dtype == torch.uint8 else -100, 100, shape, generator=generator).to(dtype)
    return (torch.randn(shape, generator=generator) * 3).to(dtype)


def contiguous(tensor):
    return tensor


def transposed(tensor):
    return tensor.transpose(0, -1)


def sliced(tensor):
    return tensor[..., 1::2]


def broadcast(tensor):
    return tensor[..., :1].expand(*tensor.shape[:-1], 7)


# More than 2**16 elements take several blocks and threads; 5 and 3 are no multiples of any vector.
LAYOUTS = (
    ((1,), contiguous),
    ((0, 3), contiguous),
    ((70001,), contiguous),
    *[((5, 3), view) for view in (contiguous, transposed, sliced, broadcast)],
    *[((33, 20, 12), view) for view in (transposed, sliced)],
)


def same(actual, expected, exact):
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    if exact or actual.dtype not in TOLERANCE:
        actual, expected = actual.contiguous(), expected.contiguous()
        if actual.dtype in FLOAT8:
            actual, expected = actual.view(torch.uint8), expected.view(torch.uint8)
        assert torch.equal(torch.nan_to_num(actual), torch.nan_to_num(expected))
        return
    tolerance = TOLERANCE[actual.dtype]
    close = torch.isclose(actual.double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
    assert close.all(), (actual[~close][:5], expected[~close][:5])


@pytest.fixture
def computed(request, account, allocator):
    """computed(function, inputs, view) -> the result on the device, where every launch was an element-wise kernel and was
    computed."""
    if account is None:
        pytest.skip("not a simulated CUDA")
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if allocator != "native" and parameters.get("dtype", torch.float16) not in (torch.float16, torch.int32):
        pytest.skip("all types are tried with the native allocator")

    def run(function, inputs, view=contiguous):
        on_device = [view(tensor.cuda()) for tensor in inputs]
        torch.cuda.synchronize()
        parts = ("", "elementwise_kernel")
        before = [account.launches(part) for part in parts]
        result = function(*on_device)
        torch.cuda.synchronize()
        after = [account.launches(part) for part in parts]
        (launched, was_computed), (element_wise, _) = (
            (now[0] - then[0], now[1] - then[1]) for now, then in zip(after, before)
        )
        assert result.is_cuda
        assert was_computed == launched == element_wise and (launched > 0 or result.numel() == 0)
        return result.cpu()

    return run


WIDER = {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.float32: torch.float64}


def reference(function, inputs, exact):
    """The result on the CPU. Of halves computed in float, as the device does, where PyTorch's CPU rounds in between; of
    what is not exact in the next wider type."""
    dtype = inputs[0].dtype if inputs else None
    if dtype not in WIDER or (exact and dtype == torch.float32):
        return function(*inputs)
    result = function(*[tensor.to(WIDER[dtype]) for tensor in inputs])
    return result.to(dtype) if result.is_floating_point() else result


def named(cases):
    return [
        pytest.param(dtype, *rest, id=f"{name}-{str(dtype).removeprefix('torch.')}")
        for name, dtypes, *rest in cases
        for dtype in dtypes
    ]


# name, dtypes, function, number of inputs, whether all bits must agree
ARITHMETIC = [
    ("add", ALL, operator.add, 2, True),
    ("add a number", NUMBERS, lambda a: a + 3, 1, True),
    ("add to a number", NUMBERS, lambda a: 3 + a, 1, True),
    ("add a multiple", NUMBERS, lambda a, b: torch.add(a, b, alpha=3), 2, False),
    ("subtract", NUMBERS, operator.sub, 2, True),
    ("subtract from a number", NUMBERS, lambda a: 7 - a, 1, True),
    ("multiply", ALL, operator.mul, 2, True),
    ("multiply by a number", FLOATS, lambda a: a * 0.3, 1, True),
    ("multiply integers by a number", INTEGERS, lambda a: a * 3, 1, True),
    ("divide", FLOATS, operator.truediv, 2, True),
    ("divide integers", INTEGERS, lambda a, b: a / (b.abs() + 1), 2, True),
    ("divide by a number", FLOATS, lambda a: a / 0.3, 1, False),
    ("divide a number", FLOATS, lambda a: 0.3 / a, 1, False),
    ("floor of a quotient", FLOATS, lambda a, b: torch.div(a, b, rounding_mode="floor"), 2, True),
    ("floor of a quotient of integers", INTEGERS, lambda a, b: a // (b.abs() + 1), 2, True),
    ("floor of a quotient by a number", NUMBERS, lambda a: a // 3, 1, True),
    ("whole part of a quotient", NUMBERS, lambda a: torch.div(a, 4, rounding_mode="trunc"), 1, True),
    ("whole part of a quotient of tensors", FLOATS, lambda a, b: torch.div(a, b, rounding_mode="trunc"), 2, True),
    ("remainder", FLOATS, torch.remainder, 2, False),
    ("remainder by a number", NUMBERS, lambda a: a % 5, 1, True),
    ("fmod by a number", NUMBERS, lambda a: torch.fmod(a, 5), 1, True),
    ("maximum", ALL, torch.maximum, 2, True),
    ("minimum", ALL, torch.minimum, 2, True),
    ("fmax", FLOATS, torch.fmax, 2, True),
    ("fmin", FLOATS, torch.fmin, 2, True),
    ("atan2", FLOATS, torch.atan2, 2, False),
    ("addcmul", NUMBERS, lambda a, b, c: torch.addcmul(a, b, c, value=2), 3, False),
    ("addcmul by one", FLOATS, torch.addcmul, 3, False),
    ("addcdiv", FLOATS, lambda a, b, c: torch.addcdiv(a, b, c, value=0.5), 3, False),
    ("lerp", FLOATS, lambda a, b: torch.lerp(a, b, 0.7), 2, False),
    ("lerp by weights", FLOATS, torch.lerp, 3, False),
    ("clamp", NUMBERS, lambda a: a.clamp(1, 4), 1, True),
    ("clamp from below", NUMBERS, lambda a: a.clamp(min=2), 1, True),
    ("clamp from above", NUMBERS, lambda a: a.clamp(max=2), 1, True),
    ("clamp between tensors", NUMBERS, torch.clamp, 3, True),
    ("where", ALL, lambda a, b: torch.where(a > b, a, b), 2, True),
    ("masked_fill", NUMBERS, lambda a: a.masked_fill(a > 2, 1), 1, True),
    ("relu", FLOATS, torch.relu, 1, True),
    ("square", NUMBERS, lambda a: a**2, 1, True),
    ("cube", NUMBERS, lambda a: a**3, 1, False),
    ("inverse square", FLOATS, lambda a: a**-2, 1, False),
    ("power", FLOATS, lambda a: a.abs() ** 1.5, 1, False),
    ("power of integers", INTEGERS, lambda a: a**5, 1, True),
    ("power of tensors", FLOATS, lambda a, b: a.abs() ** b, 2, False),
    ("power of a number", FLOATS, lambda a: 2.5**a, 1, False),
]
LOGIC = [
    *[
        (name, ALL, getattr(operator, name), 2, True) for name in ("eq", "ne", "lt", "le", "gt", "ge")
    ],
    ("equal to a number", ALL, lambda a: a == 1, 1, True),
    ("unlike a number", ALL, lambda a: a != 1, 1, True),
    ("less than a number", NUMBERS, lambda a: a < 1, 1, True),
    ("a number less than", NUMBERS, lambda a: 1 <= a, 1, True),
    ("nan", FLOATS, lambda a: torch.isnan(a / a.round()), 1, True),
    ("infinite", FLOATS, lambda a: torch.isinf(a / a.round()), 1, True),
    ("logical_and", ALL, torch.logical_and, 2, True),
    ("logical_or", ALL, torch.logical_or, 2, True),
    ("logical_xor", ALL, torch.logical_xor, 2, True),
    ("logical_not", ALL, torch.logical_not, 1, True),
    ("signbit", NUMBERS, torch.signbit, 1, True),
    ("isposinf", FLOATS, lambda a: torch.isposinf(a / a.round()), 1, True),
    ("isneginf", FLOATS, lambda a: torch.isneginf(a / a.round()), 1, True),
]
WHOLE = (*INTEGERS, torch.bool)
BITS = [
    ("and", WHOLE, operator.and_, 2, True),
    ("or", WHOLE, operator.or_, 2, True),
    ("xor", WHOLE, operator.xor, 2, True),
    ("not", WHOLE, operator.invert, 1, True),
    ("and a number", INTEGERS, lambda a: a & 15, 1, True),
    ("shift left", INTEGERS, lambda a, b: a << (b & 7), 2, True),
    ("shift right", INTEGERS, lambda a, b: a >> (b & 7), 2, True),
    ("shift right by a number", INTEGERS, lambda a: a >> 4, 1, True),
    ("shift left by a number", INTEGERS, lambda a: a << 2, 1, True),
]


def positive(function):
    return lambda a: function(a.abs() + 0.1)


UNARY = [
    ("abs", NUMBERS, torch.abs, 1, True),
    ("neg", NUMBERS, torch.neg, 1, True),
    ("sign", ALL, torch.sign, 1, True),
    *[(name, FLOATS, getattr(torch, name), 1, True) for name in ("ceil", "floor", "round", "trunc", "frac")],
    *[
        (name, FLOATS, getattr(torch, name), 1, False)
        for name in ("exp", "expm1", "sin", "cos", "tanh", "sinh", "cosh", "atan", "sigmoid", "erf", "reciprocal")
    ],
    *[
        (name, FLOATS, positive(getattr(torch, name)), 1, False)
        for name in ("sqrt", "rsqrt", "log", "log2", "log10", "log1p")
    ],
    ("asin", FLOATS, lambda a: torch.asin(a / 20), 1, False),
    ("acos", FLOATS, lambda a: torch.acos(a / 20), 1, False),
    ("nan_to_num", FLOATS, lambda a: torch.nan_to_num(a / a.round(), 5.0, 6.0, 7.0), 1, True),
    ("gelu", FLOATS, functional.gelu, 1, False),
    ("gelu by tanh", FLOATS, lambda a: functional.gelu(a, approximate="tanh"), 1, False),
    ("silu", FLOATS, functional.silu, 1, False),
    ("mish", FLOATS, functional.mish, 1, False),
    ("leaky_relu", FLOATS, lambda a: functional.leaky_relu(a, 0.2), 1, False),
    ("softplus", FLOATS, lambda a: functional.softplus(a, 2, 3), 1, False),
    ("elu", FLOATS, lambda a: functional.elu(a, 0.7), 1, False),
]


@pytest.mark.parametrize("dtype,function,arity,exact", named([*ARITHMETIC, *LOGIC, *BITS, *UNARY]))
def test_computed_kernel_agrees_with_the_cpu(dtype, function, arity, exact, computed):
    for shape, view in LAYOUTS:
        inputs = [values(shape, dtype, seed) for seed in range(arity)]
        expected = reference(function, [view(tensor) for tensor in inputs], exact)
        same(computed(function, inputs, view), expected, exact)


@pytest.mark.parametrize("source", (*ALL, *FLOAT8), ids=str)
@pytest.mark.parametrize("target", (*ALL, *FLOAT8), ids=str)
def test_casts(source, target, computed):
    for shape, view in LAYOUTS:
        made = values(shape, torch.float32 if source in FLOAT8 else source, 1).to(source)
        if target == torch.uint8 and source.is_signed:
            made = made.float().abs().to(source)  # what a negative number becomes is not defined
        if target != source:
            same(computed(lambda tensor: tensor.to(target), [made], view), view(made).to(target), True)
        elif view in (sliced, broadcast):  # else PyTorch asks the driver for the copy
            same(computed(torch.clone, [made], view), view(made), True)


@pytest.mark.parametrize("dtype", (*ALL, *FLOAT8), ids=str)
def test_copies_into_parts_leave_the_rest(dtype, computed):
    source = values((33, 20, 12), torch.float32, 1).to(dtype)
    whole = values((33, 20, 12), torch.float32, 2).to(dtype)
    for part in ((slice(None, None, 3),), (slice(None), slice(3, 9)), (..., slice(1, None, 2))):

        def copy_part(to, from_):
            to[part] = from_[part]
            return to

        same(computed(copy_part, [whole, source]), copy_part(whole.clone(), source), True)


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_fills(dtype, computed):
    same(computed(lambda: torch.full((70001,), 3, dtype=dtype, device="cuda"), []), torch.full((70001,), 3, dtype=dtype), True)
    made = values((9, 5), dtype, 1)

    def fill_columns(tensor):
        tensor[:, 1:3] = 1
        return tensor

    same(computed(fill_columns, [made]), fill_columns(made.clone()), True)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_arange(dtype, computed):
    for start, end, step in ((0, 100, 1), (100, 3, -7), (5, 5, 1), (0, 120, 5)):
        if dtype == torch.uint8 and step < 0:
            continue
        expected = torch.arange(start, end, step, dtype=dtype)
        same(computed(lambda: torch.arange(start, end, step, dtype=dtype, device="cuda"), []), expected, True)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
def test_linspace(dtype, computed):
    for start, end, steps in ((0, 1, 11), (-3, 7, 20001), (2, 2, 5)):
        expected = torch.linspace(start, end, steps, dtype=dtype)
        same(computed(lambda: torch.linspace(start, end, steps, dtype=dtype, device="cuda"), []), expected, False)


@pytest.mark.parametrize(
    "left,right,function",
    (
        (torch.float32, torch.float64, operator.pow),
        (torch.float16, torch.float32, operator.add),
        (torch.int32, torch.float16, operator.mul),
        (torch.bool, torch.int64, operator.add),
        (torch.uint8, torch.int8, operator.sub),
        (torch.bfloat16, torch.float64, operator.truediv),
        (torch.int8, torch.float32, operator.lt),
    ),
)
def test_types_may_be_mixed(left, right, function, computed):
    for shapes in (((33, 20), (33, 20)), ((33, 1), (1, 20)), ((20,), ())):
        inputs = [values(shape, dtype, seed) for seed, (shape, dtype) in enumerate(zip(shapes, (left, right)))]
        same(computed(function, inputs), function(*inputs), function is not operator.pow)


def test_an_operation_in_place_reads_before_it_writes(computed):
    def square_and_double(tensor):
        tensor.mul_(tensor)
        return tensor.add_(tensor)

    made = values((70001,), torch.float32, 1)
    same(computed(square_and_double, [made]), square_and_double(made.clone()), True)


def test_dequantisation_as_gguf_does_it(computed):
    """Q4_0: blocks of a half's scale and 16 bytes of two nibbles each."""
    blocks = values((64, 18), torch.uint8, 1)
    blocks[:, :2] = torch.linspace(0.1, 2, 64).half().view(torch.uint8).view(64, 2)

    def dequantise(raw):
        scale = raw[:, :2].contiguous().view(torch.float16).float()
        shifts = torch.arange(0, 8, 4, dtype=torch.uint8, device=raw.device).view(1, 2, 1)
        nibbles = (raw[:, 2:].view(64, 1, 16) >> shifts) & 15
        return scale * (nibbles.reshape(64, 32).to(torch.int8) - 8)

    same(computed(dequantise, [blocks]), dequantise(blocks), True)
