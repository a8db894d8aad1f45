/* address_range.c: see address_range.h. First fit over a byte per page: a search touches 32 KiB at most, and happens
 * once per span of 32 MiB, not once per allocation. */
#include "address_range.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "driver.h"
#include "locks.h"
#include "log.h"

#define MOST_BYTES  ((size_t)64 << 30)
#define LEAST_BYTES ((size_t)1 << 30)

pthread_mutex_t vs_addresses_lock = PTHREAD_MUTEX_INITIALIZER;
static CUdeviceptr range_base;
static size_t range_pages;
static unsigned char page_taken[MOST_BYTES / VS_PAGE_BYTES];

/* With range_lock held; cuMemAddressReserve neither waits for the device nor takes memory. */
static CUresult reserve(void)
{
    CUresult result = CUDA_SUCCESS;
    for (size_t bytes = MOST_BYTES; !range_base && bytes >= LEAST_BYTES; bytes /= 2) {
        result = vs_driver()->cuMemAddressReserve(&range_base, bytes, VS_PAGE_BYTES, 0, 0);
        if (result == CUDA_SUCCESS)
            range_pages = bytes / VS_PAGE_BYTES;
        else
            range_base = 0;
    }
    if (!range_base)
        vs_log(VS_LOG_WARN, "arena", "the driver reserves no addresses: %s", vs_driver_error(result));
    return result;
}

static bool find_free(size_t pages, size_t *first)
{
    size_t run = 0;
    for (size_t i = 0; i < range_pages; i++) {
        run = page_taken[i] ? 0 : run + 1;
        if (run == pages) {
            *first = i + 1 - pages;
            return true;
        }
    }
    return false;
}

CUresult vs_addresses_take(size_t bytes, CUdeviceptr *address)
{
    size_t pages = bytes / VS_PAGE_BYTES, first;
    pthread_mutex_lock(&vs_addresses_lock);
    CUresult result = range_base ? CUDA_SUCCESS : reserve();
    if (result == CUDA_SUCCESS && !find_free(pages, &first))
        result = CUDA_ERROR_OUT_OF_MEMORY;
    if (result == CUDA_SUCCESS) {
        memset(page_taken + first, 1, pages);
        *address = range_base + first * VS_PAGE_BYTES;
    }
    pthread_mutex_unlock(&vs_addresses_lock);
    return result;
}

void vs_addresses_return(CUdeviceptr address, size_t bytes)
{
    pthread_mutex_lock(&vs_addresses_lock);
    memset(page_taken + (address - range_base) / VS_PAGE_BYTES, 0, bytes / VS_PAGE_BYTES);
    pthread_mutex_unlock(&vs_addresses_lock);
}
