"""Pages of a VBAR: they come by a fault, hold bytes, go from the top, and say by their signatures that they went."""

import pytest
import xxhash
from comfy_aimdo.model_vbar import ModelVBAR, vbar_fault, vbar_unpin
from driver import MIB, PAGE
from vbars import Weights, random_bytes


@pytest.fixture
def weights(aimdo):
    """Eight weights of a page each on device 0."""
    return Weights(8)


def test_a_vbar_takes_addresses_and_no_memory(aimdo, account):
    before = account.bytes_used()
    vbar = ModelVBAR(1024 * MIB, 0)
    assert vbar.get_nr_pages() == 32
    assert account.bytes_used() == before
    assert account.bytes_at(vbar.base_addr, 1024 * MIB) == {}
    vbar.close()


@pytest.mark.parametrize("device", [0, 1])
def test_a_fault_brings_whole_pages_to_the_device(aimdo, account, driver, device):
    """40 MiB behind 20 MiB: pages 0 and 1, and nothing else anywhere."""
    before = account.bytes_used()
    driver.use(device)
    vbar = ModelVBAR(256 * MIB, device)
    vbar.alloc(20 * MIB)
    weight = vbar.alloc(40 * MIB)
    signature = vbar_fault(weight)
    assert list(signature)[:2] == [1, 1]
    assert account.bytes_at(vbar.base_addr, 256 * MIB) == {f"cuda:{device}": 2 * PAGE}
    assert account.bytes_at(vbar.base_addr, 2 * PAGE) == {f"cuda:{device}": 2 * PAGE}
    expected = dict(before)
    expected[f"cuda:{device}"] = before.get(f"cuda:{device}", 0) + 2 * PAGE
    assert account.bytes_used() == expected
    assert vbar.get_residency() == [3, 3, 0, 0, 0, 0, 0, 0]
    vbar_unpin(weight)
    assert vbar.get_residency() == [1, 1, 0, 0, 0, 0, 0, 0]
    vbar.close()
    driver.use(0)
    assert account.bytes_used() == before


def test_bytes_written_read_back_across_pages(aimdo, account, driver):
    vbar = ModelVBAR(256 * MIB, 0)
    weight = vbar.alloc(40 * MIB + 512)
    _, address, size = weight
    assert vbar_fault(weight)
    data = random_bytes(size, seed=1)
    driver.write(address, data)
    assert account.hash(address, size) == xxhash.xxh3_64_intdigest(data)
    assert driver.read(address + PAGE - 4096, 8192) == data[PAGE - 4096 : PAGE + 4096]
    vbar_unpin(weight)
    vbar.close()


def test_signatures_change_only_where_a_page_went(weights, account, driver):
    assert weights.use_all() == ["new"] * 8
    assert weights.use_all() == ["kept"] * 8
    marks = [random_bytes(4096, seed=n) for n in range(8)]
    for n, mark in enumerate(marks):
        driver.write(weights.address(n) + MIB, mark)
    assert weights.vbar.free_memory(3 * PAGE) == 3 * PAGE
    assert weights.resident(account) == [0, 1, 2, 3, 4]
    weights.vbar.prioritize()
    assert weights.use_all() == ["kept"] * 5 + ["new"] * 3
    there = [driver.read(weights.address(n) + MIB, 4096) == mark for n, mark in enumerate(marks)]
    assert there == [True] * 5 + [False] * 3


def test_above_the_watermark_faults_are_refused_until_it_is_lifted(weights, account):
    weights.use_all()
    weights.vbar.set_watermark(5 * PAGE)
    assert weights.vbar.get_watermark() == 5 and weights.resident(account) == [0, 1, 2, 3, 4]
    assert weights.use_all() == ["kept"] * 5 + ["refused"] * 3
    assert weights.resident(account) == [0, 1, 2, 3, 4]
    weights.vbar.prioritize()
    assert weights.vbar.get_watermark() == 8
    assert weights.use_all() == ["kept"] * 5 + ["new"] * 3
    assert weights.resident(account) == list(range(8))


def test_a_fault_that_ends_above_the_watermark_takes_nothing(aimdo, account):
    vbar = ModelVBAR(8 * PAGE, 0)
    weight = vbar.alloc(6 * PAGE)
    vbar.set_watermark(3 * PAGE)
    assert vbar_fault(weight) is None
    assert account.bytes_at(vbar.base_addr, 8 * PAGE) == {}
    vbar.close()


def test_a_pinned_page_stays_until_it_is_unpinned(weights, account, driver):
    """Pages 5, 6, 7 are asked back while 6 is in use."""
    weights.use_all()
    weights.pin(6)
    mark = random_bytes(4096, seed=6)
    driver.write(weights.address(6), mark)
    weights.vbar.set_watermark(5 * PAGE)
    assert weights.resident(account) == [0, 1, 2, 3, 4, 6]
    assert driver.read(weights.address(6), 4096) == mark
    weights.unpin(6)
    assert weights.resident(account) == [0, 1, 2, 3, 4]


def test_the_watermark_limit_keeps_pages(weights, account):
    weights.use_all()
    weights.vbar.set_watermark_limit(6 * PAGE)
    assert weights.vbar.free_memory(8 * PAGE) == 2 * PAGE
    assert weights.resident(account) == [0, 1, 2, 3, 4, 5]


def test_a_pageout_callback_sees_each_page_while_it_is_still_there(aimdo, account, driver):
    seen = []

    def save(offset, size):
        seen.append((offset, size, driver.read(weights.address(0) + offset, 4096)))

    weights = Weights(4, pageout=save)
    weights.use_all()
    marks = [random_bytes(4096, seed=n) for n in range(4)]
    for n, mark in enumerate(marks):
        driver.write(weights.address(n), mark)
    assert weights.vbar.free_memory(2 * PAGE) == 2 * PAGE
    assert seen == [(n * PAGE, PAGE, marks[n]) for n in (3, 2)]
    assert weights.resident(account) == [0, 1]


def test_closing_gives_pages_and_addresses_back(weights, account):
    before = account.bytes_used()["cuda:0"]
    weights.use_all()
    assert account.bytes_used()["cuda:0"] == before + 8 * PAGE
    weights.close()
    assert account.bytes_used()["cuda:0"] == before
    assert account.bytes_at(weights.vbar.base_addr, 8 * PAGE) == {}


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("step", ["cuMemMap", "cuMemSetAccess"])
def test_a_step_that_fails_is_an_error_and_leaves_no_page(weights, account, driver, step, n):
    """Not "out of memory", which would be a refusal: comfy-aimdo raises, and what it had made of the page is undone."""
    for done in range(n - 1):
        weights.use(done)
    driver.library.simcudaFail(step.encode(), 1, 600)
    with pytest.raises(RuntimeError, match="Fault failed"):
        weights.use(n)
    assert weights.resident(account) == list(range(n - 1))
    assert weights.use(n) == "new"
