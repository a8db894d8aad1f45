/* split.c: see split.h. */
#include "split.h"

#include "driver.h"
#include "pages.h"

struct vs_box vs_box_flat(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    return (struct vs_box){{dst, bytes, bytes}, {src, bytes, bytes}, bytes, 1, 1};
}

bool vs_box_may_be_ours(const struct vs_box *box)
{
    return vs_pages_may_own(box->dst.address) || vs_pages_may_own(box->src.address);
}

/* From the first byte to the last one. */
static size_t span_bytes(const struct vs_side *side, const struct vs_box *box)
{
    return (box->depth - 1) * side->slice + (box->height - 1) * side->pitch + box->width;
}

/* How many bytes from `address` on lie at one home; all of them where they are not ours. */
static size_t run_of(CUdeviceptr address, size_t bytes)
{
    struct vs_home home;
    return vs_range_of(address) ? vs_pages_run(address, bytes, &home) : bytes;
}

/* Among what the program maps itself may be memory that is none of ours. */
static bool is_mapped_by_others(const struct vs_range *range, CUdeviceptr address)
{
    unsigned type;
    return range->kind == VS_RANGE_GUEST &&
           vs_driver()->cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address) == CUDA_SUCCESS;
}

static bool has_hole(CUdeviceptr address, size_t bytes)
{
    struct vs_home home;
    while (bytes > 0) {
        const struct vs_range *range = vs_range_of(address);
        if (!range)
            return true;
        size_t run = vs_pages_run(address, bytes, &home);
        if (home.kind == VS_HOME_NONE) {
            size_t page_rest = VS_PAGE_BYTES - (address - range->base) % VS_PAGE_BYTES;
            run = run < page_rest ? run : page_rest;
            if (!is_mapped_by_others(range, address))
                return true;
        }
        address += run;
        bytes -= run;
    }
    return false;
}

bool vs_box_is_mixed(const struct vs_box *box)
{
    const struct vs_side *sides[] = {&box->dst, &box->src};
    bool mixed = false;
    if (box->width == 0 || box->height == 0 || box->depth == 0)
        return false;
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        if (!vs_range_of(sides[i]->address))
            continue;
        size_t bytes = span_bytes(sides[i], box);
        if (run_of(sides[i]->address, bytes) == bytes)
            continue;
        if (has_hole(sides[i]->address, bytes))
            return false;
        mixed = true;
    }
    return mixed;
}

static struct vs_side moved(struct vs_side side, size_t bytes)
{
    if (side.address)
        side.address += bytes;
    return side;
}

static int split_row(
    const struct vs_box *row, int (*issue)(const void *call, const struct vs_box *piece), const void *call)
{
    int result = 0;
    for (size_t done = 0, part; done < row->width && result == 0; done += part) {
        struct vs_box piece = {moved(row->dst, done), moved(row->src, done), 0, 1, 1};
        part = run_of(piece.dst.address, row->width - done);
        part = run_of(piece.src.address, part);
        piece.width = part;
        result = issue(call, &piece);
    }
    return result;
}

/* How many of `rows` rows, from the first one on, lie at one home; 0 where not even that one does. */
static size_t rows_at_one_home(const struct vs_side *side, size_t width, size_t rows)
{
    size_t wanted = (rows - 1) * side->pitch + width, run = run_of(side->address, wanted);
    if (run == wanted)
        return rows;
    return run < width ? 0 : 1 + (run - width) / side->pitch;
}

static int split_slice(
    const struct vs_box *slice, int (*issue)(const void *call, const struct vs_box *piece), const void *call)
{
    int result = 0;
    for (size_t y = 0, rows; y < slice->height && result == 0; y += rows) {
        struct vs_box part = {moved(slice->dst, y * slice->dst.pitch), moved(slice->src, y * slice->src.pitch),
            slice->width, slice->height - y, 1};
        rows = rows_at_one_home(&part.dst, part.width, part.height);
        if (rows > 0)
            rows = rows_at_one_home(&part.src, part.width, rows);
        part.height = rows > 0 ? rows : 1;
        result = rows > 0 ? issue(call, &part) : split_row(&part, issue, call);
        rows = part.height;
    }
    return result;
}

int vs_split(const struct vs_box *box, int (*issue)(const void *call, const struct vs_box *piece), const void *call)
{
    int result = 0;
    for (size_t z = 0; z < box->depth && result == 0; z++) {
        const struct vs_box slice = {
            moved(box->dst, z * box->dst.slice), moved(box->src, z * box->src.slice), box->width, box->height, 1};
        result = split_slice(&slice, issue, call);
    }
    return result;
}
