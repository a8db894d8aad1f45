/* arena_sizes_test.c: what real models take, by the simulator's account: all tensors of a model are allocated in the
 * order of its modules, shared out in several ways. Their sizes are those of policy/golden. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define MACHINE      "24gb+24gb+host:96gb"
#define LEAST_BYTES  (64 * KIB) /* below, the real allocator serves */
#define PIECE_BYTES  (32 * MIB)
#define MOST_TENSORS 4096

static struct model_tensor tensors[MOST_TENSORS];
static size_t tensor_count;

/* The sheets of policy/golden: modules with tensors as [name, shape, type, bytes], of 16 or 32 bits a number. */
static void read_tensors(const char *model, size_t divisor)
{
    char path[256];
    size_t i, j;
    json_t *module, *tensor;
    snprintf(path, sizeof path, "tests/policy/golden/models/%s.json", model);
    json_t *root = json_load_file(path, 0, NULL);
    cr_assert(root, "%s cannot be read", path);
    json_array_foreach(json_object_get(root, "modules"), i, module)
    {
        json_array_foreach(json_object_get(module, "tensors"), j, tensor)
        {
            char *name;
            cr_assert(asprintf(&name, "%s.%s", json_string_value(json_object_get(module, "name")),
                          json_string_value(json_array_get(tensor, 0))) > 0);
            size_t bytes = (size_t)json_integer_value(json_array_get(tensor, 3)) / divisor;
            cr_assert_lt(tensor_count, MOST_TENSORS);
            tensors[tensor_count++] = (struct model_tensor){name, "U8", bytes, bytes};
        }
    }
    json_decref(root);
}

/* What was placed at each location, and what that took. */
struct account {
    size_t placed_bytes, taken_bytes;
};

static size_t pool_bytes(void)
{
    cudaMemPool_t pool;
    cuuint64_t bytes;
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &bytes));
    return bytes;
}

static void load_all(const char *model, size_t divisor, const char *sharing, struct account accounts[3])
{
    char policy[512];
    size_t before[3], small = 0;
    setenv("SIMCUDA_FRESH", "zero", 1); /* poison would be written: tens of gigabytes */
    use_machine(MACHINE);
    snprintf(policy, sizeof policy, "version: 1\ncompute-reserve: 512mb\nmodels: [{match: \"*\", %s}]\n", sharing);
    use_policy_text(policy);
    read_tensors(model, divisor);
    CUDA_OK(cudaFree(NULL));
    for (int location = HOST; location < 2; location++)
        before[location + 1] = simcudaBytesUsed(location);
    open_model(make_hollow_model(tensors, tensor_count));
    for (size_t i = 0; i < tensor_count; i++) {
        void *pointer;
        CUDA_OK(cudaMallocAsync(&pointer, tensors[i].bytes, 0));
        int place = place_of(pointer, tensors[i].bytes);
        cr_assert_neq(place, NOWHERE, "%s", tensors[i].name);
        if (tensors[i].bytes >= LEAST_BYTES) {
            accounts[place + 1].placed_bytes += tensors[i].bytes;
        } else {
            cr_expect_eq(place, 0, "%s, of %zu bytes, is at %d", tensors[i].name, tensors[i].bytes, place);
            small++;
        }
    }
    cr_assert(small == 0 || pool_bytes() > 0, "small tensors are the real allocator's");
    for (int location = HOST; location < 2; location++)
        accounts[location + 1].taken_bytes =
            simcudaBytesUsed(location) - before[location + 1] - (location == 0 ? pool_bytes() : 0);
}

/* `divisor`: 2 for a model in 8 bits. */
static void check(const char *model, size_t divisor, const char *sharing)
{
    struct account accounts[3] = {0};
    size_t placed = 0, taken = 0;
    load_all(model, divisor, sharing, accounts);
    for (int i = 0; i < 3; i++) {
        placed += accounts[i].placed_bytes;
        taken += accounts[i].taken_bytes;
        cr_expect_geq(accounts[i].taken_bytes, accounts[i].placed_bytes);
        cr_expect_leq((double)accounts[i].taken_bytes, 1.04 * (double)accounts[i].placed_bytes + 2 * MIB,
            "%s, %s, at %d: %zu bytes for %zu", model, sharing, i - 1, accounts[i].taken_bytes,
            accounts[i].placed_bytes);
    }
    cr_assert_gt(placed, 500 * MIB);
    cr_expect_leq((double)taken, 1.04 * (double)placed, "%s, %s: %zu bytes for %zu", model, sharing, taken, placed);
    size_t pieces = simcudaCalls("cuMemCreate");
    cr_expect_leq(pieces, placed / PIECE_BYTES + placed / PIECE_BYTES / 4 + 10, "%s, %s: %zu pieces for %zu MB", model,
        sharing, pieces, placed / MIB);
    if (getenv("TELL_SIZES"))
        fprintf(stderr, "SIZES %s, %s: %.1f MB, %.2f %% more taken, %zu pieces (%.1f MB each)\n", model, sharing,
            (double)placed / MIB, 100 * ((double)taken / (double)placed - 1), pieces,
            (double)taken / MIB / (double)pieces);
}

#define CHECK(model)                                                                                                   \
    Test(arena_sizes, model##_spread)                                                                                  \
    {                                                                                                                  \
        check(#model, 1, "distorch: \"cuda:0,30%;cuda:1,40%;cpu,30%\", order: spread");                                \
    }                                                                                                                  \
    Test(arena_sizes, model##_by_modules)                                                                              \
    {                                                                                                                  \
        check(#model, 1, "distorch: \"cuda:0,25%;cuda:1,35%;cpu,40%\"");                                               \
    }                                                                                                                  \
    Test(arena_sizes, model##_of_virtual_vram)                                                                         \
    {                                                                                                                  \
        check(#model, 1, "virtual-vram: 60%");                                                                         \
    }

CHECK(flux_dev)
CHECK(qwen_image)
CHECK(sd15_unet)
CHECK(sdxl_unet)
CHECK(t5xxl)
CHECK(wan21_14b)

Test(arena_sizes, flux_dev_in_8_bits)
{
    check("flux_dev", 2, "virtual-vram: 60%");
}

Test(arena_sizes, wan21_14b_in_8_bits)
{
    check("wan21_14b", 2, "virtual-vram: 60%");
}
