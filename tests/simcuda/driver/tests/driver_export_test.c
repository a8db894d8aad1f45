/* driver_export_test.c: exported handles across processes: a child holds a descriptor, and no child imports one. */
#include "simulated.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static CUmemGenericAllocationHandle new_exportable(void)
{
    CUmemAllocationProp properties = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0},
        .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR};
    CUmemGenericAllocationHandle handle;
    SUCCEEDS(cuMemCreate(&handle, 2 * MIB, &properties, 0));
    return handle;
}

static int export(CUmemGenericAllocationHandle handle)
{
    int fd;
    SUCCEEDS(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    return fd;
}

Test(exported, a_descriptor_in_a_child_keeps_the_memory_until_the_child_closes_it)
{
    start("early");
    size_t before = simcudaBytesUsed(0);
    CUmemGenericAllocationHandle handle = new_exportable();
    int fd = export(handle), go[2];
    char byte = 0;
    pid_t child;

    cr_assert_eq(pipe(go), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        close(go[1]);
        _exit(read(go[0], &byte, 1) == 1 ? 0 : 1); /* holds its copy of fd until then */
    }
    close(go[0]);
    SUCCEEDS(cuMemRelease(handle));
    close(fd);
    cr_assert_eq(simcudaBytesUsed(0), before + 2 * MIB);
    cr_assert_eq(write(go[1], &byte, 1), 1);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_eq(simcudaBytesUsed(0), before);
}

/* Sends a descriptor over a socket; receives one. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void send_descriptor(int socket, int fd)
{
    char byte = 0;
    union control control = {.header = {.cmsg_len = CMSG_LEN(sizeof fd)}};
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    cr_assert_eq(sendmsg(socket, &message, 0), 1);
}

static int receive_descriptor(int socket)
{
    char byte;
    int fd = -1;
    union control control;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};

    if (recvmsg(socket, &message, 0) == 1)
        memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    return fd;
}

Test(exported, another_process_is_told_that_it_cannot_import)
{
    CUmemGenericAllocationHandle handle;
    int sockets[2], answer, status;
    pid_t child;

    /* The child starts before this process initialises, so that it has a CUDA of its own. */
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        start("early");
        answer = cuMemImportFromShareableHandle(
            &handle, (void *)(intptr_t)receive_descriptor(sockets[1]), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
        _exit(answer == CUDA_ERROR_NOT_SUPPORTED ? 0 : 1);
    }
    start("early");
    send_descriptor(sockets[0], export(new_exportable()));
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
