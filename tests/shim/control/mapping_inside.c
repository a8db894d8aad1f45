/* mapping_inside.c: a step of the program `mapping`: an allocator makes room within a call of a library, as one does
 * that takes a workspace from it, while another thread moves the same pages. Neither waits for the other. */
#include "mapping.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

extern void (*blas_takes_a_workspace)(void); /* calling_blas.c */
int cublasSgemm_v2(void *handle, int trans_a, int trans_b, int m, int n, int k, const float *alpha, const float *a,
    int lda, const float *b, int ldb, const float *beta, float *c, int ldc);

static CUdeviceptr pages;
static atomic_bool is_inside;
static int answers[4];
static unsigned long long told[2];

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What device the memory is on does not depend on where it is now. */
static void *ask(void *context)
{
    static const CUpointer_attribute attributes[] = {
        CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
    MUST(cuCtxSetCurrent(context));
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        unsigned long long value = 0;
        MUST(cuPointerGetAttribute(&value, attributes[i], pages));
        told[i] = value;
    }
    return NULL;
}

static void make_room(void)
{
    const CUmemLocation device = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    unsigned long long flags = 0;
    handle_t handle = 0;
    is_inside = true;
    usleep(100000); /* the mover has come, and waits until this thread has left the library */
    CUcontext context;
    pthread_t asking;
    MUST(cuCtxGetCurrent(&context));
    pthread_create(&asking, NULL, ask, context);
    pthread_join(asking, NULL);
    answers[0] = (int)allow(pages, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    answers[1] = (int)cuMemGetAccess(&flags, &device, pages);
    answers[2] = (int)cuMemRetainAllocationHandle(&handle, (void *)pages);
    answers[2] = answers[2] ? answers[2] : (int)cuMemRelease(handle);
    answers[3] = (int)cuMemUnmap(pages, BYTES);
}

static void *multiply(void *context)
{
    MUST(cuCtxSetCurrent(context));
    MUST(cublasSgemm_v2(NULL, 0, 0, 1, 1, 1, NULL, NULL, 1, NULL, 1, NULL, NULL, 1));
    return NULL;
}

void inside(void)
{
    CUcontext context;
    pthread_t thread;
    pages = reserve(BYTES);
    handle_t handle = place(pages, BYTES, 5);
    wander(); /* by then the gate is in use */
    wander();
    MUST(cuCtxGetCurrent(&context));
    blas_takes_a_workspace = make_room;
    pthread_create(&thread, NULL, multiply, context);
    while (!is_inside)
        usleep(100);
    double began = seconds();
    wander();
    pthread_join(thread, NULL);
    double took = seconds() - began;
    printf("both in time: %d\n", took < 3);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        printf("answer %zu: %d\n", i, answers[i]);
    printf("told: %llu %llu\n", told[0], told[1]);
    unmapped(pages, BYTES);
    MUST(cuMemRelease(handle));
    MUST(cuMemAddressFree(pages, BYTES));
}
