/* vmm_export.c: handles as file descriptors (cuda.h, cuMemExportToShareableHandle).
 *
 * A descriptor is one end of a socket pair; the other end stays here and tells when all copies of it are closed, in
 * this process and in others. Only this process can import it, since the simulated memory lives here; another one is
 * told CUDA_ERROR_NOT_SUPPORTED, as cuda.h has it for memory that a process cannot support. */
#include "api.h"
#include "rules.h"
#include "vmm.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct export
{
    struct sim_handle *handle;
    int end;     /* ours */
    ino_t inode; /* of the program's end */
};
static struct export *exports;
static size_t count, capacity;

static bool make_room(void)
{
    size_t more = capacity ? capacity * 2 : 8;
    struct export *grown = count < capacity ? exports : realloc(exports, more * sizeof *grown);

    if (grown == NULL)
        return false;
    capacity = count < capacity ? capacity : more;
    exports = grown;
    return true;
}

CUresult sim_cuMemExportToShareableHandle(
    void *out, CUmemGenericAllocationHandle number, CUmemAllocationHandleType type, unsigned long long flags)
{
    struct sim_handle *handle = sim_handle_of(number);
    struct stat status;
    int ends[2];

    if (out == NULL || handle == NULL || flags != 0 || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
        return CUDA_ERROR_INVALID_VALUE;
    if ((handle->properties.requestedHandleTypes & type) == 0 && SIM_RULE(export_as_asked))
        return CUDA_ERROR_INVALID_VALUE;
    if (!make_room() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (fstat(ends[1], &status) != 0) {
        close(ends[0]);
        close(ends[1]);
        return CUDA_ERROR_UNKNOWN;
    }
    exports[count++] = (struct export){handle, ends[0], status.st_ino};
    handle->exports++;
    *(int *)out = ends[1];
    return CUDA_SUCCESS;
}

CUresult sim_cuMemImportFromShareableHandle(
    CUmemGenericAllocationHandle *out, void *shareable, CUmemAllocationHandleType type)
{
    struct stat status;

    if (out == NULL || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
        return CUDA_ERROR_INVALID_VALUE;
    if (fstat((int)(intptr_t)shareable, &status) != 0 || !S_ISSOCK(status.st_mode))
        return SIM_REFUSE(import_of_export, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < count; i++)
        if (exports[i].inode == status.st_ino) {
            exports[i].handle->references += SIM_RULE(import_counts);
            *out = (CUmemGenericAllocationHandle)(uintptr_t)exports[i].handle;
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_NOT_SUPPORTED; /* another process exported it */
}

static void end_export(size_t index)
{
    close(exports[index].end);
    exports[index] = exports[--count];
}

void sim_exports_forget(const struct sim_handle *handle)
{
    for (size_t i = count; i-- > 0;)
        if (exports[i].handle == handle)
            end_export(i);
}

void sim_exports_settle(void)
{
    for (size_t i = 0; i < count;) {
        struct pollfd end = {.fd = exports[i].end};
        struct sim_handle *handle = exports[i].handle;
        if (poll(&end, 1, 0) != 1 || (end.revents & POLLHUP) == 0) {
            i++;
            continue;
        }
        end_export(i);
        handle->exports--;
        sim_handle_settle(handle);
    }
}
