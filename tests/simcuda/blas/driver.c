/* driver.c: finds the simulated driver's functions, and what both libraries need of them (driver.h). */
#include "driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE_MAGIC 0x73696d62u
#define LIBRARY_KERNEL_BYTES                                                                                           \
    ((size_t)64 << 20) /* charged once per library and device: the order of the real ones' size */

typedef CUresult get_proc_address(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);

/* Signatures are cuda.h's; cuda.h renames a few to later versions, hence the explicit types. */
static struct {
    CUresult (*init)(unsigned);
    CUresult (*context_get)(CUcontext *);
    CUresult (*context_set)(CUcontext);
    CUresult (*context_device)(CUdevice *);
    CUresult (*device_get)(CUdevice *, int);
    CUresult (*primary_retain)(CUcontext *, CUdevice);
    CUresult (*export_table)(const void **, const CUuuid *);
    const struct simcuda_internals *internals;
} driver;

static const struct {
    const char *name;
    int version; /* CUDA version of the first appearance */
    size_t offset;
} lookups[] = {
    {"cuInit", 2000, offsetof(__typeof__(driver), init)},
    {"cuCtxGetCurrent", 4000, offsetof(__typeof__(driver), context_get)},
    {"cuCtxSetCurrent", 4000, offsetof(__typeof__(driver), context_set)},
    {"cuCtxGetDevice", 2000, offsetof(__typeof__(driver), context_device)},
    {"cuDeviceGet", 2000, offsetof(__typeof__(driver), device_get)},
    {"cuDevicePrimaryCtxRetain", 7000, offsetof(__typeof__(driver), primary_retain)},
    {"cuGetExportTable", 3000, offsetof(__typeof__(driver), export_table)},
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

static cublas_status status_of(CUresult result)
{
    switch (result) {
    case CUDA_SUCCESS:
        return CUBLAS_STATUS_SUCCESS;
    case CUDA_ERROR_OUT_OF_MEMORY:
        return CUBLAS_STATUS_ALLOC_FAILED;
    case CUDA_ERROR_INVALID_VALUE:
        return CUBLAS_STATUS_INVALID_VALUE;
    case CUDA_ERROR_NOT_INITIALIZED:
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_NO_DEVICE:
        return CUBLAS_STATUS_NOT_INITIALIZED;
    default:
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
}

static CUresult enter_context(void)
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

/* Each library finds the driver itself: a handle may come from the other one. */
static cublas_status need_driver(const char *who)
{
    pthread_once(&driver_once, find_driver);
    if (!driver.internals)
        return blas_refuse_with(CUBLAS_STATUS_NOT_INITIALIZED, who, "%s", driver_error);
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status blas_handle_create(const char *library, struct blas_handle **handle)
{
    CUdevice device;
    CUresult result;

    if (!handle)
        return CUBLAS_STATUS_INVALID_VALUE;
    cublas_status status = need_driver(library);
    if (status)
        return status;
    if ((result = enter_context()) || (result = driver.context_device(&device)) ||
        (result = driver.internals->charge_library(library, LIBRARY_KERNEL_BYTES)))
        return status_of(result);
    struct blas_handle *created = calloc(1, sizeof *created);
    if (!created)
        return CUBLAS_STATUS_ALLOC_FAILED;
    created->magic = HANDLE_MAGIC;
    created->device = device;
    *handle = created;
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status blas_handle_destroy(struct blas_handle *handle)
{
    if (!handle || handle->magic != HANDLE_MAGIC)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->magic = 0;
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status blas_handle_check(const struct blas_handle *handle, const char *symbol)
{
    CUdevice device;
    if (!handle || handle->magic != HANDLE_MAGIC)
        return blas_refuse_with(
            CUBLAS_STATUS_NOT_INITIALIZED, symbol, "called with a handle that was not created here");
    cublas_status status = need_driver(symbol);
    if (status)
        return status;
    CUresult result = driver.context_device(&device);
    if (result)
        return status_of(result);
    if (device != handle->device)
        return blas_refuse_with(CUBLAS_STATUS_EXECUTION_FAILED, symbol,
            "the handle was created on device %d, but device %d is current: create one handle per device",
            handle->device, device);
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status blas_launch(CUstream stream, const struct simcuda_gemm *gemm)
{
    if (gemm->d.rows == 0 || gemm->d.columns == 0 || gemm->batch_count == 0)
        return CUBLAS_STATUS_SUCCESS;
    return status_of(driver.internals->launch_gemm(stream, gemm));
}

bool blas_type(int cuda_data_type, enum simcuda_type *type)
{
    static const struct {
        int cuda;
        enum simcuda_type type;
    } types[] = {
        {CUDA_R_16F, SIMCUDA_F16}, {CUDA_R_16BF, SIMCUDA_BF16}, {CUDA_R_32F, SIMCUDA_F32}, {CUDA_R_64F, SIMCUDA_F64}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].cuda == cuda_data_type) {
            *type = types[i].type;
            return true;
        }
    return false;
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

static void say_once(const char *symbol, const char *format, va_list arguments)
{
    char message[512];
    int length = snprintf(message, sizeof message, "simcuda: %s: ", symbol);
    vsnprintf(message + length, sizeof message - (size_t)length, format, arguments);
    if (is_new(message))
        fprintf(stderr, "%s\n", message);
}

cublas_status blas_refuse_with(cublas_status status, const char *symbol, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_once(symbol, format, arguments);
    va_end(arguments);
    return status;
}

cublas_status blas_refuse(const char *symbol, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_once(symbol, format, arguments);
    va_end(arguments);
    return CUBLAS_STATUS_NOT_SUPPORTED;
}
