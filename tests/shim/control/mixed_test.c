/* mixed_test.c: copies and memsets of memory whose pages live at several homes, in one call. Every form of the runtime
 * and of the driver, at random places and sizes, against the same done to ordinary memory; some pages move in between.
 */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mixed_forms.h"

#define BYTES (11 * MIB)

static unsigned char *expected[PLACES], *seen; /* what each place must hold */
static unsigned state = 1;

static size_t below(size_t limit)
{
    state = state * 1103515245 + 12345;
    return (size_t)(state >> 8) % limit;
}

/* --- The same, done to ordinary memory ---------------------------------------------------------------------------- */

static void do_to_expected(const struct form *form, const struct request *r)
{
    for (size_t y = 0; y < r->height; y++) {
        unsigned char *row = expected[r->to] + r->to_at + y * r->to_pitch;
        if (form->element == 0)
            memcpy(row, expected[r->from] + r->from_at + y * r->from_pitch, r->width);
        for (size_t x = 0; form->element > 0 && x < r->width; x += form->element)
            memcpy(row + x, &r->value, form->element);
    }
}

/* A weight on one side at least, and rows that cross pages. */
static struct request choose(const struct form *form)
{
    static const size_t pitches[] = {512, 4096, 100 * KIB + 512, MIB + 512, 3 * MIB};
    struct request r = {.value = (unsigned)below(UINT32_MAX), .height = 1};
    int others = form->devices ? PINNED : PLACES;
    r.to = (int)below((size_t)others);
    r.from = (int)below((size_t)others);
    if (form->element > 0)
        r.from = r.to = (int)below(2);
    else if (r.to > SECOND && r.from > SECOND)
        *(below(2) ? &r.to : &r.from) = (int)below(2);
    r.to_pitch = r.from_pitch = BYTES;
    if (form->rows) {
        r.to_pitch = pitches[below(5)];
        r.from_pitch = below(2) ? r.to_pitch : r.to_pitch + 512;
        r.height = 1 + below(BYTES / 2 / r.from_pitch + 1);
        r.height -= r.height > 1 ? r.height % 2 : 0;
    }
    size_t align = form->element > 0 ? form->element : 1;
    r.width = form->rows ? 1 + below(r.to_pitch) : 1 + below(6 * MIB);
    size_t to_room = BYTES - (r.height - 1) * r.to_pitch, from_room = BYTES - (r.height - 1) * r.from_pitch;
    size_t room = to_room < from_room ? to_room : from_room;
    r.width = r.width > room / 2 ? room / 2 : r.width;
    r.width = r.width < align ? align : r.width - r.width % align;
    r.to_at = below(to_room - r.width + 1) / align * align;
    r.from_at = below(from_room - r.width + 1);
    if (form->rows) { /* a row lies within its pitch, as forms that tell positions have it */
        r.to_at -= r.to_at % r.to_pitch > r.to_pitch - r.width ? r.to_at % r.to_pitch : 0;
        r.from_at -= r.from_at % r.from_pitch > r.from_pitch - r.width ? r.from_at % r.from_pitch : 0;
    }
    return r;
}

/* Both sides in one weight may overlap, which no copy allows. */
static bool overlaps(const struct form *form, const struct request *r)
{
    if (form->element > 0 || r->to != r->from)
        return false;
    size_t to_end = r->to_at + (r->height - 1) * r->to_pitch + r->width;
    size_t from_end = r->from_at + (r->height - 1) * r->from_pitch + r->width;
    return r->to_at < from_end && r->from_at < to_end;
}

static void expect_all(const char *name, unsigned round)
{
    CUDA_OK(cudaDeviceSynchronize());
    for (int place = 0; place < PLACES; place++) {
        const unsigned char *bytes = places[place];
        if (!is_host(place)) {
            cr_assert(simcudaPeek(places[place], seen, BYTES));
            bytes = seen;
        }
        cr_assert(memcmp(bytes, expected[place], BYTES) == 0, "%s, round %u: place %d differs", name, round, place);
    }
}

static void make_places(void)
{
    const size_t whole = BYTES;
    make_weights("cuda:0,*", places, 2, BYTES);
    CUDA_OK(cudaMalloc((void **)&places[PLAIN], BYTES));
    CUDA_OK(cudaMallocHost((void **)&places[PINNED], BYTES));
    places[PAGEABLE] = malloc(BYTES);
    seen = malloc(BYTES);
    for (int place = 0; place < PLACES; place++) {
        expected[place] = malloc(BYTES);
        fill_pattern(expected[place], (size_t)place, whole);
        if (place == PLAIN)
            fill(places[place], PLAIN, BYTES);
        else if (is_host(place))
            memcpy(places[place], expected[place], BYTES);
    }
    CUDA_OK(cudaStreamCreateWithFlags(&mixed_stream, cudaStreamNonBlocking));
}

/* Single pages go to other homes. */
static void shuffle_pages(unsigned moves)
{
    static const int homes[] = {LOCAL, PEER, HOST};
    for (unsigned i = 0; i < moves; i++) {
        size_t bytes;
        unsigned char *pages = pages_of(places[below(2)], BYTES, &bytes);
        cr_assert_eq(rehome(pages + below(bytes / PAGE) * PAGE, PAGE, homes[below(3)]), 0);
    }
}

static void every_form(const char *order, unsigned rounds)
{
    setenv("SIMCUDA_ORDER", order, 1);
    setenv("SIMCUDA_SEED", "11", 1);
    make_places();
    shuffle_pages(8);
    for (unsigned round = 0; round < rounds; round++)
        for (int i = 0; i < (int)form_count; i++) {
            struct request request = choose(&forms[i]);
            while (overlaps(&forms[i], &request))
                request = choose(&forms[i]);
            cr_assert_eq(forms[i].call(&request), 0, "%s, round %u: to %d+%zu from %d+%zu, %zu x %zu", forms[i].name,
                round, request.to, request.to_at, request.from, request.from_at, request.width, request.height);
            do_to_expected(&forms[i], &request);
            if (below(3) == 0)
                shuffle_pages(1); /* with the call's work still queued, where it may be */
            expect_all(forms[i].name, round);
        }
    cr_expect_eq(cudaGetLastError(), cudaSuccess);
}

Test(mixed, every_form_of_a_copy_and_of_a_memset_done_early)
{
    every_form("early", 2);
}
Test(mixed, every_form_of_a_copy_and_of_a_memset_done_late)
{
    every_form("late", 2);
}

/* What the driver refuses as a whole is refused before any byte is written. */
Test(mixed, a_call_that_is_refused_writes_nothing)
{
    make_places();
    shuffle_pages(8);
    size_t bytes;
    void *base;
    bytes = extent(places[FIRST] + BYTES - 1, &base);
    size_t beyond = (size_t)((unsigned char *)base + bytes - places[FIRST]) + 64 * MIB;
    cr_expect_neq(cudaMemcpy(places[FIRST], places[PAGEABLE], BYTES, (enum cudaMemcpyKind)77), cudaSuccess);
    cr_expect_neq(cudaMemset(places[FIRST], 0, beyond), cudaSuccess);
    cr_expect_neq(cuMemsetD32((CUdeviceptr)places[FIRST] + 2, 0, MIB), CUDA_SUCCESS, "an element is not aligned");
    cr_expect_neq(cudaMemcpy2D(places[FIRST], 100, places[PAGEABLE], 200, 200, 10000, cudaMemcpyHostToDevice),
        cudaSuccess, "rows are longer than their distance");
    cudaGetLastError();
    expect_all("a refusal", 0);
}
