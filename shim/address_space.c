/* address_space.c: see address_space.h. First fit over a byte per page: addresses are taken once per span, not once per
 * allocation. */
#include "address_space.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "../policy/language/policy.h"
#include "activate.h"
#include "devices.h"
#include "driver.h"
#include "locks.h"
#include "log.h"
#include "real_machine.h"

#define MAX_DEVICES 64
#define LEAST_RANGE ((size_t)64 << 30) /* is wished */
#define LEAST_BYTES ((size_t)1 << 30)  /* is worth having */

pthread_mutex_t vs_addresses_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vs_range *ranges[MAX_DEVICES][VS_RANGE_GUEST];

/* --- Ranges ------------------------------------------------------------------------------------------------------- */

static bool lends(const struct vs_policy *policy, struct vs_device_id id)
{
    for (size_t i = 0; i < policy->donor_count; i++)
        if (vs_device_equal(policy->donors[i].device, id))
            return true;
    return vs_policy_names_device(policy, id);
}

static size_t whole_pages(size_t bytes)
{
    return (bytes + VS_PAGE_BYTES - 1) / VS_PAGE_BYTES * VS_PAGE_BYTES;
}

/* Addresses cost nothing: who lends counts with all that it has. */
static size_t wished_bytes(const struct vs_compute *compute)
{
    const struct vs_policy *policy = vs_policy_in_force();
    struct vs_real_machine machine;
    size_t bytes = 0;
    vs_real_machine_describe(compute, &machine);
    for (size_t i = 0; i < machine.count; i++) {
        const struct vs_plan_machine_device *device = &machine.devices[i];
        bool local = vs_real_home(device->id, compute).kind == VS_HOME_LOCAL;
        if (local || (policy && lends(policy, device->id)))
            bytes += device->total_bytes;
    }
    return 2 * bytes > LEAST_RANGE ? whole_pages(2 * bytes) : LEAST_RANGE;
}

static CUresult reserve_mapped(size_t bytes, CUdeviceptr *base)
{
    return vs_driver()->cuMemAddressReserve(base, bytes, VS_PAGE_BYTES, 0, 0);
}

/* A page more than wanted, so that what is wanted can begin at one. */
static CUresult reserve_pinned(size_t bytes, CUdeviceptr *base)
{
    void *address = mmap(NULL, bytes + VS_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *base = whole_pages((size_t)address);
    return CUDA_SUCCESS;
}

static CUresult (*const reserve_kinds[])(size_t bytes, CUdeviceptr *base) = {
    [VS_RANGE_ARENA] = reserve_mapped,
    [VS_RANGE_PINNED] = reserve_pinned,
};

/* With vs_addresses_lock held: reserving neither waits for a device nor takes memory. */
static CUresult reserve(
    const struct vs_compute *compute, enum vs_range_kind kind, size_t wished, struct vs_range **range)
{
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    CUdeviceptr base;
    for (size_t bytes = wished; bytes >= LEAST_BYTES; bytes = whole_pages(bytes / 2)) {
        result = reserve_kinds[kind](bytes, &base);
        if (result != CUDA_SUCCESS)
            continue;
        *range = vs_pages_add(base, bytes, kind, compute);
        return *range ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    }
    return result;
}

/* What follows from that is the same at every weight. */
static void tell_refusal(const struct vs_compute *compute, CUresult result)
{
    static atomic_bool told;
    vs_log(atomic_exchange(&told, true) ? VS_LOG_DEBUG : VS_LOG_WARN, "arena",
        "no addresses can be reserved for the weights of %s (%s): they are not placed; raise the limit of the "
        "process's "
        "address space (ulimit -v), if there is one",
        vs_device_format(vs_devices_id(compute->ordinal)).text, vs_driver_error(result));
}

CUresult vs_addresses_range(const struct vs_compute *compute, enum vs_range_kind kind, struct vs_range **range)
{
    struct vs_range **known = &ranges[compute->ordinal][kind];
    *range = __atomic_load_n(known, __ATOMIC_ACQUIRE);
    if (*range)
        return CUDA_SUCCESS;
    CUresult result = CUDA_SUCCESS;
    size_t wished = wished_bytes(compute);
    pthread_mutex_lock(&vs_addresses_lock);
    *range = *known;
    if (!*range)
        result = reserve(compute, kind, wished, range);
    __atomic_store_n(known, *range, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&vs_addresses_lock);
    if (result != CUDA_SUCCESS)
        tell_refusal(compute, result);
    return result;
}

/* --- Addresses ---------------------------------------------------------------------------------------------------- */

static bool find_free(const struct vs_range *range, size_t pages, size_t *first)
{
    size_t all = range->bytes / VS_PAGE_BYTES, begin = 0;
    while (begin + pages <= all) {
        const unsigned char *taken = memrchr(range->taken + begin, 1, pages);
        if (!taken) {
            *first = begin;
            return true;
        }
        begin = (size_t)(taken - range->taken) + 1;
    }
    return false;
}

CUresult vs_addresses_take(struct vs_range *range, size_t bytes, CUdeviceptr *address)
{
    size_t pages = bytes / VS_PAGE_BYTES, first;
    pthread_mutex_lock(&vs_addresses_lock);
    bool found = find_free(range, pages, &first);
    if (found) {
        memset(range->taken + first, 1, pages);
        *address = range->base + first * VS_PAGE_BYTES;
    }
    pthread_mutex_unlock(&vs_addresses_lock);
    return found ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

void vs_addresses_return(struct vs_range *range, CUdeviceptr address, size_t bytes)
{
    pthread_mutex_lock(&vs_addresses_lock);
    memset(range->taken + vs_page_of(range, address), 0, bytes / VS_PAGE_BYTES);
    pthread_mutex_unlock(&vs_addresses_lock);
}
