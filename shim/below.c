/* below.c: see below.h. */
#include "below.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "../policy/text/file.h"
#include "driver.h"
#include "locks.h"
#include "models.h"
#include "pages.h"
#include "placement.h"

struct block {
    CUdeviceptr address;
    size_t bytes;
    int ordinal;
    struct block *next_gone;
    UT_hash_handle hh;
};

pthread_mutex_t vs_below_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks;
static atomic_bool any;
static struct {
    atomic_size_t now, most;
} devices[VS_BELOW_DEVICES];

/* Which device holds it: not always the current one, since the stream decides (cuMemAllocAsync). -1: not known. */
static int device_of(CUdeviceptr address)
{
    int ordinal = -1;
    const struct vs_driver *driver = vs_driver();
    if (!driver ||
        driver->cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address) != CUDA_SUCCESS)
        return -1;
    return ordinal < VS_BELOW_DEVICES ? ordinal : -1;
}

static void count(const struct block *block)
{
    size_t now = atomic_fetch_add(&devices[block->ordinal].now, block->bytes) + block->bytes;
    size_t most = atomic_load(&devices[block->ordinal].most);
    while (now > most && !atomic_compare_exchange_weak(&devices[block->ordinal].most, &most, now))
        ;
}

bool vs_below_is_workspace(const void *caller)
{
    /* Not libcudart: it allocates for others. */
    static const char *const stems[] = {"libcublas", "libcudnn", "libcufft", "libcusolver", "libcusparse", "libcurand",
        "libcutensor", "libcudss", "libnccl", "libnpp", "libnvjpeg", "libnvshmem"};
    Dl_info info;
    vs_models_catch_up(); /* a model may have been opened before the first call of CUDA, which this is */
    if (!vs_placement_is_open() || !dladdr(caller, &info) || !info.dli_fname)
        return false;
    const char *name = vs_base_name(info.dli_fname);
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
        if (strncmp(name, stems[i], strlen(stems[i])) == 0)
            return true;
    return false;
}

void vs_below_allocated(CUdeviceptr address, size_t bytes)
{
    if (bytes == 0 || vs_pages_may_own(address))
        return;
    int ordinal = device_of(address);
    struct block *block = ordinal < 0 ? NULL : malloc(sizeof *block), *known = NULL;
    if (!block)
        return;
    *block = (struct block){.address = address, .bytes = bytes, .ordinal = ordinal};
    pthread_mutex_lock(&vs_below_lock);
    HASH_FIND(hh, blocks, &address, sizeof address, known);
    atomic_store(&any, true);
    if (!known)
        HASH_ADD(hh, blocks, address, sizeof address, block);
    pthread_mutex_unlock(&vs_below_lock);
    if (known) /* freed by the runtime meanwhile, unseen; what was counted stands for it */
        free(block);
    else
        count(block);
}

size_t vs_below_freeing(CUdeviceptr address)
{
    struct block *block = NULL;
    if (!atomic_load_explicit(&any, memory_order_relaxed))
        return 0;
    pthread_mutex_lock(&vs_below_lock);
    HASH_FIND(hh, blocks, &address, sizeof address, block);
    if (block)
        HASH_DEL(blocks, block);
    pthread_mutex_unlock(&vs_below_lock);
    size_t bytes = block ? block->bytes : 0;
    if (block)
        atomic_fetch_sub(&devices[block->ordinal].now, bytes);
    free(block);
    return bytes;
}

void vs_below_forget(int ordinal)
{
    struct block *gone = NULL;
    pthread_mutex_lock(&vs_below_lock);
    for (struct block *block = blocks, *next; block; block = next) {
        next = block->hh.next;
        if (block->ordinal != ordinal)
            continue;
        HASH_DEL(blocks, block);
        atomic_fetch_sub(&devices[ordinal].now, block->bytes);
        block->next_gone = gone;
        gone = block;
    }
    pthread_mutex_unlock(&vs_below_lock);
    while (gone) {
        struct block *next = gone->next_gone;
        free(gone);
        gone = next;
    }
}

size_t vs_below_now(int ordinal)
{
    return ordinal >= 0 && ordinal < VS_BELOW_DEVICES ? atomic_load(&devices[ordinal].now) : 0;
}

size_t vs_below_most(int ordinal)
{
    return ordinal >= 0 && ordinal < VS_BELOW_DEVICES ? atomic_load(&devices[ordinal].most) : 0;
}
