"""torch.cuda.graph: work is recorded once, done at each replay, and keeps the memory that it was recorded with."""

import gc
import re
import subprocess
import sys

import pytest
import torch
from bits import random_bits, same_bits

MIB = 1 << 20
TORCH = tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", torch.__version__).groups())


def values(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(result, expected):
    return torch.allclose(result.cpu(), expected, atol=1e-3, rtol=1e-4)


class Recorded:
    """x @ w @ w, with x in a place of its own, as torch.cuda.graph's documentation does it."""

    def __init__(self, pool=None, seed=1):
        self.weight = values(64, 64, seed=seed) / 8
        self.device_weight, self.x = self.weight.cuda(), torch.zeros(16, 64).cuda()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # cuBLAS makes its workspace before the capture
            self.x @ self.device_weight
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, pool=pool):
            self.y = self.x @ self.device_weight @ self.device_weight

    def expected(self, x):
        return x @ self.weight @ self.weight


def test_replay_computes_with_the_inputs_of_the_moment():
    recorded = Recorded()
    for seed in range(3):
        x = values(16, 64, seed=seed)
        recorded.x.copy_(x)
        recorded.graph.replay()
        assert close(recorded.y, recorded.expected(x))


def test_recording_does_nothing_and_each_replay_does_all_of_it():
    source = random_bits(MIB, seed=1).cuda()
    middle, target = random_bits(MIB, seed=2).cuda(), random_bits(MIB, seed=3).cuda()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        middle.copy_(source)
        target.copy_(middle)
    assert same_bits(target, random_bits(MIB, seed=3))
    for seed in (4, 5):
        source.copy_(random_bits(MIB, seed=seed))
        graph.replay()
        assert same_bits(target, random_bits(MIB, seed=seed))


def test_replay_is_in_the_order_of_the_stream_that_replays():
    recorded = Recorded()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    x = values(16, 64, seed=7)
    pinned, result = x.pin_memory(), torch.zeros(16, 64).pin_memory()
    with torch.cuda.stream(stream):
        recorded.x.copy_(pinned, non_blocking=True)
        recorded.graph.replay()
        result.copy_(recorded.y, non_blocking=True)
    stream.synchronize()
    assert close(result, recorded.expected(x))


def test_a_side_stream_takes_part_in_the_capture():
    a, b = random_bits(MIB, seed=1).cuda(), random_bits(MIB, seed=2).cuda()
    c, d = torch.zeros(MIB, dtype=torch.uint8).cuda(), torch.zeros(MIB, dtype=torch.uint8).cuda()
    side, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        assert torch.cuda.is_current_stream_capturing()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            assert torch.cuda.is_current_stream_capturing()
            c.copy_(a)
        d.copy_(b)
        torch.cuda.current_stream().wait_stream(side)
    assert not torch.cuda.is_current_stream_capturing()
    assert not torch.equal(c.cpu(), a.cpu())
    graph.replay()
    assert same_bits(c, a) and same_bits(d, b)


def test_memory_of_a_graph_is_not_handed_out_to_others():
    recorded = Recorded()
    others = [random_bits(16 * 64 * 4, seed=n).cuda() for n in range(200)]
    x = values(16, 64, seed=9)
    recorded.x.copy_(x)
    recorded.graph.replay()
    assert close(recorded.y, recorded.expected(x))
    assert all(same_bits(other, random_bits(16 * 64 * 4, seed=n)) for n, other in enumerate(others))


def test_graphs_that_share_a_pool_replay_in_the_order_of_their_recording():
    first = Recorded(seed=1)
    second = Recorded(pool=first.graph.pool(), seed=2)
    assert second.graph.pool() == first.graph.pool()
    for seed in (3, 4):
        x = values(16, 64, seed=seed)
        first.x.copy_(x)
        first.graph.replay()
        second.x.copy_(first.y)
        second.graph.replay()
        assert close(second.y, second.expected(first.expected(x)))


def test_a_pool_handle_may_be_made_beforehand():
    pool = torch.cuda.graph_pool_handle()
    recorded = Recorded(pool=pool)
    assert recorded.graph.pool() == pool
    x = values(16, 64, seed=5)
    recorded.x.copy_(x)
    recorded.graph.replay()
    assert close(recorded.y, recorded.expected(x))


def test_the_pool_of_a_graph_comes_back_with_the_graph(account, pages_at_home):
    """64 MiB of intermediates: kept while the graph lives, given back by empty_cache after it."""
    once = Recorded()  # what one-time costs there are
    once.graph.replay()  # memory of a graph is there to be freed from its first launch on
    torch.cuda.synchronize()
    del once
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = account.bytes_used()["cuda:0"] if account else torch.cuda.memory_reserved()
    source = torch.zeros(64 * MIB, dtype=torch.uint8).cuda()
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        copy = source.clone()
    graph.replay()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    during = account.bytes_used()["cuda:0"] if account else torch.cuda.memory_reserved()
    assert during - before >= 128 * MIB
    del copy, source, graph
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    after = account.bytes_used()["cuda:0"] if account else torch.cuda.memory_reserved()
    assert after - before < 8 * MIB


def test_graphed_callable_gives_what_the_module_gives():
    module = torch.nn.Sequential(torch.nn.Linear(64, 32, bias=False), torch.nn.Linear(32, 16, bias=False)).cuda()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    module.eval()
    expected = [values(8, 64, seed=n) @ module[0].weight.cpu().t() @ module[1].weight.cpu().t() for n in range(3)]
    graphed = torch.cuda.make_graphed_callables(module, (torch.zeros(8, 64).cuda(),))
    for n in range(3):
        assert close(graphed(values(8, 64, seed=n).cuda()), expected[n])


@pytest.mark.skipif(TORCH < (2, 8), reason="keep_graph is newer")
def test_a_graph_that_is_kept_is_instantiated_when_asked():
    x, weight = values(16, 64, seed=1), values(64, 64, seed=2)
    device_x, device_weight = x.cuda(), weight.cuda()
    device_x @ device_weight
    graph = torch.cuda.CUDAGraph(keep_graph=True)
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        y = device_x @ device_weight
    assert graph.raw_cuda_graph() != 0
    graph.instantiate()
    graph.replay()
    assert close(y, x @ weight)


CAPTURES_WHAT_IS_FORBIDDEN = """
import sys, torch
x = torch.ones(4).cuda()
torch.cuda.synchronize()
try:
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        {call}
    print("no error")
except RuntimeError as error:
    print(str(error).splitlines()[0])
torch.cuda.synchronize()
print(torch.full((3,), 7.0).cuda().sum is not None, torch.full((3,), 7.0).cuda().cpu().tolist())
"""


@pytest.mark.parametrize("call", ["torch.cuda.synchronize()", "x.cpu()", "torch.cuda.current_stream().synchronize()"])
def test_waiting_inside_a_capture_is_an_error_and_cuda_works_after_it(call):
    child = subprocess.run([sys.executable, "-c", CAPTURES_WHAT_IS_FORBIDDEN.format(call=call)], capture_output=True,
                           text=True, timeout=120)
    lines = child.stdout.splitlines()
    assert child.returncode == 0, child.stderr
    assert re.search("captur", lines[0]), lines
    assert lines[1] == "True [7.0, 7.0, 7.0]"
