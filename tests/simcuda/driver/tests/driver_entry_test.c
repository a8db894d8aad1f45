/* driver_entry_test.c: how functions are found, and what the trace says. */
#include "simulated.h"

#include <stdio.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* What the real runtimes ask for; make runs tests at the top of the tree. */
static const char *const recorded[] = {
    "tests/simcuda/golden/cudart12_lookups.txt", "tests/simcuda/golden/cudart13_lookups.txt"};

Test(entry, every_recorded_look_up_succeeds)
{
    start("early");
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++) {
        FILE *file = fopen(recorded[i], "re");
        char line[256], name[128];
        int version, count = 0;
        unsigned long long flags;

        cr_assert_not_null(file, "%s", recorded[i]);
        while (fgets(line, sizeof line, file) != NULL) {
            CUdriverProcAddressQueryResult status;
            void *function = NULL;
            if (line[0] == '#' || line[0] == '-' || sscanf(line, "%127s %d %llu", name, &version, &flags) != 3)
                continue;
            SUCCEEDS(cuGetProcAddress(name, &function, version, flags, &status));
            cr_assert_eq(status, CU_GET_PROC_ADDRESS_SUCCESS, "%s %d", name, version);
            cr_assert_not_null(function, "%s %d", name, version);
            count++;
        }
        fclose(file);
        cr_assert_gt(count, 400);
    }
}

static void *look_up(const char *name, int version, cuuint64_t flags, CUdriverProcAddressQueryResult wanted)
{
    CUdriverProcAddressQueryResult status;
    void *function;
    SUCCEEDS(cuGetProcAddress(name, &function, version, flags, &status));
    cr_assert_eq(status, wanted, "%s %d: status %d", name, version, status);
    cr_assert_eq(function == NULL, wanted != CU_GET_PROC_ADDRESS_SUCCESS);
    return function;
}

Test(entry, a_look_up_never_gives_a_newer_interface_than_was_asked_for)
{
    start("early");
    void *first = look_up("cuCtxSynchronize", 12090, 0, CU_GET_PROC_ADDRESS_SUCCESS);
    void *second = look_up("cuCtxSynchronize", 13000, 0, CU_GET_PROC_ADDRESS_SUCCESS);

    cr_assert_neq(first, second);
    SUCCEEDS(((CUresult(*)(void))first)());
    SUCCEEDS(((CUresult(*)(CUcontext))second)(NULL));
    look_up("cuMemCreate", 10010, 0, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
    look_up("cuNoSuchThing", 13000, 0, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
    look_up("", 0, 0, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
    cr_assert_eq(look_up("cuMemAlloc", 13000, 0, CU_GET_PROC_ADDRESS_SUCCESS), (void *)cuMemAlloc); /* cuMemAlloc_v2 */
}

Test(entry, per_thread_twins_use_a_stream_of_the_thread)
{
    typedef CUresult get_id(CUstream stream, unsigned long long *id);
    unsigned long long legacy, own, own_again;

    start("early");
    get_id *plain = (get_id *)look_up("cuStreamGetId", 12000, 1, CU_GET_PROC_ADDRESS_SUCCESS);
    get_id *twin = (get_id *)look_up("cuStreamGetId", 12000, 2, CU_GET_PROC_ADDRESS_SUCCESS);
    SUCCEEDS(plain(NULL, &legacy));
    SUCCEEDS(twin(NULL, &own));
    SUCCEEDS(plain(CU_STREAM_PER_THREAD, &own_again));
    cr_assert_neq(legacy, own);
    cr_assert_eq(own, own_again);
    SUCCEEDS(twin(CU_STREAM_LEGACY, &own_again));
    cr_assert_eq(legacy, own_again);
}

/* The line of the trace that contains both texts, or NULL. */
static const char *find_line(const char *path, const char *first, const char *second)
{
    static char line[4096];
    FILE *file = fopen(path, "re");
    bool found = false;

    cr_assert_not_null(file);
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strstr(line, first) != NULL && strstr(line, second) != NULL;
    fclose(file);
    return found ? line : NULL;
}

Test(entry, the_trace_tells_what_was_copied_where_and_what_is_in_use)
{
    static char bytes[3 * 100];
    char path[] = "/tmp/simcuda-trace-XXXXXX", hash[64];
    CUdeviceptr to;
    CUDA_MEMCPY2D rows = {.srcMemoryType = CU_MEMORYTYPE_HOST,
        .srcHost = bytes,
        .srcPitch = 100,
        .dstMemoryType = CU_MEMORYTYPE_DEVICE,
        .dstPitch = 512,
        .WidthInBytes = 10,
        .Height = 3};
    char packed[30];

    close(mkstemp(path));
    setenv("SIMCUDA_TRACE", path, 1);
    start("late");
    to = new_memory(4096);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    SUCCEEDS(cuMemcpyHtoDAsync(to, bytes, 100, NULL));
    rows.dstDevice = to + 512;
    SUCCEEDS(cuMemcpy2DAsync(&rows, NULL));
    cr_assert_null(find_line(path, "cuMemcpyHtoDAsync_v2", "hash"), "it was not executed yet");
    SUCCEEDS(cuCtxSynchronize());
    snprintf(hash, sizeof hash, "\"hash\":\"%016llx\"", (unsigned long long)XXH3_64bits(bytes, 100));
    cr_assert_not_null(find_line(path, "cuMemcpyHtoDAsync_v2", hash));
    cr_assert_not_null(find_line(path, "cuMemcpyHtoDAsync_v2", "\"dst_location\":\"cuda:0\""));
    for (size_t row = 0; row < 3; row++)
        memcpy(packed + 10 * row, bytes + 100 * row, 10);
    snprintf(hash, sizeof hash, "\"hash\":\"%016llx\"", (unsigned long long)XXH3_64bits(packed, 30));
    cr_assert_not_null(find_line(path, "cuMemcpy2DAsync_v2", hash), "rows are hashed without what lies between them");

    simcudaMark("here");
    /* A context of 400 MiB and a block of 2 MiB. */
    cr_assert_not_null(find_line(path, "{\"mark\":\"here\"", "\"cuda:0\":421527552,\"cuda:1\":0,\"host\":0"));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFree(to + 1));
    cr_assert_not_null(find_line(path, "cuMemFree_v2", "\"error\":\"CUDA_ERROR_INVALID_VALUE\""));
    unlink(path);
}
