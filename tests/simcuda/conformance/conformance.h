/* conformance.h: how a check of CUDA's behaviour is written.
 *
 *   CHECK(free_twice, "[doc: cudaFree]", "freeing device memory a second time is an error", "free_live")
 *   {
 *       void *memory;
 *       OK(cudaMalloc(&memory, 4096));
 *       OK(cudaFree(memory));
 *       FAILS(cudaFree(memory), cudaErrorInvalidValue);
 *   }
 *
 * Each check runs in a process of its own, before any CUDA call was made there, and may leave it in any state: a broken
 * context ends with it. A check ends at its first failed expectation. Only CUDA's public API is used: the same program
 * checks the simulated CUDA and a GPU.
 *
 * A check of something that must fail names, behind its sentence, the rules of ../rules/rules.def whose absence it
 * notices: `make conformance-weak` switches each of them off (SIMCUDA_WEAK) and the check must fail. Other checks may.
 *
 * A tag says what the claim rests on: [doc: guide or API page], [header: function] (the comments of cuda.h or
 * cuda_runtime_api.h), [observed: who], [assumed]. The product may rely on an [assumed] one only behind a probe of its
 * own.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

/* The checks are also built with older headers, which lack newer enumerators; the values never change. */
#if CUDA_VERSION < 12090
#define CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED ((CUdevice_attribute)141)
#endif
#if CUDA_VERSION < 13000
#define CU_DEVICE_ATTRIBUTE_HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED ((CUdevice_attribute)145)
#endif

struct conformance_check {
    const char *id, *tag, *sentence;
    const char *const *rules; /* whose absence it notices; ends with NULL */
    void (*run)(void);
};

/* Checks register themselves in a section, in the order of the source files. */
#define CHECK(name, tag, sentence, ...)                                                                                \
    static void check_##name(void);                                                                                    \
    static const struct conformance_check entry_##name __attribute__((used, no_reorder, section("conformance_checks"), \
        aligned(8))) = {#name, tag, sentence, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL}, check_##name};   \
    static void check_##name(void)

/* --- Expectations: `call` is a driver or runtime call ------------------------------------------------------------- */
#define OK(call)            conformance_expect((int)(call), 0, #call, __FILE__, __LINE__)
#define FAILS(call, error)  conformance_expect((int)(call), (int)(error), #call, __FILE__, __LINE__)
#define FAILS_SOMEHOW(call) conformance_expect_failure((int)(call), #call, __FILE__, __LINE__)
/* What must not be: as with FAILS, the check names the rule that it would miss. */
#define NEVER(condition)  conformance_forbid((condition), #condition, __FILE__, __LINE__)
#define EXPECT(condition) conformance_require((condition), #condition, __FILE__, __LINE__)
#define SKIP_UNLESS(condition, reason)                                                                                 \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            conformance_skip(reason);                                                                                  \
    } while (0)

void conformance_expect(int result, int expected, const char *call, const char *file, int line);
void conformance_expect_failure(int result, const char *call, const char *file, int line);
void conformance_forbid(bool condition, const char *text, const char *file, int line);
void conformance_require(bool condition, const char *text, const char *file, int line);
__attribute__((noreturn)) void conformance_skip(const char *reason);

/* --- Helpers (machine.c); all of them end the check when CUDA fails ----------------------------------------------- */
#define MIB ((size_t)1 << 20)

int device_count(void); /* after cuInit */
int device_attribute(int device, CUdevice_attribute attribute);
void use_device(int device);                          /* cudaSetDevice; the context exists afterwards */
void need_devices(int count);                         /* skips where there are fewer */
void need_peers(int device, int peer, bool possible); /* skips where peer access is (not) possible */
/* Skips on a GPU. For what CUDA leaves undefined, or only permits ("may"), and the simulated CUDA always refuses: the
 * check proves that the simulation is that strict. */
void need_simulator(void);
size_t free_bytes(void); /* of the current device */

/* Fills device memory, or compares all its bytes with `value`; both wait. */
void fill(CUdeviceptr memory, unsigned char value, size_t bytes);
void expect_filled(CUdeviceptr memory, unsigned char value, size_t bytes);

/* Pageable memory whose pages all exist; `bytes` is a multiple of 4096. */
char *host_pages(size_t bytes);

/* A kernel store(unsigned *to, unsigned value) for the current context, from PTX; one thread of it. The simulated CUDA
 * does not compute kernels, it checks their pointers: a check must not read what the kernel wrote. */
CUfunction store_kernel(void);
CUresult launch_store(CUfunction kernel, CUdeviceptr to, unsigned value, CUstream stream);

#endif
