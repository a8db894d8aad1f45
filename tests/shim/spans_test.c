/* spans_test.c: blocks of a span against a plain list of who has which addresses. The bookkeeping itself, not by way of
 * CUDA: this test has its own copy. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../shim/spans.h"

#define PAGE VS_PAGE_BYTES
#define BASE ((CUdeviceptr)1 << 40)

static const struct vs_home peer = {VS_HOME_PEER, 1}, host = {VS_HOME_HOST, 0};

static struct vs_span *make_span(size_t bytes, enum vs_span_sort sort)
{
    static CUdeviceptr next = BASE;
    struct vs_range *range = vs_pages_add(next, 2 * bytes, VS_RANGE_ARENA, NULL);
    cr_assert(range);
    next += 4 * bytes;
    struct vs_span *span = vs_span_create(range, range->base + bytes, bytes, sort);
    cr_assert(span);
    span->home = peer;
    return span;
}

Test(spans, sorts_are_chosen_by_what_whole_pages_would_waste)
{
    cr_expect_eq(vs_span_sort_of(64 << 10), VS_SPAN_PACKED);
    cr_expect_eq(vs_span_sort_of(PAGE), VS_SPAN_WHOLE);
    cr_expect_eq(vs_span_sort_of(PAGE + 1), VS_SPAN_PACKED);
    cr_expect_eq(vs_span_sort_of(2 * PAGE - 2 * PAGE / 50), VS_SPAN_WHOLE, "2 %% of it");
    cr_expect_eq(vs_span_sort_of(2 * PAGE - 2 * PAGE / 25), VS_SPAN_PACKED, "4 %% of it");
    cr_expect_eq(vs_span_sort_of(16 * PAGE), VS_SPAN_WHOLE);
    cr_expect_eq(vs_span_sort_of(17 * PAGE), VS_SPAN_OWN);
    cr_expect_eq(vs_span_sort_of(20 * PAGE + PAGE / 8), VS_SPAN_PACKED, "4 %% of it");
    cr_expect_eq(vs_span_extent_of(VS_SPAN_PACKED, 513), 1024);
    cr_expect_eq(vs_span_extent_of(VS_SPAN_WHOLE, PAGE - 5), PAGE);
}

/* What was moved elsewhere is not this home's any more. */
Test(spans, pages_that_were_moved_are_passed_over)
{
    struct vs_span *span = make_span(16 * PAGE, VS_SPAN_PACKED);
    vs_pages_mark(span->range, span->address, 4 * PAGE, peer);
    vs_pages_mark(span->range, span->address + PAGE, PAGE, host);
    struct vs_block *first = vs_span_take(span, PAGE / 2, NULL);
    cr_expect_eq(first->offset, 0);
    struct vs_block *second = vs_span_take(span, PAGE, NULL);
    cr_expect_eq(second->offset, 2 * PAGE, "half a page is left before the one that moved");
    struct vs_block *third = vs_span_take(span, PAGE / 2, NULL);
    cr_expect_eq(third->offset, PAGE / 2, "it fits there");
    vs_block_release(first);
    vs_block_release(second);
    vs_block_release(third);
    cr_expect(vs_span_is_empty(span));
    vs_span_free(span);
}

enum { SLOTS = 60, ORDERS = 3, ROUNDS = 40000 };

static struct {
    struct vs_block *block; /* live; NULL: none, or retired */
    size_t offset, bytes;
    int waits; /* index of the retirement that holds it; -1: none */
} slots[SLOTS];

static struct vs_retirement retirements[ORDERS];

/* The whole list against the rules. */
static void check_list(const struct vs_span *span)
{
    size_t offset = 0;
    const struct vs_block *previous = NULL;
    for (const struct vs_block *block = span->blocks; block; previous = block, block = block->next) {
        cr_assert_eq(block->offset, offset);
        cr_assert_gt(block->extent, 0);
        cr_assert_eq(block->previous, previous);
        cr_assert_eq(block->span, span);
        cr_assert(!previous || block->state != VS_BLOCK_FREE || previous->state != VS_BLOCK_FREE, "not united");
        cr_assert_eq(block->retirement != NULL, block->state == VS_BLOCK_RETIRED);
        offset += block->extent;
    }
    cr_assert_eq(offset, span->bytes);
}

static void check_addresses(const struct vs_span *span)
{
    for (const struct vs_block *block = span->blocks; block; block = block->next) {
        CUdeviceptr begin = vs_block_address(block), end = begin + block->extent;
        const struct vs_block *expected = block->state == VS_BLOCK_FREE ? NULL : block;
        cr_assert_eq(vs_block_at(begin), expected);
        cr_assert_eq(vs_block_at(end - 1), expected);
        cr_assert_eq(vs_block_at(begin + block->extent / 2), expected);
    }
}

/* Nobody is given what somebody has, or what is retired in another order. */
static void check_taken(const struct vs_block *block, int order)
{
    for (int i = 0; i < SLOTS; i++) {
        bool overlaps = slots[i].bytes && block->offset < slots[i].offset + slots[i].bytes &&
                        slots[i].offset < block->offset + block->asked_bytes;
        cr_assert(!overlaps || (!slots[i].block && slots[i].waits == order), "slot %d has it", i);
        /* Taken over: what is left of it, if anything, is retired still, and known to the retirement only. */
        if (overlaps)
            slots[i].bytes = 0;
    }
}

static void release_order(int order)
{
    while (retirements[order].blocks)
        vs_block_release(retirements[order].blocks);
    for (int i = 0; i < SLOTS; i++)
        if (!slots[i].block && slots[i].waits == order)
            slots[i].bytes = 0;
}

static void step(struct vs_span *span)
{
    int i = rand() % SLOTS, order = rand() % (ORDERS + 1) - 1;
    if (slots[i].bytes == 0) {
        size_t bytes = span->sort == VS_SPAN_PACKED ? 1 + (size_t)rand() % (3 * PAGE) : PAGE * (1 + (size_t)rand() % 4);
        struct vs_block *block = vs_span_take(span, bytes, order < 0 ? NULL : &retirements[order].order);
        if (!block)
            return;
        cr_assert_eq(block->state, VS_BLOCK_LIVE);
        check_taken(block, order);
        slots[i].block = block;
        slots[i].offset = block->offset;
        slots[i].bytes = bytes;
        slots[i].waits = -1;
    } else if (slots[i].block && order >= 0) {
        vs_block_retire(slots[i].block, &retirements[order]);
        slots[i].block = NULL;
        slots[i].waits = order;
    } else if (slots[i].block) {
        vs_block_release(slots[i].block);
        slots[i].block = NULL;
        slots[i].bytes = 0;
    } else if (rand() % 8 == 0) {
        release_order(slots[i].waits);
    }
}

static void check_sort(enum vs_span_sort sort, unsigned seed)
{
    struct vs_span *span = make_span(64 * PAGE, sort);
    size_t filled = 0;
    srand(seed);
    for (int order = 0; order < ORDERS; order++)
        retirements[order].order = (struct vs_stream_order){true, NULL, (unsigned long long)order + 1};
    for (int round = 0; round < ROUNDS; round++) {
        step(span);
        if (round % 16 == 0) {
            check_list(span);
            check_addresses(span);
        }
        filled += !vs_span_is_empty(span) && span->blocks->next && span->blocks->next->next;
    }
    cr_assert_gt(filled, ROUNDS / 2, "it was hardly ever in use");
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].block)
            vs_block_release(slots[i].block);
    for (int order = 0; order < ORDERS; order++)
        release_order(order);
    check_list(span);
    cr_expect(vs_span_is_empty(span));
    vs_span_free(span);
}

Test(spans, packed_blocks_never_overlap_and_are_found)
{
    check_sort(VS_SPAN_PACKED, 1);
}

Test(spans, whole_blocks_never_overlap_and_are_found)
{
    check_sort(VS_SPAN_WHOLE, 2);
}

/* The first place that fits, whatever was freed and taken before: no room is forgotten. */
Test(spans, freed_room_is_found_again)
{
    struct vs_span *span = make_span(16 * PAGE, VS_SPAN_WHOLE);
    struct vs_block *blocks[16];
    for (int i = 0; i < 16; i++)
        cr_assert((blocks[i] = vs_span_take(span, PAGE, NULL)));
    cr_expect_null(vs_span_take(span, PAGE, NULL));
    for (int i = 15; i >= 0; i -= 3)
        vs_block_release(blocks[i]);
    for (int i = 0; i < 16; i += 3)
        cr_expect_eq(vs_span_take(span, PAGE, NULL)->offset, (size_t)i * PAGE);
    cr_expect_null(vs_span_take(span, PAGE, NULL));
}
