/* mixed_test.c: copies and memsets of memory whose pages live at several homes, in one call. Every form of the runtime
 * and of the driver, at random places and sizes, against the same done to ordinary memory; some pages move in between.
 */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "movable.h"

#define BYTES (11 * MIB)

/* Entry points of programs that were built for per-thread default streams, which headers declare under other names. */
#define TWIN(symbol, suffix, parameters) extern __typeof__(symbol) symbol##suffix;
TWIN(cudaMemcpy, _ptds, )
TWIN(cudaMemcpyAsync, _ptsz, )
TWIN(cudaMemcpy2D, _ptds, ) TWIN(cudaMemcpy2DAsync, _ptsz, ) TWIN(cudaMemcpy3D, _ptds, )
    TWIN(cudaMemcpy3DAsync, _ptsz, ) TWIN(cudaMemset, _ptds, ) TWIN(cudaMemsetAsync, _ptsz, )
        TWIN(cudaMemset2D, _ptds, ) TWIN(cudaMemset2DAsync, _ptsz, )

    /* Two weights, and memory of three other kinds; what each must hold is in `expected`. */
    enum {
        FIRST,
        SECOND,
        PLAIN,
        PINNED,
        PAGEABLE,
        PLACES
    };
static unsigned char *places[PLACES], *expected[PLACES], *seen;
static cudaStream_t stream;
static unsigned state = 1;

static size_t below(size_t limit)
{
    state = state * 1103515245 + 12345;
    return (size_t)(state >> 8) % limit;
}

static bool is_host(int place)
{
    return place >= PINNED;
}

/* One call: `width` bytes a row. All offsets are from a place's beginning; a memset has no source. */
struct request {
    int to, from;
    size_t to_at, from_at, width, height, to_pitch, from_pitch;
    unsigned value;
};

static enum cudaMemcpyKind kind_of(const struct request *r)
{
    return is_host(r->to) ? (is_host(r->from) ? cudaMemcpyHostToHost : cudaMemcpyDeviceToHost)
                          : (is_host(r->from) ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToDevice);
}

static void *to(const struct request *r)
{
    return places[r->to] + r->to_at;
}

static void *from(const struct request *r)
{
    return places[r->from] + r->from_at;
}

/* --- Copies: each form of a call
 * --------------------------------------------------------------------------------------------- */

#define FLAT(name, call)                                                                                               \
    static int name(const struct request *r)                                                                           \
    {                                                                                                                  \
        return (int)call;                                                                                              \
    }
FLAT(copy, cudaMemcpy(to(r), from(r), r->width, kind_of(r)))
FLAT(copy_ptds, cudaMemcpy_ptds(to(r), from(r), r->width, kind_of(r)))
FLAT(copy_async, cudaMemcpyAsync(to(r), from(r), r->width, kind_of(r), stream))
FLAT(copy_async_ptsz, cudaMemcpyAsync_ptsz(to(r), from(r), r->width, cudaMemcpyDefault, 0))
FLAT(copy_peer, cudaMemcpyPeerAsync(to(r), 0, from(r), 0, r->width, stream))
FLAT(any, cuMemcpy((CUdeviceptr)to(r), (CUdeviceptr)from(r), r->width))
FLAT(any_async, cuMemcpyAsync((CUdeviceptr)to(r), (CUdeviceptr)from(r), r->width, stream))
FLAT(rows, cudaMemcpy2D(to(r), r->to_pitch, from(r), r->from_pitch, r->width, r->height, kind_of(r)))
FLAT(rows_ptds, cudaMemcpy2D_ptds(to(r), r->to_pitch, from(r), r->from_pitch, r->width, r->height, kind_of(r)))
FLAT(rows_async, cudaMemcpy2DAsync(to(r), r->to_pitch, from(r), r->from_pitch, r->width, r->height, kind_of(r), stream))
FLAT(rows_async_ptsz,
    cudaMemcpy2DAsync_ptsz(to(r), r->to_pitch, from(r), r->from_pitch, r->width, r->height, kind_of(r), stream))

static int by_direction(const struct request *r, bool async)
{
    CUdeviceptr dst = (CUdeviceptr)to(r), src = (CUdeviceptr)from(r);
    if (is_host(r->to) && is_host(r->from))
        return any(r);
    if (is_host(r->to))
        return (int)(async ? cuMemcpyDtoHAsync(to(r), src, r->width, stream) : cuMemcpyDtoH(to(r), src, r->width));
    if (is_host(r->from))
        return (int)(async ? cuMemcpyHtoDAsync(dst, from(r), r->width, stream) : cuMemcpyHtoD(dst, from(r), r->width));
    return (int)(async ? cuMemcpyDtoDAsync(dst, src, r->width, stream) : cuMemcpyDtoD(dst, src, r->width));
}
FLAT(driver, by_direction(r, false))
FLAT(driver_async, by_direction(r, true))

/* As two slices where there are several rows; the position is told apart from the pointer. */
static struct cudaMemcpy3DParms box(const struct request *r)
{
    size_t depth = r->height > 1 ? 2 : 1, height = r->height / depth;
    return (struct cudaMemcpy3DParms){
        .srcPtr = {places[r->from], r->from_pitch, r->from_pitch, height},
        .srcPos = {r->from_at % r->from_pitch, r->from_at / r->from_pitch, 0},
        .dstPtr = {places[r->to], r->to_pitch, r->to_pitch, height},
        .dstPos = {r->to_at % r->to_pitch, r->to_at / r->to_pitch, 0},
        .extent = {r->width, height, depth},
        .kind = kind_of(r),
    };
}
#define BOX(name, call)                                                                                                \
    static int name(const struct request *r)                                                                           \
    {                                                                                                                  \
        const struct cudaMemcpy3DParms parameters = box(r);                                                            \
        return (int)call;                                                                                              \
    }
BOX(boxes, cudaMemcpy3D(&parameters))
BOX(boxes_ptds, cudaMemcpy3D_ptds(&parameters))
BOX(boxes_async, cudaMemcpy3DAsync(&parameters, stream))
BOX(boxes_async_ptsz, cudaMemcpy3DAsync_ptsz(&parameters, stream))

static CUDA_MEMCPY2D driver_rows_of(const struct request *r)
{
    return (CUDA_MEMCPY2D){
        .srcMemoryType = is_host(r->from) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE,
        .srcHost = is_host(r->from) ? places[r->from] : NULL,
        .srcDevice = is_host(r->from) ? 0 : (CUdeviceptr)places[r->from],
        .srcXInBytes = r->from_at % r->from_pitch,
        .srcY = r->from_at / r->from_pitch,
        .srcPitch = r->from_pitch,
        .dstMemoryType = is_host(r->to) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE,
        .dstHost = is_host(r->to) ? places[r->to] : NULL,
        .dstDevice = is_host(r->to) ? 0 : (CUdeviceptr)places[r->to],
        .dstXInBytes = r->to_at % r->to_pitch,
        .dstY = r->to_at / r->to_pitch,
        .dstPitch = r->to_pitch,
        .WidthInBytes = r->width,
        .Height = r->height,
    };
}
#define DRIVER_ROWS(name, call)                                                                                        \
    static int name(const struct request *r)                                                                           \
    {                                                                                                                  \
        const CUDA_MEMCPY2D request = driver_rows_of(r);                                                               \
        return (int)call;                                                                                              \
    }
DRIVER_ROWS(driver_rows, cuMemcpy2D(&request))
DRIVER_ROWS(driver_rows_unaligned, cuMemcpy2DUnaligned(&request))
DRIVER_ROWS(driver_rows_async, cuMemcpy2DAsync(&request, stream))

static CUDA_MEMCPY3D driver_boxes_of(const struct request *r)
{
    const CUDA_MEMCPY2D flat = driver_rows_of(r);
    size_t depth = r->height > 1 ? 2 : 1;
    return (CUDA_MEMCPY3D){
        .srcMemoryType = flat.srcMemoryType,
        .srcHost = flat.srcHost,
        .srcDevice = flat.srcDevice,
        .srcXInBytes = flat.srcXInBytes,
        .srcY = flat.srcY,
        .srcPitch = flat.srcPitch,
        .srcHeight = r->height / depth,
        .dstMemoryType = flat.dstMemoryType,
        .dstHost = flat.dstHost,
        .dstDevice = flat.dstDevice,
        .dstXInBytes = flat.dstXInBytes,
        .dstY = flat.dstY,
        .dstPitch = flat.dstPitch,
        .dstHeight = r->height / depth,
        .WidthInBytes = r->width,
        .Height = r->height / depth,
        .Depth = depth,
    };
}
#define DRIVER_BOXES(name, call)                                                                                       \
    static int name(const struct request *r)                                                                           \
    {                                                                                                                  \
        const CUDA_MEMCPY3D request = driver_boxes_of(r);                                                              \
        return (int)call;                                                                                              \
    }
DRIVER_BOXES(driver_boxes, cuMemcpy3D(&request))
DRIVER_BOXES(driver_boxes_async, cuMemcpy3DAsync(&request, stream))

/* --- Memsets
 * -------------------------------------------------------------------------------------------------------------------
 */

FLAT(set, cudaMemset(to(r), (int)r->value & 0xff, r->width))
FLAT(set_ptds, cudaMemset_ptds(to(r), (int)r->value & 0xff, r->width))
FLAT(set_async, cudaMemsetAsync(to(r), (int)r->value & 0xff, r->width, stream))
FLAT(set_async_ptsz, cudaMemsetAsync_ptsz(to(r), (int)r->value & 0xff, r->width, stream))
FLAT(set_rows, cudaMemset2D(to(r), r->to_pitch, (int)r->value & 0xff, r->width, r->height))
FLAT(set_rows_ptds, cudaMemset2D_ptds(to(r), r->to_pitch, (int)r->value & 0xff, r->width, r->height))
FLAT(set_rows_async, cudaMemset2DAsync(to(r), r->to_pitch, (int)r->value & 0xff, r->width, r->height, stream))
FLAT(set_rows_async_ptsz, cudaMemset2DAsync_ptsz(to(r), r->to_pitch, (int)r->value & 0xff, r->width, r->height, stream))

static int set_boxes_by(const struct request *r, bool async)
{
    size_t depth = r->height > 1 ? 2 : 1, height = r->height / depth;
    const struct cudaPitchedPtr pointer = {to(r), r->to_pitch, r->to_pitch, height};
    const struct cudaExtent extent_of_box = {r->width, height, depth};
    int value = (int)r->value & 0xff;
    return (int)(async ? cudaMemset3DAsync(pointer, value, extent_of_box, stream)
                       : cudaMemset3D(pointer, value, extent_of_box));
}
FLAT(set_boxes, set_boxes_by(r, false))
FLAT(set_boxes_async, set_boxes_by(r, true))

#define SETS(bits, type)                                                                                               \
    FLAT(set_##bits, cuMemsetD##bits((CUdeviceptr)to(r), (type)r->value, r->width / sizeof(type)))                     \
    FLAT(set_##bits##_async,                                                                                           \
        cuMemsetD##bits##Async((CUdeviceptr)to(r), (type)r->value, r->width / sizeof(type), stream))                   \
    FLAT(set_##bits##_rows,                                                                                            \
        cuMemsetD2D##bits((CUdeviceptr)to(r), r->to_pitch, (type)r->value, r->width / sizeof(type), r->height))        \
    FLAT(set_##bits##_rows_async, cuMemsetD2D##bits##Async((CUdeviceptr)to(r), r->to_pitch, (type)r->value,            \
                                      r->width / sizeof(type), r->height, stream))
SETS(8, uint8_t)
SETS(16, uint16_t)
SETS(32, uint32_t)

static const struct form {
    const char *name;
    int (*call)(const struct request *request);
    size_t element; /* of a memset; 0: a copy */
    bool rows;
    bool devices; /* both sides are device memory to the program */
} forms[] = {
    {"cudaMemcpy", copy, 0, false, false},
    {"cudaMemcpy_ptds", copy_ptds, 0, false, false},
    {"cudaMemcpyAsync", copy_async, 0, false, false},
    {"cudaMemcpyAsync_ptsz", copy_async_ptsz, 0, false, false},
    {"cudaMemcpyPeerAsync", copy_peer, 0, false, true},
    {"cuMemcpy", any, 0, false, false},
    {"cuMemcpyAsync", any_async, 0, false, false},
    {"cuMemcpyXtoY", driver, 0, false, false},
    {"cuMemcpyXtoYAsync", driver_async, 0, false, false},
    {"cudaMemcpy2D", rows, 0, true, false},
    {"cudaMemcpy2D_ptds", rows_ptds, 0, true, false},
    {"cudaMemcpy2DAsync", rows_async, 0, true, false},
    {"cudaMemcpy2DAsync_ptsz", rows_async_ptsz, 0, true, false},
    {"cuMemcpy2D", driver_rows, 0, true, false},
    {"cuMemcpy2DUnaligned", driver_rows_unaligned, 0, true, false},
    {"cuMemcpy2DAsync", driver_rows_async, 0, true, false},
    {"cudaMemcpy3D", boxes, 0, true, false},
    {"cudaMemcpy3D_ptds", boxes_ptds, 0, true, false},
    {"cudaMemcpy3DAsync", boxes_async, 0, true, false},
    {"cudaMemcpy3DAsync_ptsz", boxes_async_ptsz, 0, true, false},
    {"cuMemcpy3D", driver_boxes, 0, true, false},
    {"cuMemcpy3DAsync", driver_boxes_async, 0, true, false},
    {"cudaMemset", set, 1, false, true},
    {"cudaMemset_ptds", set_ptds, 1, false, true},
    {"cudaMemsetAsync", set_async, 1, false, true},
    {"cudaMemsetAsync_ptsz", set_async_ptsz, 1, false, true},
    {"cudaMemset2D", set_rows, 1, true, true},
    {"cudaMemset2D_ptds", set_rows_ptds, 1, true, true},
    {"cudaMemset2DAsync", set_rows_async, 1, true, true},
    {"cudaMemset2DAsync_ptsz", set_rows_async_ptsz, 1, true, true},
    {"cudaMemset3D", set_boxes, 1, true, true},
    {"cudaMemset3DAsync", set_boxes_async, 1, true, true},
#define SET_FORMS(bits)                                                                                                \
    {"cuMemsetD" #bits, set_##bits, (bits) / 8, false, true},                                                          \
        {"cuMemsetD" #bits "Async", set_##bits##_async, (bits) / 8, false, true},                                      \
        {"cuMemsetD2D" #bits, set_##bits##_rows, (bits) / 8, true, true},                                              \
    {                                                                                                                  \
        "cuMemsetD2D" #bits "Async", set_##bits##_rows_async, (bits) / 8, true, true                                   \
    }
    SET_FORMS(8),
    SET_FORMS(16),
    SET_FORMS(32),
};
enum { FORMS = sizeof forms / sizeof *forms };

/* --- The same, done to ordinary memory
 * ---------------------------------------------------------------------------------------------- */

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
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
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
        for (int i = 0; i < FORMS; i++) {
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
