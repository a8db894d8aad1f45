/* parts_knowledge_test.c: records of what is known, against one state per byte. Addresses are the alias addresses here.
 */
#include "access.h"
#include "knowledge.h"

#include <criterion/criterion.h>
#include <string.h>

#define SPACE_BYTES 200

/* knowledge.c asks for the range behind a device address; here there is one range that begins at its alias. */
static struct sim_range space = {.start = 1000, .bytes = SPACE_BYTES, .kind = SIM_ALLOCATION, .alias = (char *)1000};

struct sim_range *sim_range_find(CUdeviceptr address)
{
    return address >= space.start && address < space.start + space.bytes ? &space : NULL;
}

char *sim_alias_of(CUdeviceptr address, size_t *bytes)
{
    if (sim_range_find(address) == NULL)
        return NULL;
    *bytes = space.start + space.bytes - address;
    return (char *)address;
}

static uint64_t state;

static uint64_t random_below(uint64_t limit)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33) % limit;
}

Test(knowledge, records_agree_with_a_state_per_byte_over_random_writes_and_copies)
{
    enum sim_knowledge model[SPACE_BYTES] = {SIM_UNKNOWN};

    state = 7;
    for (int step = 0; step < 20000; step++) {
        size_t bytes = 1 + random_below(30), to = random_below(SPACE_BYTES - bytes);
        if (random_below(3) == 0) {
            enum sim_knowledge moved[32];
            size_t from = random_below(SPACE_BYTES - bytes);
            sim_knowledge_copy(1000 + to, 1000 + from, bytes);
            memcpy(moved, model + from, bytes * sizeof *model);
            memcpy(model + to, moved, bytes * sizeof *model);
        } else {
            enum sim_knowledge what = (enum sim_knowledge)random_below(3);
            sim_knowledge_set(1000 + to, bytes, what);
            for (size_t i = 0; i < bytes; i++)
                model[to + i] = what;
        }
        bytes = 1 + random_below(30);
        to = random_below(SPACE_BYTES - bytes);
        enum sim_knowledge least = SIM_FROM_HOST;
        for (size_t i = 0; i < bytes; i++)
            if (model[to + i] < least)
                least = model[to + i];
        cr_assert_eq(sim_knowledge_of(1000 + to, bytes), least, "step %d", step);
        cr_assert_eq(sim_known(1000 + to, bytes), least != SIM_UNKNOWN);
        cr_assert_eq(sim_known_from_host(1000 + to, bytes), least == SIM_FROM_HOST);
    }
}

Test(knowledge, a_kernel_makes_its_own_record_unknown_and_leaves_the_neighbours)
{
    sim_knowledge_set(1000, 10, SIM_FROM_HOST);
    sim_knowledge_set(1010, 10, SIM_FROM_HOST);
    sim_knowledge_set(1020, 10, SIM_FROM_HOST);
    sim_knowledge_forget_record(1013);
    cr_assert(sim_known_from_host(1000, 10));
    cr_assert_not(sim_known(1010, 1));
    cr_assert_not(sim_known(1019, 1));
    cr_assert(sim_known_from_host(1020, 10));
}

Test(knowledge, what_lies_nowhere_is_unknown)
{
    sim_knowledge_set(1190, 10, SIM_FROM_HOST);
    cr_assert(sim_known(1190, 10));
    cr_assert_not(sim_known(1190, 11));
    cr_assert_not(sim_known(5, 1));
}

Test(knowledge, pinned_memory_holds_the_programs_own_values)
{
    space.kind = SIM_PINNED;
    cr_assert(sim_known_from_host(1000, SPACE_BYTES));
}
