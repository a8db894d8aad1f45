/* driver_choice_test.c: what is said where kernels are not known for the PyTorch, or for the devices, of the process. A
 * copy of a small library in the place of PyTorch's is enough: its folder tells the version. */
#include "simulated.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void copy_small_library(const char *path)
{
    void *library = dlopen("libutil.so.1", RTLD_NOW);
    struct link_map *map;
    struct stat stat;
    int from, to;

    cr_assert_not_null(library);
    cr_assert_eq(dlinfo(library, RTLD_DI_LINKMAP, &map), 0);
    from = open(map->l_name, O_RDONLY);
    to = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
    cr_assert(from >= 0 && to >= 0 && fstat(from, &stat) == 0);
    cr_assert_eq(sendfile(to, from, NULL, (size_t)stat.st_size), stat.st_size);
    close(from);
    close(to);
}

static char folder[] = "/tmp/simcuda-torch-XXXXXX";

/* Loads a pretended PyTorch of a version. */
static void load_torch(const char *version)
{
    char path[128], text[64];

    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/version.py", folder);
    snprintf(text, sizeof text, "__version__ = '%s'\n", version);
    write_file(path, text);
    snprintf(path, sizeof path, "%s/lib", folder);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/lib/libtorch_cuda.so", folder);
    copy_small_library(path);
    cr_assert_not_null(dlopen(path, RTLD_NOW));
}

static void remove_torch(void)
{
    static const char *const files[] = {"lib/libtorch_cuda.so", "lib", "version.py", ""};
    char path[128];

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        remove(path);
    }
}

/* What is said on stderr while a kernel is launched twice on a machine with two devices, the second of the capability.
 */
static const char *said_of(const char *capability, const char *version)
{
    static char said[2048];
    char machine[] = "/tmp/simcuda-machine-XXXXXX", text[256];
    CUcontext context;
    CUmodule module;
    CUfunction kernel;
    CUdeviceptr memory;
    void *parameters[] = {&memory};
    ssize_t length;
    int ends[2];

    close(mkstemp(machine));
    snprintf(text, sizeof text, "devices:\n  - memory: 1gb\n  - memory: 1gb\n    capability: %s\n", capability);
    write_file(machine, text);
    setenv("SIMCUDA_MACHINE", machine, 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
    load_torch(version);
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    dup2(ends[1], STDERR_FILENO);
    SUCCEEDS(cuInit(0));
    SUCCEEDS(cuDevicePrimaryCtxRetain(&context, 0));
    SUCCEEDS(cuCtxSetCurrent(context));
    memory = new_memory(4);
    SUCCEEDS(cuModuleLoadData(&module, "image"));
    SUCCEEDS(cuModuleGetFunction(&kernel, module, "_Z5writePf"));
    for (int i = 0; i < 2; i++)
        SUCCEEDS(cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, parameters, NULL));
    length = read(ends[0], said, sizeof said - 1);
    said[length > 0 ? length : 0] = '\0';
    unlink(machine);
    remove_torch();
    return said;
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        count++;
    }
    return count;
}

Test(choice, a_device_of_another_capability_is_told_once)
{
    const char *said = said_of("9.0", "2.11.0+cu130");
    cr_assert_eq(
        count_of(said, "cuda:1 has compute capability 9.0, and the kernels that are computed are known for 8.6"), 1,
        "%s", said);
}

Test(choice, nothing_is_told_of_the_capability_that_was_recorded)
{
    const char *said = said_of("8.6", "2.11.0+cu130");
    cr_assert_eq(count_of(said, "capability"), 0, "%s", said);
    cr_assert_eq(count_of(said, "are not computed: this is"), 0, "%s", said);
}

Test(choice, where_no_kernels_are_computed_their_capability_does_not_matter)
{
    setenv("SIMCUDA_COMPUTE", "gemm", 1);
    const char *said = said_of("9.0", "2.11.0+cu130");
    cr_assert_eq(count_of(said, "capability"), 0, "%s", said);
}

Test(choice, another_version_of_pytorch_is_told_once)
{
    const char *said = said_of("9.0", "2.12.0");
    cr_assert_eq(count_of(said, "kernels are not computed: this is PyTorch 2.12.0"), 1, "%s", said);
    cr_assert_eq(count_of(said, "capability"), 0, "%s", said);
}
