"""PyTorch's own convolutions through the simulated cuDNN: its descriptors, heuristics, plans and variant packs.

    tests/simcuda/vramspan-sim python -m pytest tests/simcuda/cudnn/tests/test_torch_convolutions.py

vramspan-sim switches cuDNN off; here it is on again. What is expected is computed by PyTorch on the CPU; the simulator's
trace tells whether it was cuDNN that computed.
"""

import pytest
import torch


@pytest.fixture(scope="session")
def executions(tmp_path_factory):
    """A function that tells how many plans were executed until now."""
    path = tmp_path_factory.mktemp("cudnn") / "trace.jsonl"
    assert not torch.cuda.is_initialized()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMCUDA_TRACE", str(path))
        torch.cuda.init()
        torch.cuda.synchronize()

    def count():
        torch.cuda.synchronize()
        return path.read_text().count('"call":"cudnnBackendExecute"')

    return count


@pytest.fixture(autouse=True)
def cudnn(executions):  # pylint: disable=unused-argument
    torch.backends.cudnn.enabled = True
    yield
    torch.backends.cudnn.enabled = False


# Integers this small make sums that are exact in fp16, in whatever order they are added.
def numbers(*shape, dtype=torch.float32):
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "x_shape, w_shape, options",
    [
        ((2, 4, 8, 8), (6, 4, 3, 3), {"padding": 1}),
        ((1, 4, 9, 7), (8, 2, 3, 1), {"stride": 2, "groups": 2, "padding": (0, 1)}),
        ((1, 3, 8, 8), (5, 3, 2, 2), {"dilation": 3}),
        ((2, 3, 11), (4, 3, 4), {"padding": 2}),
        ((1, 2, 4, 5, 6), (3, 2, 2, 2, 2), {}),
    ],
)
def test_convolutions_are_computed_by_cudnn(executions, x_shape, w_shape, options, dtype):
    x, w = numbers(*x_shape, dtype=dtype), numbers(*w_shape, dtype=dtype)
    convolve = [torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d][x.dim() - 3]
    wanted = convolve(x.float(), w.float(), **options)
    x, w = x.cuda(), w.cuda()
    before = executions()
    got = convolve(x, w, **options)
    assert executions() == before + 1
    assert torch.equal(got.cpu().float(), wanted.to(dtype).float())


def test_the_layout_of_channels_last_gives_the_same():
    x, w = numbers(2, 4, 6, 6), numbers(8, 4, 3, 3)
    wanted = torch.nn.functional.conv2d(x, w)
    last = torch.channels_last
    got = torch.nn.functional.conv2d(x.cuda().to(memory_format=last), w.cuda().to(memory_format=last))
    assert torch.equal(got.cpu(), wanted)


def test_a_plan_that_pytorch_keeps_follows_changed_and_moved_weights(executions):
    layer = torch.nn.Conv2d(4, 4, 3, bias=False).requires_grad_(False).cuda()
    x = numbers(1, 4, 5, 5).cuda()
    before = executions()
    for seed in range(3):
        w = numbers(4, 4, 3, 3) + seed
        if seed == 2:
            layer.weight.data = w.cuda()  # another address
        else:
            layer.weight.copy_(w)
        assert torch.equal(layer(x).cpu(), torch.nn.functional.conv2d(x.cpu(), w)), seed
    assert executions() == before + 3
