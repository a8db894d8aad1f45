/* parts_extents_test.c: the allocator of extents against a plain bitmap. */
#include "extents.h"

#include <criterion/criterion.h>
#include <string.h>

#define LINE_BYTES 256

static uint64_t state;

static uint64_t random_below(uint64_t limit)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % limit;
}

/* First fit by trying every aligned start. */
static bool model_take(const bool *is_free, uint64_t bytes, uint64_t alignment, uint64_t *start)
{
    for (uint64_t from = 0; from + bytes <= LINE_BYTES; from += alignment) {
        uint64_t i = 0;
        while (i < bytes && is_free[from + i])
            i++;
        if (i == bytes) {
            *start = from;
            return true;
        }
    }
    return false;
}

Test(extents, first_fit_agrees_with_a_bitmap_over_random_takes_and_gives)
{
    for (state = 1; state < 40; state++) {
        struct sim_extents extents = {0};
        bool is_free[LINE_BYTES];
        struct sim_extent taken[LINE_BYTES];
        size_t taken_count = 0;
        uint64_t seed = state;

        memset(is_free, true, sizeof is_free);
        cr_assert(sim_extents_give(&extents, 0, LINE_BYTES));
        for (int step = 0; step < 500; step++) {
            if (taken_count == 0 || random_below(2) == 0) {
                uint64_t bytes = 1 + random_below(20), alignment = 1ULL << random_below(4), got = 0, wanted = 0;
                bool good = sim_extents_take(&extents, bytes, alignment, &got);
                cr_assert_eq(good, model_take(is_free, bytes, alignment, &wanted));
                if (!good)
                    continue;
                cr_assert_eq(got, wanted);
                memset(is_free + got, false, bytes);
                taken[taken_count++] = (struct sim_extent){got, bytes};
            } else {
                size_t index = random_below(taken_count);
                cr_assert(sim_extents_give(&extents, taken[index].start, taken[index].bytes));
                memset(is_free + taken[index].start, true, taken[index].bytes);
                taken[index] = taken[--taken_count];
            }
        }
        while (taken_count > 0) {
            taken_count--;
            cr_assert(sim_extents_give(&extents, taken[taken_count].start, taken[taken_count].bytes));
        }
        cr_assert_eq(extents.count, 1, "what was given back is joined to one extent");
        cr_assert_eq(extents.free[0].bytes, LINE_BYTES);
        sim_extents_destroy(&extents);
        state = seed;
    }
}

Test(extents, take_at_wants_all_of_the_range_free)
{
    struct sim_extents extents = {0};

    cr_assert(sim_extents_give(&extents, 100, 100));
    cr_assert_not(sim_extents_take_at(&extents, 90, 20));
    cr_assert_not(sim_extents_take_at(&extents, 190, 20));
    cr_assert(sim_extents_take_at(&extents, 140, 20));
    cr_assert_not(sim_extents_take_at(&extents, 159, 2));
    cr_assert(sim_extents_take_at(&extents, 160, 40));
    cr_assert_eq(extents.count, 1);
    sim_extents_destroy(&extents);
}
