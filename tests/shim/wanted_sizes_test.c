/* wanted_sizes_test.c: the filter of missing sizes lets every size through that is missing, nearly no other one, and
 * forgets. */
#include <criterion/criterion.h>

#include "../../shim/wanted_sizes.h"

enum { SIZES = 200, OTHERS = 100000 };

/* As tensors have them: products of a few dimensions. */
static size_t missing(size_t n)
{
    return (64 + n % 20 * 64) * (64 + n / 20 * 128) * 2;
}

static size_t let_through(void)
{
    size_t count = 0;
    for (size_t n = 1; n <= OTHERS; n++)
        count += vs_wanted_sizes_may_hold(n * 512 + 8); /* no product of the above */
    return count;
}

Test(wanted_sizes, lets_all_through_that_are_missing_and_hardly_any_other)
{
    cr_expect_eq(let_through(), 0, "where nothing is missing");
    for (size_t n = 0; n < SIZES; n++)
        vs_wanted_sizes_add(missing(n));
    for (size_t n = 0; n < SIZES; n++)
        cr_expect(vs_wanted_sizes_may_hold(missing(n)), "%zu", missing(n));
    cr_expect_leq(let_through(), OTHERS / 100);
}

Test(wanted_sizes, a_size_is_let_through_as_long_as_one_load_misses_it)
{
    for (size_t n = 0; n < SIZES; n++) {
        vs_wanted_sizes_add(missing(n));
        vs_wanted_sizes_add(missing(n));
        vs_wanted_sizes_remove(missing(n));
    }
    for (size_t n = 0; n < SIZES; n++) {
        cr_expect(vs_wanted_sizes_may_hold(missing(n)), "%zu", missing(n));
        vs_wanted_sizes_remove(missing(n));
    }
    for (size_t n = 0; n < SIZES; n++)
        cr_expect(!vs_wanted_sizes_may_hold(missing(n)), "%zu", missing(n));
    cr_expect_eq(let_through(), 0);
}
