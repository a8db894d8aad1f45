"""Several threads on one device, and data loaders with forked workers beside an initialised CUDA."""

import threading

import pytest
import torch
from bits import random_bits, same_bits
from torch.utils.data import DataLoader, Dataset


def run_threads(work, count):
    errors = []

    def guarded(n):
        try:
            work(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread hangs"
    assert not errors, errors


@pytest.mark.parametrize("own_stream", [False, True], ids=["default stream", "own streams"])
def test_two_threads_copy_and_free(own_stream):
    def work(n):
        stream = torch.cuda.Stream() if own_stream else torch.cuda.current_stream()
        with torch.cuda.stream(stream):
            for step in range(60):
                source = random_bits(50000 + 1000 * step, seed=1000 * n + step)
                device = source.to("cuda:0")
                assert same_bits(device.clone(), source)

    run_threads(work, 2)


def test_two_threads_multiply():
    def work(n):
        generator = torch.Generator().manual_seed(n)
        for _ in range(20):
            a, b = torch.randn(32, 48, generator=generator), torch.randn(48, 16, generator=generator)
            assert torch.allclose((a.cuda() @ b.cuda()).cpu(), a @ b, atol=1e-4)

    run_threads(work, 2)


def test_current_device_belongs_to_the_thread(second_device):
    def work(n):
        torch.cuda.set_device(n)
        for step in range(50):
            tensor = random_bits(1000, seed=step).cuda()
            assert tensor.device.index == n
            assert same_bits(tensor, random_bits(1000, seed=step))

    run_threads(work, 2)
    assert torch.cuda.current_device() == 0


def test_one_thread_empties_the_cache_while_another_allocates():
    done = threading.Event()

    def work(n):
        if n == 0:
            while not done.is_set():
                torch.cuda.empty_cache()
            return
        try:
            for step in range(100):
                source = random_bits(3 << 20, seed=step % 3)
                assert same_bits(source.cuda(), source)
        finally:
            done.set()

    run_threads(work, 2)


class Numbered(Dataset):
    """Item n is random bits with the seed n."""

    def __len__(self):
        return 24

    def __getitem__(self, n):
        return n, random_bits(10000, seed=n)


class TouchesCuda(Numbered):
    def __getitem__(self, n):
        return torch.ones(1).cuda()


@pytest.mark.parametrize("pin_memory", [False, True], ids=["pageable", "pinned"])
def test_data_loader_with_two_forked_workers(pin_memory):
    before = random_bits(1 << 20, seed=99).to("cuda:0")
    loader = DataLoader(
        Numbered(), batch_size=4, num_workers=2, pin_memory=pin_memory, multiprocessing_context="fork", timeout=60
    )
    seen = []
    for numbers, batch in loader:
        device = batch.to("cuda:0", non_blocking=pin_memory)
        for n, row in zip(numbers.tolist(), device.cpu(), strict=True):
            seen.append(n)
            assert same_bits(row, random_bits(10000, seed=n))
    assert sorted(seen) == list(range(24))
    assert same_bits(before, random_bits(1 << 20, seed=99))


def test_cuda_in_a_forked_worker_is_refused_and_the_parent_goes_on():
    torch.ones(1).cuda()
    loader = DataLoader(TouchesCuda(), num_workers=1, multiprocessing_context="fork", timeout=60)
    with pytest.raises(RuntimeError, match="re-initialize CUDA in forked subprocess"):
        next(iter(loader))
    assert torch.ones(5).cuda().cpu().sum() == 5
