"""Matrix products by the simulated cuBLAS and cuBLASLt agree with the CPU's."""

import pytest
import torch

# Products accumulate in fp32 and are rounded once: half a unit in the last place of the result, and what the order of
# the sum makes of it. The inputs are around 1 / sqrt(K), so results are around 1.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
DTYPES = list(TOLERANCE)


def random_values(*shape, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, generator=generator) / shape[-1] ** 0.25).to(dtype)


def close(device_result: torch.Tensor, expected: torch.Tensor) -> bool:
    actual = device_result.cpu()
    assert actual.shape == expected.shape and torch.isfinite(actual).all()
    tolerance = TOLERANCE[actual.dtype]
    return torch.allclose(actual.double(), expected.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("rows,inner,columns", [(7, 64, 48), (1, 320, 1280), (77, 768, 320), (33, 129, 65)])
def test_linear(dtype, bias, rows, inner, columns):
    layer = torch.nn.Linear(inner, columns, bias=bias)
    with torch.no_grad():
        layer.weight.copy_(random_values(columns, inner, dtype=torch.float32, seed=1))
        if bias:
            layer.bias.copy_(random_values(columns, dtype=torch.float32, seed=2))
        layer = layer.to(dtype)
        values = random_values(rows, inner, dtype=dtype, seed=3)
        expected = torch.nn.functional.linear(
            values.double(), layer.weight.double(), layer.bias.double() if bias else None
        )
        assert close(layer.to("cuda:0")(values.to("cuda:0")), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_linear_over_a_batch_of_sequences(dtype):
    weight, values = random_values(96, 64, dtype=dtype, seed=4), random_values(2, 11, 64, dtype=dtype, seed=5)
    expected = values.double() @ weight.double().t()
    assert close(torch.nn.functional.linear(values.cuda(), weight.cuda()), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_linear_on_the_second_device(second_device, dtype):
    weight, values = random_values(96, 64, dtype=dtype, seed=6), random_values(11, 64, dtype=dtype, seed=7)
    result = torch.nn.functional.linear(values.to(second_device), weight.to(second_device))
    assert result.device == torch.device(second_device)
    assert close(result, values.double() @ weight.double().t())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("left,right", [(False, False), (True, False), (False, True), (True, True)])
def test_product_of_transposed_operands(dtype, left, right):
    a, b = random_values(40, 56, dtype=dtype, seed=8), random_values(56, 24, dtype=dtype, seed=9)
    on_device_a = a.t().contiguous().cuda().t() if left else a.cuda()
    on_device_b = b.t().contiguous().cuda().t() if right else b.cuda()
    assert close(on_device_a @ on_device_b, a.double() @ b.double())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_batched_product(dtype):
    a, b = random_values(5, 17, 32, dtype=dtype, seed=10), random_values(5, 32, 21, dtype=dtype, seed=11)
    assert close(torch.bmm(a.cuda(), b.cuda()), a.double() @ b.double())


def test_product_with_a_weight_between_others_in_one_block():
    """A weight that begins in the middle of an allocation, as with the native allocator's shared segments."""
    block = random_values(3, 64, 64, dtype=torch.float32, seed=12)
    values = random_values(9, 64, dtype=torch.float32, seed=13)
    assert close(values.cuda() @ block.cuda()[1], values.double() @ block[1].double())


def test_same_operands_give_the_same_bits():
    a, b = (
        random_values(64, 256, dtype=torch.float16, seed=14).cuda(),
        random_values(256, 64, dtype=torch.float16, seed=15).cuda(),
    )
    first = (a @ b).cpu()
    assert all(torch.equal((a @ b).cpu(), first) for _ in range(5))
