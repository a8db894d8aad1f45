/* recording_driver.c: a libcuda.so.1 that does nothing but write down what a CUDA runtime asks of it.
 *
 * A runtime reaches the driver by one dlsym("cuGetProcAddress_v2") and then by name, version and flags. This library
 * answers every such look-up with a thunk of its own for that look-up (assembly below), so that later calls can be
 * written down by name too. Calls succeed and return nothing, except the few whose results decide how far a runtime
 * gets before it gives up: their answers are in the table `answers`.
 *
 * The log is the file named by RECORD_LOG, one event a line: "lookup NAME VERSION FLAGS" ("-" for the empty name) and
 * "call NAME VERSION FLAGS". record.sh turns it into the golden files.
 */
#include <cuda.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT         __attribute__((visibility("default")))
#define MAX_THUNKS     1024 /* about 440 look-ups are made */
#define DEVICE_COUNT   2
#define DRIVER_VERSION 13000

/* Thunk i saves the argument registers, calls record_call(i, saved registers), and returns what that returns. */
__asm__(".text\n"
        ".type thunk_common, @function\n"
        "thunk_common:\n"
        "    push %r9\n    push %r8\n    push %rcx\n    push %rdx\n    push %rsi\n    push %rdi\n"
        "    mov 48(%rsp), %rdi\n" /* the index that the thunk pushed */
        "    mov %rsp, %rsi\n"
        "    call record_call\n"
        "    add $56, %rsp\n" /* six registers and the index; the stack is aligned again at the call above */
        "    ret\n"
        ".globl thunks\n"
        ".hidden thunks\n"
        ".balign 16\n"
        "thunks:\n"
        ".set index, 0\n"
        ".rept 1024\n"
        "    .balign 16\n"
        "    pushq $index\n"
        "    jmp thunk_common\n"
        "    .set index, index + 1\n"
        ".endr\n");
extern const unsigned char thunks[];

static struct {
    char name[96];
    int version;
    unsigned flags;
} asked[MAX_THUNKS]; /* the look-up behind each thunk */
static unsigned thunk_count;

__attribute__((format(printf, 1, 2))) static void record(const char *format, ...)
{
    const char *path = getenv("RECORD_LOG");
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    if (fd < 0 || write(fd, line, (size_t)length) != length) {
        fprintf(stderr, "recording driver: cannot write to RECORD_LOG (%s); set it to a writable file\n",
            path ? path : "not set");
        abort();
    }
    close(fd);
}

static int answer_int(const uint64_t *arguments, int value)
{
    *(int *)arguments[0] = value;
    return CUDA_SUCCESS;
}

static int answer_version(const uint64_t *arguments)
{
    return answer_int(arguments, DRIVER_VERSION);
}

static int answer_count(const uint64_t *arguments)
{
    return answer_int(arguments, DEVICE_COUNT);
}

static int answer_device(const uint64_t *arguments)
{
    return answer_int(arguments, (int)arguments[1]);
}

/* Some context is always current. */
static int answer_context(const uint64_t *arguments)
{
    *(const void **)arguments[0] = &thunks;
    return CUDA_SUCCESS;
}

static int answer_no_table(const uint64_t *arguments)
{
    *(const void **)arguments[0] = NULL;
    return CUDA_ERROR_NOT_FOUND; /* NVIDIA's private tables: no one but its own driver has them */
}

static int answer_attribute(const uint64_t *arguments)
{
    return answer_int(arguments, 1);
}

static const struct {
    const char *name;
    int (*answer)(const uint64_t *arguments);
} answers[] = {
    {"cuDriverGetVersion", answer_version},
    {"cuDeviceGetCount", answer_count},
    {"cuDeviceGet", answer_device},
    {"cuDeviceGetAttribute", answer_attribute},
    {"cuCtxGetCurrent", answer_context},
    {"cuGetExportTable", answer_no_table},
};

__attribute__((used, visibility("hidden"))) int record_call(unsigned index, const uint64_t *arguments);
int record_call(unsigned index, const uint64_t *arguments)
{
    record("call %s %d %u\n", asked[index].name, asked[index].version, asked[index].flags);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        if (!strcmp(answers[i].name, asked[index].name))
            return answers[i].answer(arguments);
    return CUDA_SUCCESS;
}

/* The function's form before CUDA 12, which has no status (cuda.h: cuGetProcAddress, version 11030). */
static CUresult get_proc_address_v1(const char *symbol, void **pointer, int version, cuuint64_t flags)
{
    return cuGetProcAddress_v2(symbol, pointer, version, flags, NULL);
}

EXPORT CUresult cuGetProcAddress_v2(
    const char *symbol, void **pointer, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status)
{
    record("lookup %s %d %llu\n", symbol[0] ? symbol : "-", version, (unsigned long long)flags);
    if (thunk_count == MAX_THUNKS || strlen(symbol) >= sizeof asked[0].name) {
        fprintf(stderr,
            "recording driver: more than %d look-ups, or a name of %zu or more bytes (%s); raise the limit\n",
            MAX_THUNKS, sizeof asked[0].name, symbol);
        abort();
    }
    snprintf(asked[thunk_count].name, sizeof asked[0].name, "%s", symbol);
    asked[thunk_count].version = version;
    asked[thunk_count].flags = (unsigned)flags;
    *pointer = (void *)(thunks + 16 * (size_t)thunk_count++);
    /* The runtime asks for this function too and makes its further look-ups through what it got. */
    if (!strcmp(symbol, "cuGetProcAddress"))
        *pointer = version < 12000 ? (void *)get_proc_address_v1 : (void *)cuGetProcAddress_v2;
    if (status)
        *status = CU_GET_PROC_ADDRESS_SUCCESS;
    return CUDA_SUCCESS;
}
