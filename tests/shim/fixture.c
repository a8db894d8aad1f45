/* fixture.c: see fixture.h. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One scratch folder a process, removed when it ends. */
static const char *scratch(void)
{
    static char folder[] = "/tmp/vramspan-test-XXXXXX";
    static bool made;
    if (!made)
        cr_assert(mkdtemp(folder));
    made = true;
    return folder;
}

__attribute__((destructor)) static void remove_scratch(void)
{
    char command[128];
    if (strstr(scratch(), "XXXXXX"))
        return;
    snprintf(command, sizeof command, "rm -rf %s", scratch());
    if (system(command) != 0)
        fprintf(stderr, "%s was left behind\n", scratch());
}

char *scratch_path(const char *name)
{
    char *path;
    cr_assert(asprintf(&path, "%s/%s", scratch(), name) > 0);
    return path;
}

/* Tests count calls of the driver, and let the n-th one fail: those of another thread must not be among them. Where
 * host memory is made ahead is tested, it is switched on (host_ahead_test.c). */
__attribute__((constructor)) static void make_nothing_ahead(void)
{
    setenv("VRAMSPAN_HOST_AHEAD", "off", 0);
}

void use_machine(const char *machine)
{
    if (machine)
        setenv("SIMCUDA_MACHINE", machine, 1);
}

const char *use_host_files(void)
{
    char *folder = scratch_path("host");
    setenv("SIMCUDA_PROC_ROOT", folder, 1);
    setenv("VRAMSPAN_PROC_ROOT", folder, 1);
    return folder;
}

void use_policy_text(const char *yaml)
{
    char *path = scratch_path("policy.yaml");
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(yaml, file) >= 0 && fclose(file) == 0);
    setenv("VRAMSPAN_POLICY", path, 1);
    free(path);
}

void use_policy(const char *distorch)
{
    char text[512];
    snprintf(text, sizeof text,
        "version: 1\ncompute: cuda:0\nmodels:\n  - match: \"*.safetensors\"\n    distorch: \"%s\"\n    order: listed\n",
        distorch);
    use_policy_text(text);
}

unsigned char pattern(size_t index, size_t offset)
{
    uint64_t mixed = (offset + 1) * 0x9E3779B97F4A7C15u + index * 0xC2B2AE3D27D4EB4Fu;
    return (unsigned char)(mixed >> 56);
}

void fill_pattern(unsigned char *bytes, size_t index, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = pattern(index, i);
}

static void write_header(FILE *text, const struct model_tensor *tensors, size_t count)
{
    size_t offset = 0;
    fputc('{', text);
    for (size_t i = 0; i < count; i++) {
        fprintf(text, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}", i ? "," : "",
            tensors[i].name, tensors[i].dtype, tensors[i].elements, offset, offset + tensors[i].bytes);
        offset += tensors[i].bytes;
    }
    fputc('}', text);
}

/* The file of a new model, behind its header. */
static FILE *begin_model(const struct model_tensor *tensors, size_t count, char **path)
{
    static unsigned models;
    char name[32], *header = NULL;
    size_t header_bytes;
    snprintf(name, sizeof name, "model-%u.safetensors", models++);
    *path = scratch_path(name);
    FILE *text = open_memstream(&header, &header_bytes);
    write_header(text, tensors, count);
    cr_assert(fclose(text) == 0);
    uint64_t prefix = header_bytes;
    FILE *file = fopen(*path, "w");
    cr_assert(file && fwrite(&prefix, sizeof prefix, 1, file) == 1);
    cr_assert(fwrite(header, 1, header_bytes, file) == header_bytes);
    free(header);
    return file;
}

const char *make_named_model(const struct model_tensor *tensors, size_t count)
{
    char *path;
    size_t most = 1;
    for (size_t i = 0; i < count; i++)
        most = tensors[i].bytes > most ? tensors[i].bytes : most;
    unsigned char *bytes = malloc(most);
    FILE *file = begin_model(tensors, count, &path);
    cr_assert(bytes);
    for (size_t i = 0; i < count; i++) {
        fill_pattern(bytes, i, tensors[i].bytes);
        cr_assert(fwrite(bytes, 1, tensors[i].bytes, file) == tensors[i].bytes);
    }
    cr_assert(fclose(file) == 0);
    free(bytes);
    return path;
}

const char *make_hollow_model(const struct model_tensor *tensors, size_t count)
{
    char *path;
    FILE *file = begin_model(tensors, count, &path);
    off_t end = ftello(file);
    for (size_t i = 0; i < count; i++)
        end += (off_t)tensors[i].bytes;
    cr_assert(fflush(file) == 0 && ftruncate(fileno(file), end) == 0 && fclose(file) == 0);
    return path;
}

const char *make_model(const size_t *tensor_bytes, size_t count)
{
    struct model_tensor *tensors = calloc(count, sizeof *tensors);
    char(*names)[32] = calloc(count, sizeof *names);
    cr_assert(tensors && names);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "layer.%zu.weight", i);
        tensors[i] = (struct model_tensor){names[i], "U8", tensor_bytes[i], tensor_bytes[i]};
    }
    const char *path = make_named_model(tensors, count);
    free(names);
    free(tensors);
    return path;
}

void open_model(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0, "%s cannot be opened", path);
    close(fd);
}

bool lies_at(const void *pointer, size_t bytes, int location)
{
    return simcudaBytesAt(pointer, bytes, location) == bytes;
}

int place_of(const void *pointer, size_t bytes)
{
    for (int location = HOST; location < 2; location++)
        if (lies_at(pointer, bytes, location))
            return location;
    return NOWHERE;
}

int place_new(size_t bytes)
{
    void *pointer;
    CUDA_OK(cudaMallocAsync(&pointer, bytes, 0));
    return place_of(pointer, bytes);
}

void listen(void)
{
    char *path = scratch_path("stderr");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    close(fd);
    free(path);
}

char *heard(void)
{
    char *path = scratch_path("stderr");
    struct stat info;
    int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0 && fstat(fd, &info) == 0);
    char *text = calloc(1, (size_t)info.st_size + 1);
    cr_assert(text && read(fd, text, (size_t)info.st_size) == info.st_size);
    close(fd);
    free(path);
    return text;
}

size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        count++;
    return count;
}

int run(const char *command, char output[8192])
{
    char line[2048];
    snprintf(line, sizeof line, "{ %s ; } 2>&1", command);
    FILE *pipe = popen(line, "r");
    cr_assert(pipe);
    size_t used = fread(output, 1, 8191, pipe);
    output[used] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

void sleep_ms(long milliseconds)
{
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

const char *program(const char *name)
{
    static char path[512];
    const char *folder = getenv("VRAMSPAN_TEST_PROGRAMS");
    cr_assert(folder, "run by the Makefile: VRAMSPAN_TEST_PROGRAMS is not set");
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

cudaStream_t new_stream(void)
{
    cudaStream_t stream;
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}

void *allocate_in(size_t bytes, cudaStream_t stream)
{
    void *pointer;
    CUDA_OK(cudaMallocAsync(&pointer, bytes, stream));
    return pointer;
}
