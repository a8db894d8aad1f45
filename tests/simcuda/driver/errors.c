/* errors.c: cuGetErrorName, cuGetErrorString. */
#include "errors.h"
#include "api.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    CUresult result;
    const char *name;
} errors[] = {
#define ERROR(name)                                                                                                    \
    {                                                                                                                  \
        name, #name                                                                                                    \
    }
    ERROR(CUDA_SUCCESS),
    ERROR(CUDA_ERROR_INVALID_VALUE),
    ERROR(CUDA_ERROR_OUT_OF_MEMORY),
    ERROR(CUDA_ERROR_NOT_INITIALIZED),
    ERROR(CUDA_ERROR_DEINITIALIZED),
    ERROR(CUDA_ERROR_PROFILER_DISABLED),
    ERROR(CUDA_ERROR_PROFILER_NOT_INITIALIZED),
    ERROR(CUDA_ERROR_PROFILER_ALREADY_STARTED),
    ERROR(CUDA_ERROR_PROFILER_ALREADY_STOPPED),
    ERROR(CUDA_ERROR_STUB_LIBRARY),
    ERROR(CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER),
    ERROR(CUDA_ERROR_DEVICE_UNAVAILABLE),
    ERROR(CUDA_ERROR_NO_DEVICE),
    ERROR(CUDA_ERROR_INVALID_DEVICE),
    ERROR(CUDA_ERROR_DEVICE_NOT_LICENSED),
    ERROR(CUDA_ERROR_INVALID_IMAGE),
    ERROR(CUDA_ERROR_INVALID_CONTEXT),
    ERROR(CUDA_ERROR_CONTEXT_ALREADY_CURRENT),
    ERROR(CUDA_ERROR_MAP_FAILED),
    ERROR(CUDA_ERROR_UNMAP_FAILED),
    ERROR(CUDA_ERROR_ARRAY_IS_MAPPED),
    ERROR(CUDA_ERROR_ALREADY_MAPPED),
    ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU),
    ERROR(CUDA_ERROR_ALREADY_ACQUIRED),
    ERROR(CUDA_ERROR_NOT_MAPPED),
    ERROR(CUDA_ERROR_NOT_MAPPED_AS_ARRAY),
    ERROR(CUDA_ERROR_NOT_MAPPED_AS_POINTER),
    ERROR(CUDA_ERROR_ECC_UNCORRECTABLE),
    ERROR(CUDA_ERROR_UNSUPPORTED_LIMIT),
    ERROR(CUDA_ERROR_CONTEXT_ALREADY_IN_USE),
    ERROR(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED),
    ERROR(CUDA_ERROR_INVALID_PTX),
    ERROR(CUDA_ERROR_INVALID_GRAPHICS_CONTEXT),
    ERROR(CUDA_ERROR_NVLINK_UNCORRECTABLE),
    ERROR(CUDA_ERROR_JIT_COMPILER_NOT_FOUND),
    ERROR(CUDA_ERROR_UNSUPPORTED_PTX_VERSION),
    ERROR(CUDA_ERROR_JIT_COMPILATION_DISABLED),
    ERROR(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY),
    ERROR(CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC),
    ERROR(CUDA_ERROR_CONTAINED),
    ERROR(CUDA_ERROR_INVALID_SOURCE),
    ERROR(CUDA_ERROR_FILE_NOT_FOUND),
    ERROR(CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND),
    ERROR(CUDA_ERROR_SHARED_OBJECT_INIT_FAILED),
    ERROR(CUDA_ERROR_OPERATING_SYSTEM),
    ERROR(CUDA_ERROR_INVALID_HANDLE),
    ERROR(CUDA_ERROR_ILLEGAL_STATE),
    ERROR(CUDA_ERROR_LOSSY_QUERY),
    ERROR(CUDA_ERROR_NOT_FOUND),
    ERROR(CUDA_ERROR_NOT_READY),
    ERROR(CUDA_ERROR_ILLEGAL_ADDRESS),
    ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES),
    ERROR(CUDA_ERROR_LAUNCH_TIMEOUT),
    ERROR(CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING),
    ERROR(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED),
    ERROR(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED),
    ERROR(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE),
    ERROR(CUDA_ERROR_CONTEXT_IS_DESTROYED),
    ERROR(CUDA_ERROR_ASSERT),
    ERROR(CUDA_ERROR_TOO_MANY_PEERS),
    ERROR(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED),
    ERROR(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED),
    ERROR(CUDA_ERROR_HARDWARE_STACK_ERROR),
    ERROR(CUDA_ERROR_ILLEGAL_INSTRUCTION),
    ERROR(CUDA_ERROR_MISALIGNED_ADDRESS),
    ERROR(CUDA_ERROR_INVALID_ADDRESS_SPACE),
    ERROR(CUDA_ERROR_INVALID_PC),
    ERROR(CUDA_ERROR_LAUNCH_FAILED),
    ERROR(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE),
    ERROR(CUDA_ERROR_TENSOR_MEMORY_LEAK),
    ERROR(CUDA_ERROR_NOT_PERMITTED),
    ERROR(CUDA_ERROR_NOT_SUPPORTED),
    ERROR(CUDA_ERROR_SYSTEM_NOT_READY),
    ERROR(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH),
    ERROR(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE),
    ERROR(CUDA_ERROR_MPS_CONNECTION_FAILED),
    ERROR(CUDA_ERROR_MPS_RPC_FAILURE),
    ERROR(CUDA_ERROR_MPS_SERVER_NOT_READY),
    ERROR(CUDA_ERROR_MPS_MAX_CLIENTS_REACHED),
    ERROR(CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED),
    ERROR(CUDA_ERROR_MPS_CLIENT_TERMINATED),
    ERROR(CUDA_ERROR_CDP_NOT_SUPPORTED),
    ERROR(CUDA_ERROR_CDP_VERSION_MISMATCH),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_MERGE),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNJOINED),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_ISOLATION),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT),
    ERROR(CUDA_ERROR_CAPTURED_EVENT),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD),
    ERROR(CUDA_ERROR_TIMEOUT),
    ERROR(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE),
    ERROR(CUDA_ERROR_EXTERNAL_DEVICE),
    ERROR(CUDA_ERROR_INVALID_CLUSTER_SIZE),
    ERROR(CUDA_ERROR_FUNCTION_NOT_LOADED),
    ERROR(CUDA_ERROR_INVALID_RESOURCE_TYPE),
    ERROR(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION),
    ERROR(CUDA_ERROR_KEY_ROTATION),
    ERROR(CUDA_ERROR_UNKNOWN),
#undef ERROR
};

static const char *name_of(CUresult result)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].result == result)
            return errors[i].name;
    return NULL;
}

bool sim_error_parse(const char *text, CUresult *result)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (end != text && *end == '\0' && name_of((CUresult)number) != NULL && number != 0) {
        *result = (CUresult)number;
        return true;
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const char *bare = errors[i].name + strlen("CUDA_ERROR_");
        if (errors[i].result != CUDA_SUCCESS && (strcmp(text, errors[i].name) == 0 || strcmp(text, bare) == 0)) {
            *result = errors[i].result;
            return true;
        }
    }
    return false;
}

CUresult sim_cuGetErrorName(CUresult error, const char **name)
{
    if (name == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *name = name_of(error);
    return *name != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* The real texts are the vendor's; here the name itself, in words: "illegal address". */
CUresult sim_cuGetErrorString(CUresult error, const char **text)
{
    static char words[sizeof errors / sizeof *errors][64];

    if (text == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *text = NULL;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const char *name = errors[i].name;
        size_t skip = strncmp(name, "CUDA_ERROR_", 11) == 0 ? 11 : 5;
        if (errors[i].result != error)
            continue;
        for (size_t j = 0; name[skip + j] != '\0' && j < sizeof words[i] - 1; j++)
            words[i][j] = name[skip + j] == '_' ? ' ' : (char)tolower((unsigned char)name[skip + j]);
        *text = words[i];
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_VALUE;
}
