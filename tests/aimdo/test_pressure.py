"""A full card: whoever allocates through the patched functions, or faults a page, makes pages of lower rank go."""

import time

import pytest
from driver import MIB, OUT_OF_MEMORY, PAGE, DriverError
from vbars import Weights, random_bytes

GIB = 1024 * MIB
HEADROOM = 256 * MIB  # that comfy-aimdo keeps free
ALLOCATE_AND_FREE = {
    "cuMemAlloc_v2": "cuMemFree_v2",
    "cuMemAllocAsync": "cuMemFreeAsync",
    "cuMemAllocAsync_ptsz": "cuMemFreeAsync_ptsz",
}


def free_bytes(driver, account, device=0):
    return driver.total(device) - account.bytes_used()[f"cuda:{device}"]


@pytest.fixture
def too_many(aimdo):
    """As many weights as the 2 GiB card has pages, more than fit beside its context: faulted until one is refused."""
    weights = Weights(64)
    weights.used = weights.use_all()
    yield weights


def test_a_vbar_larger_than_the_card_is_cut_to_it(aimdo, account, driver):
    for device in (0, 1):
        weights = Weights(200, device)
        assert weights.vbar.get_nr_pages() == driver.total(device) // PAGE
        weights.close()


def test_faults_beyond_the_card_are_refused(too_many, account, driver):
    """A prefix is resident, the card is filled up to the headroom, and a second round changes nothing."""
    count = too_many.used.index("refused")
    assert too_many.used == ["new"] * count + ["refused"] * (64 - count)
    assert too_many.resident(account)[:-1] == list(range(len(too_many.resident(account)) - 1))
    assert len(too_many.resident(account)) in (count, count - 1)
    assert 0 <= free_bytes(driver, account) - HEADROOM < 3 * PAGE
    resident = too_many.resident(account)
    assert too_many.use_all() == ["kept"] * len(resident) + ["refused"] * (64 - len(resident))
    assert too_many.resident(account) == resident


@pytest.mark.parametrize("allocate", ALLOCATE_AND_FREE)
def test_a_foreign_allocation_makes_pages_go(too_many, account, driver, allocate):
    pages = too_many.resident(account)
    marks = {n: random_bytes(4096, seed=n) for n in pages[:4]}
    for n, mark in marks.items():
        driver.write(too_many.address(n), mark)
    used = account.bytes_used()["cuda:0"]
    with pytest.raises(DriverError) as refused:
        driver.release(driver.create(800 * MIB))  # by a function that comfy-aimdo does not watch: there is no room
    assert refused.value.result == OUT_OF_MEMORY
    address = driver.allocate(800 * MIB, allocate)
    assert account.bytes_at(address, 800 * MIB) == {"cuda:0": 800 * MIB}
    left = too_many.resident(account)
    assert left == pages[: len(left)] != []
    assert account.bytes_used()["cuda:0"] == used + 800 * MIB - (len(pages) - len(left)) * PAGE
    assert 0 <= free_bytes(driver, account) - HEADROOM <= 128 * MIB + 2 * PAGE  # 128: more for cuMemAlloc, it says
    assert all(driver.read(too_many.address(n), 4096) == mark for n, mark in marks.items())
    assert too_many.use(pages[-1]) == "refused"
    driver.free(address, ALLOCATE_AND_FREE[allocate])
    driver.synchronize()
    assert too_many.use(pages[-1]) == "refused"  # pages come back with the next run
    too_many.vbar.prioritize()
    assert [too_many.use(n) for n in pages] == ["kept"] * len(left) + ["new"] * (len(pages) - len(left))


@pytest.mark.parametrize("allocate", ALLOCATE_AND_FREE)
def test_an_allocation_that_fits_makes_no_page_go(aimdo, account, driver, allocate):
    weights = Weights(8)
    weights.use_all()
    address = driver.allocate(800 * MIB, allocate)
    assert weights.resident(account) == list(range(8))
    assert weights.use_all() == ["kept"] * 8
    driver.free(address, ALLOCATE_AND_FREE[allocate])
    driver.synchronize()


@pytest.mark.parametrize("allocate", ALLOCATE_AND_FREE)
def test_an_allocation_larger_than_the_card_fails_as_without_aimdo(too_many, account, driver, allocate):
    with pytest.raises(DriverError) as refused:
        driver.allocate(3 * GIB, allocate)
    assert refused.value.result == OUT_OF_MEMORY
    assert too_many.resident(account) == []


@pytest.mark.parametrize("allocate", ALLOCATE_AND_FREE)
def test_pinned_pages_are_not_taken(too_many, account, driver, allocate):
    pages = too_many.resident(account)
    mark = random_bytes(4096, seed=1)
    for n in pages:
        too_many.pin(n)
    driver.write(too_many.address(pages[-1]), mark)
    with pytest.raises(DriverError) as refused:
        driver.allocate(800 * MIB, allocate)
    assert refused.value.result == OUT_OF_MEMORY
    assert too_many.resident(account) == pages
    assert driver.read(too_many.address(pages[-1]), 4096) == mark
    for n in pages:
        too_many.unpin(n)
    assert too_many.resident(account) == []  # all are above the watermark now


@pytest.mark.parametrize("allocate", ALLOCATE_AND_FREE)
def test_what_aimdo_cannot_foresee_is_tried_again_with_fewer_pages(aimdo, account, driver, allocate):
    """By its sums the allocation fits, the driver refuses it, pages go, and the second try succeeds."""
    weights = Weights(20)
    weights.use_all()
    symbol = allocate.removesuffix("_ptsz")
    before = account.calls(symbol)
    driver.library.simcudaFail(symbol.encode(), 1, OUT_OF_MEMORY)
    address = driver.allocate(64 * MIB, allocate)
    assert account.calls(symbol) - before == 2
    assert account.bytes_at(address, 64 * MIB) == {"cuda:0": 64 * MIB}
    pages = weights.resident(account)
    asked = 64 + (128 if allocate == "cuMemAlloc_v2" else 0)  # it asks for more where memory may be in pieces
    assert pages == list(range(20 - asked * MIB // PAGE))
    driver.free(address, ALLOCATE_AND_FREE[allocate])


@pytest.mark.parametrize("allocate", ALLOCATE_AND_FREE)
def test_memory_that_is_taken_behind_its_back_makes_pages_go_too(aimdo, account, driver, allocate):
    """By cuMemCreate, which it does not watch: it learns of it from cuMemGetInfo, every two seconds, or a refusal."""
    weights = Weights(20)
    weights.use_all()
    hidden = driver.create(free_bytes(driver, account) - 16 * MIB)
    address = driver.allocate(64 * MIB, allocate)
    assert account.bytes_at(address, 64 * MIB) == {"cuda:0": 64 * MIB}
    pages = weights.resident(account)
    assert pages == list(range(len(pages))) and len(pages) < 20
    driver.free(address, ALLOCATE_AND_FREE[allocate])
    driver.release(hidden)


def test_two_seconds_later_it_has_seen_what_others_took(aimdo, account, driver):
    """Again by cuMemCreate; nothing fails here: cuMemGetInfo tells, and a fault of another weight takes heed."""
    weights = Weights(20)
    weights.use_all()
    hidden = driver.create(free_bytes(driver, account) - 16 * MIB)
    time.sleep(2.2)
    failed = account.calls("cuMemCreate")
    weights.use(0)
    left = weights.resident(account)
    assert account.calls("cuMemCreate") == failed
    assert left == list(range(len(left))) and 0 <= free_bytes(driver, account) - HEADROOM < 2 * PAGE
    driver.release(hidden)


def test_a_fault_whose_memory_is_refused_is_tried_again_or_refused(aimdo, account, driver):
    weights = Weights(8)
    for n in range(7):
        weights.use(n)
    driver.library.simcudaFail(b"cuMemCreate", 1, OUT_OF_MEMORY)
    assert weights.use(7) == "refused"
    pages = weights.resident(account)
    assert pages == list(range(len(pages))) and len(pages) <= 7
    weights.vbar.prioritize()
    assert weights.use_all()[-1] == "new"
    driver.synchronize()


def test_the_vbar_of_lower_rank_loses_its_pages_first(aimdo, account):
    """The newest VBAR ranks highest; then the order is turned."""
    old, new = Weights(30), Weights(30)
    old.use_all()
    new.use_all()
    assert new.resident(account) == list(range(30))
    left = old.resident(account)
    assert 0 < len(left) < 30 and left == list(range(len(left)))
    old.vbar.prioritize()
    assert "refused" not in old.use_all()
    assert old.resident(account) == list(range(30))
    lost = new.resident(account)
    assert 0 < len(lost) < 30 and lost == list(range(len(lost)))
    old.vbar.deprioritize()
    new.vbar.prioritize()
    new.vbar.deprioritize()  # below `old` again
    old.use_all()
    assert old.resident(account) == list(range(30))


def test_a_fault_takes_the_pages_of_lower_rank_before_its_own_is_refused(too_many, account):
    newer = Weights(10)
    before = too_many.resident(account)
    assert newer.use_all() == ["new"] * 10
    left = too_many.resident(account)
    assert left == before[: len(left)] and 9 <= len(before) - len(left) <= 12


def test_pressure_on_one_device_leaves_the_other_alone(aimdo, account, driver):
    driver.use(1)
    other = Weights(32, device=1)
    other.use_all()
    there = other.resident(account)
    driver.use(0)
    address = driver.allocate(1200 * MIB)
    assert other.resident(account) == there != []
    driver.use(1)
    second = driver.allocate(400 * MIB)
    assert account.bytes_at(second, 400 * MIB) == {"cuda:1": 400 * MIB}
    assert len(other.resident(account)) < len(there)
    driver.free(second)
    driver.use(0)
    driver.free(address)


def test_a_headroom_that_is_asked_for_is_kept(aimdo, account, driver):
    before = aimdo.get_simple_vram_headroom()
    aimdo.set_simple_vram_headroom(1024 * MIB)
    weights = Weights(64)
    weights.use_all()
    counted = aimdo.lib.get_total_vram_usage(aimdo.get_devctx(0))
    assert driver.total(0) - 1024 * MIB - 2 * PAGE < counted <= driver.total(0) - 1024 * MIB
    aimdo.set_simple_vram_headroom(before)
    weights.close()
