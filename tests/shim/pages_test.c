/* pages_test.c: what is known of addresses. The records themselves, not by way of CUDA: this test has its own copy. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "../../shim/pages.h"

#define PAGE VS_PAGE_BYTES

static const struct vs_home none = {VS_HOME_NONE, 0}, host = {VS_HOME_HOST, 0}, local = {VS_HOME_LOCAL, 0},
                            peer_1 = {VS_HOME_PEER, 1}, peer_2 = {VS_HOME_PEER, 2};

static void expect_run(CUdeviceptr address, size_t bytes, size_t run, struct vs_home home)
{
    struct vs_home found;
    cr_expect_eq(
        vs_pages_run(address, bytes, &found), run, "%#llx: %zu", address, vs_pages_run(address, bytes, &found));
    cr_expect(vs_home_equal(found, home), "%#llx is at %d:%d", address, found.kind, found.device);
}

Test(pages, codes_of_homes_are_all_different)
{
    bool seen[1 << 16] = {false};
    seen[vs_home_code(none)] = true;
    cr_expect_eq(vs_home_code(none), 0);
    for (enum vs_home_kind kind = VS_HOME_LOCAL; kind <= VS_HOME_HOST; kind++)
        for (int device = 0; device < (kind == VS_HOME_HOST ? 1 : 128); device++) {
            const struct vs_home home = {kind, device};
            uint16_t code = vs_home_code(home);
            cr_assert(!seen[code]);
            seen[code] = true;
            cr_expect(vs_home_equal(vs_home_of_code(code), home));
        }
}

Test(pages, nothing_is_ours_before_there_is_a_range)
{
    cr_expect(!vs_pages_may_own(0));
    cr_expect(!vs_pages_may_own(1));
    cr_expect(!vs_pages_may_own(UINT64_MAX));
    cr_expect_null(vs_range_of(4096));
    expect_run(4096, 12345, 12345, none);
}

/* Added out of order; one of them at the end of the address space. */
Test(pages, an_address_is_found_in_its_range_and_nowhere_else)
{
    const struct {
        CUdeviceptr base;
        size_t pages;
    } ranges[] = {
        {500 * PAGE, 10}, {100 * PAGE, 1}, {510 * PAGE, 2}, {300 * PAGE, 50}, {UINT64_MAX / PAGE * PAGE - PAGE, 1}};
    enum { COUNT = sizeof ranges / sizeof *ranges };
    struct vs_range *made[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        made[i] = vs_pages_add(ranges[i].base, ranges[i].pages * PAGE, VS_RANGE_GUEST, NULL);
        cr_assert(made[i]);
        for (size_t j = 0; j <= i; j++) {
            CUdeviceptr base = ranges[j].base, end = base + ranges[j].pages * PAGE;
            cr_expect(vs_pages_may_own(base) && vs_pages_may_own(end - 1));
            cr_expect_eq(vs_range_of(base), made[j]);
            cr_expect_eq(vs_range_of(end - 1), made[j]);
        }
    }
    cr_expect_null(vs_range_of(100 * PAGE - 1));
    cr_expect_null(vs_range_of(101 * PAGE));
    cr_expect_null(vs_range_of(350 * PAGE));
    cr_expect_null(vs_range_of(499 * PAGE));
    cr_expect_null(vs_range_of(512 * PAGE));
    cr_expect_null(vs_range_of(0));
    cr_expect_null(vs_range_of(UINT64_MAX));
    cr_expect(!vs_pages_may_own(100 * PAGE - 1));
}

Test(pages, a_run_ends_where_the_home_does)
{
    struct vs_range *range = vs_pages_add(1000 * PAGE, 16 * PAGE, VS_RANGE_ARENA, NULL);
    CUdeviceptr base = range->base;
    vs_pages_mark(range, base + 2 * PAGE, 3 * PAGE, peer_1);
    vs_pages_mark(range, base + 5 * PAGE, PAGE, peer_2);
    vs_pages_mark(range, base + 6 * PAGE, PAGE, host);
    vs_pages_mark(range, base + 7 * PAGE, 9 * PAGE, local);
    expect_run(base, 100 * PAGE, 2 * PAGE, none);
    expect_run(base + 2 * PAGE, 100 * PAGE, 3 * PAGE, peer_1);
    expect_run(base + 2 * PAGE + 512, 100 * PAGE, 3 * PAGE - 512, peer_1);
    expect_run(base + 2 * PAGE + 512, 7, 7, peer_1);
    expect_run(base + 2 * PAGE + 512, PAGE, PAGE, peer_1);
    expect_run(base + 5 * PAGE - 1, 100, 1, peer_1);
    expect_run(base + 5 * PAGE, 2 * PAGE, PAGE, peer_2);
    expect_run(base + 6 * PAGE + 5, 2 * PAGE, PAGE - 5, host);
    expect_run(base + 8 * PAGE, 100 * PAGE, 8 * PAGE, local);
    expect_run(base - PAGE, 100 * PAGE, PAGE, none);
    expect_run(base + 16 * PAGE, 100 * PAGE, 100 * PAGE, none);
    vs_pages_mark(range, base + 8 * PAGE, PAGE, host);
    expect_run(base + 7 * PAGE, 100 * PAGE, PAGE, local);
}

/* A copy that is cut by runs covers each of its bytes once. */
Test(pages, runs_cover_a_range_without_gap_or_overlap)
{
    struct vs_range *range = vs_pages_add(64 * PAGE, 64 * PAGE, VS_RANGE_ARENA, NULL);
    srand(7);
    for (size_t page = 0; page < 64; page++) {
        const struct vs_home homes[] = {none, host, local, peer_1};
        vs_pages_mark(range, range->base + page * PAGE, PAGE, homes[rand() % 4]);
    }
    for (int round = 0; round < 1000; round++) {
        CUdeviceptr address = 60 * PAGE + (size_t)rand() % (72 * PAGE);
        size_t bytes = 1 + (size_t)rand() % (8 * PAGE), done = 0;
        struct vs_home home;
        while (done < bytes) {
            size_t run = vs_pages_run(address + done, bytes - done, &home);
            cr_assert(run > 0 && run <= bytes - done);
            for (CUdeviceptr at = address + done; at < address + done + run; at += PAGE / 2) {
                struct vs_range *here = vs_range_of(at);
                cr_assert(vs_home_equal(home, here ? vs_page_home_of(here, vs_page_of(here, at)) : none));
            }
            done += run;
        }
    }
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Ranges come and go while others stay: what is kept of them does not grow with the number of those that stay. */
Test(pages, what_comes_and_goes_leaves_nothing_behind)
{
    enum { STAY = 500, CYCLES = 2000 };
    for (size_t i = 0; i < STAY; i++)
        cr_assert(vs_pages_add((1000 + 4 * i) * PAGE, 2 * PAGE, VS_RANGE_GUEST, NULL));
    size_t before = heap_bytes();
    for (size_t i = 0; i < CYCLES; i++) {
        CUdeviceptr base = (1002 + 4 * (i % STAY)) * PAGE;
        struct vs_range *range = vs_pages_add(base, PAGE, VS_RANGE_GUEST, NULL);
        cr_assert(range && vs_range_of(base) == range && vs_range_from(base - 1) == vs_range_of(base - 1));
        cr_assert(vs_pages_remove(range));
        cr_assert_null(vs_range_of(base));
        cr_assert_eq(vs_range_from(base), vs_range_of(base + 2 * PAGE));
    }
    cr_expect_lt(heap_bytes() - before, 200 << 10, "%zu bytes more", heap_bytes() - before);
}

static _Atomic(bool) is_over;

static void *come_and_go(void *base)
{
    for (size_t i = 0; !is_over; i++) {
        struct vs_range *range =
            vs_pages_add((CUdeviceptr)base + i % 50 * 4 * PAGE, (1 + i % 3) * PAGE, VS_RANGE_GUEST, NULL);
        vs_pages_remove(range);
    }
    return NULL;
}

/* A range that stays is found at every moment, whatever comes and goes before and behind it; what was never one, never.
 */
Test(pages, a_range_is_found_while_others_come_and_go)
{
    struct vs_range *stays = vs_pages_add(5000 * PAGE, PAGE, VS_RANGE_ARENA, NULL);
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, come_and_go, (void *)(1000 * PAGE));
    pthread_create(&threads[1], NULL, come_and_go, (void *)(9000 * PAGE));
    for (size_t i = 0; i < 2000000; i++) {
        cr_assert_eq(vs_range_of(5000 * PAGE + i % PAGE), stays);
        cr_assert_null(vs_range_of(5001 * PAGE + i % PAGE));
        if (i % 16 == 0)
            cr_assert_eq(vs_range_from(4999 * PAGE), stays);
    }
    is_over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}
