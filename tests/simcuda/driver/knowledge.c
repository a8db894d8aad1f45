/* knowledge.c: a sorted array of records; see knowledge.h. What gemm.h asks by device address is answered at the end.
 */
#include "knowledge.h"
#include "access.h"

#include <stdlib.h>
#include <string.h>

struct record {
    uintptr_t start;
    size_t bytes;
    enum sim_knowledge what;
};

static struct record *records;
static size_t count, capacity;

static uintptr_t end_of(const struct record *record)
{
    return record->start + record->bytes;
}

/* Index of the first record that ends behind `alias`. */
static size_t position_of(uintptr_t alias)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (end_of(&records[middle]) <= alias)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Replaces records [from, to) by `fresh_count` new ones. Forgets them where there is no memory: that is always safe. */
static void splice(size_t from, size_t to, const struct record *fresh, size_t fresh_count)
{
    size_t new_count = count - (to - from) + fresh_count;

    if (new_count > capacity) {
        size_t more = capacity ? capacity * 2 : 256;
        struct record *grown = realloc(records, (more > new_count ? more : new_count) * sizeof *records);
        if (grown == NULL) {
            fresh_count = 0;
            new_count = count - (to - from);
        } else {
            records = grown;
            capacity = more > new_count ? more : new_count;
        }
    }
    if (count > to)
        memmove(&records[from + fresh_count], &records[to], (count - to) * sizeof *records);
    if (fresh_count > 0)
        memcpy(&records[from], fresh, fresh_count * sizeof *records);
    count = new_count;
}

void sim_knowledge_set(uintptr_t alias, size_t bytes, enum sim_knowledge what)
{
    size_t from = position_of(alias), to = from;
    struct record fresh[3];
    size_t fresh_count = 0;

    if (bytes == 0)
        return;
    while (to < count && records[to].start < alias + bytes)
        to++;
    /* What sticks out of the overwritten range on either side stays. */
    if (from < to && records[from].start < alias)
        fresh[fresh_count++] = (struct record){records[from].start, alias - records[from].start, records[from].what};
    if (what != SIM_UNKNOWN)
        fresh[fresh_count++] = (struct record){alias, bytes, what};
    if (from < to && end_of(&records[to - 1]) > alias + bytes)
        fresh[fresh_count++] =
            (struct record){alias + bytes, end_of(&records[to - 1]) - (alias + bytes), records[to - 1].what};
    if (from != to || fresh_count > 0)
        splice(from, to, fresh, fresh_count);
}

void sim_knowledge_copy(uintptr_t to, uintptr_t from, size_t bytes)
{
    size_t first = position_of(from), last = first, found;
    struct record *copies = NULL;

    while (last < count && records[last].start < from + bytes)
        last++;
    found = last - first;
    if (found > 0)
        copies = malloc(found * sizeof *copies);
    if (copies != NULL)
        memcpy(copies, &records[first], found * sizeof *copies);
    sim_knowledge_set(to, bytes, SIM_UNKNOWN);
    for (size_t i = 0; copies != NULL && i < found; i++) {
        uintptr_t start = copies[i].start > from ? copies[i].start : from;
        uintptr_t end = end_of(&copies[i]) < from + bytes ? end_of(&copies[i]) : from + bytes;
        sim_knowledge_set(to + (start - from), end - start, copies[i].what);
    }
    free(copies);
}

enum sim_knowledge sim_knowledge_of(uintptr_t alias, size_t bytes)
{
    enum sim_knowledge least = SIM_FROM_HOST;
    uintptr_t end = alias + bytes;

    for (size_t i = position_of(alias); alias < end; i++) {
        if (i == count || records[i].start > alias)
            return SIM_UNKNOWN;
        if (records[i].what < least)
            least = records[i].what;
        alias = end_of(&records[i]);
    }
    return least;
}

void sim_knowledge_forget_record(uintptr_t alias)
{
    size_t index = position_of(alias);
    if (index < count && records[index].start <= alias)
        splice(index, index + 1, NULL, 0);
}

/* --- by device address: gemm.h ------------------------------------------------------------------------------------ */

static enum sim_knowledge least_known(CUdeviceptr address, size_t bytes)
{
    enum sim_knowledge least = SIM_FROM_HOST;

    while (bytes > 0) {
        struct sim_range *range = sim_range_find(address);
        size_t piece = 0;
        char *alias = sim_alias_of(address, &piece);
        enum sim_knowledge here;
        if (alias == NULL)
            return SIM_UNKNOWN;
        if (piece > bytes)
            piece = bytes;
        here = sim_knowledge_of((uintptr_t)alias, piece);
        /* The CPU writes pinned and registered memory unseen; what a program keeps there are its own values. */
        if (here == SIM_UNKNOWN && (range->kind == SIM_PINNED || range->kind == SIM_REGISTERED))
            here = SIM_FROM_HOST;
        if (here < least)
            least = here;
        address += piece;
        bytes -= piece;
    }
    return least;
}

bool sim_known(CUdeviceptr address, size_t bytes)
{
    return least_known(address, bytes) != SIM_UNKNOWN;
}

bool sim_known_from_host(CUdeviceptr address, size_t bytes)
{
    return least_known(address, bytes) == SIM_FROM_HOST;
}

static void set_by_address(CUdeviceptr address, size_t bytes, enum sim_knowledge what)
{
    while (bytes > 0) {
        size_t piece = 0;
        char *alias = sim_alias_of(address, &piece);
        if (alias == NULL)
            return;
        if (piece > bytes)
            piece = bytes;
        sim_knowledge_set((uintptr_t)alias, piece, what);
        address += piece;
        bytes -= piece;
    }
}

void sim_know_computed(CUdeviceptr address, size_t bytes)
{
    set_by_address(address, bytes, SIM_KNOWN);
}

void sim_forget(CUdeviceptr address, size_t bytes)
{
    set_by_address(address, bytes, SIM_UNKNOWN);
}
