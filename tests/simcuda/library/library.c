/* library.c: see library.h. */
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef CUresult get_proc_address(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);

static struct simcuda_library_driver driver;

static const struct {
    const char *name;
    int version; /* CUDA version of the first appearance */
    size_t offset;
} lookups[] = {
    {"cuInit", 2000, offsetof(struct simcuda_library_driver, init)},
    {"cuCtxGetCurrent", 4000, offsetof(struct simcuda_library_driver, context_get)},
    {"cuCtxSetCurrent", 4000, offsetof(struct simcuda_library_driver, context_set)},
    {"cuCtxGetDevice", 2000, offsetof(struct simcuda_library_driver, context_device)},
    {"cuDeviceGet", 2000, offsetof(struct simcuda_library_driver, device_get)},
    {"cuDevicePrimaryCtxRetain", 7000, offsetof(struct simcuda_library_driver, primary_retain)},
    {"cuGetExportTable", 3000, offsetof(struct simcuda_library_driver, export_table)},
};

static pthread_once_t driver_once = PTHREAD_ONCE_INIT;
static char driver_error[256];

static void find_driver(void)
{
    static const CUuuid uuid = SIMCUDA_INTERNALS_UUID;
    const void *table = NULL;

    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) {
        snprintf(driver_error, sizeof driver_error, "the driver cannot be opened: %s", dlerror());
        return;
    }
    get_proc_address *look_up = (get_proc_address *)dlsym(library, "cuGetProcAddress_v2");
    if (!look_up) {
        snprintf(driver_error, sizeof driver_error, "libcuda.so.1 has no cuGetProcAddress_v2");
        return;
    }
    for (size_t i = 0; i < sizeof lookups / sizeof *lookups; i++) {
        CUdriverProcAddressQueryResult status;
        void *function = NULL;
        if (look_up(lookups[i].name, &function, lookups[i].version, CU_GET_PROC_ADDRESS_LEGACY_STREAM, &status) ||
            !function) {
            snprintf(driver_error, sizeof driver_error, "the driver has no %s", lookups[i].name);
            return;
        }
        memcpy((char *)&driver + lookups[i].offset, &function, sizeof function);
    }
    CUresult result = driver.init(0);
    if (result) {
        snprintf(driver_error, sizeof driver_error, "cuInit fails with %d", result);
        return;
    }
    if (driver.export_table(&table, &uuid) || !table ||
        ((const struct simcuda_internals *)table)->struct_bytes < sizeof(struct simcuda_internals)) {
        snprintf(driver_error, sizeof driver_error,
            "libcuda.so.1 is not the simulated driver that belongs to this library; put the folder of the simulated "
            "CUDA first into LD_LIBRARY_PATH");
        return;
    }
    driver.internals = table;
}

const struct simcuda_library_driver *simcuda_library_driver(void)
{
    pthread_once(&driver_once, find_driver);
    return driver.internals != NULL ? &driver : NULL;
}

const char *simcuda_library_driver_error(void)
{
    return driver_error;
}

CUresult simcuda_library_enter_context(void)
{
    CUcontext context = NULL;
    CUdevice device;
    CUresult result = driver.context_get(&context);
    if (result || context)
        return result;
    if ((result = driver.device_get(&device, 0)) || (result = driver.primary_retain(&context, device)))
        return result;
    return driver.context_set(context);
}

/* True the first time that it sees `message`. Remembers hashes; when the table is full, everything is new. */
static bool is_new(const char *message)
{
    enum { SLOTS = 256 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t seen[SLOTS];
    static size_t seen_count;
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    bool found = false;

    for (const char *c = message; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < seen_count && !found; i++)
        found = seen[i] == hash;
    if (!found && seen_count < SLOTS)
        seen[seen_count++] = hash;
    pthread_mutex_unlock(&lock);
    return !found;
}

void simcuda_library_say_once(const char *symbol, const char *format, va_list arguments)
{
    char message[512];
    int length = snprintf(message, sizeof message, "simcuda: %s: ", symbol);
    vsnprintf(message + length, sizeof message - (size_t)length, format, arguments);
    if (is_new(message))
        fprintf(stderr, "%s\n", message);
}
