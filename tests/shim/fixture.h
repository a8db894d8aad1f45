/* fixture.h: what the tests of the shim share: policies, model files and a way to hear what the library says.
 *
 * Tests run with libvramspan.so preloaded, on the simulated CUDA. Criterion runs each test in a process of its own, so
 * a test chooses machine and policy before its first CUDA call. */
#ifndef TESTS_SHIM_FIXTURE_H
#define TESTS_SHIM_FIXTURE_H

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "../simcuda/simcuda.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

#define CUDA_OK(call)                                                                                                  \
    do {                                                                                                               \
        int cuda_ok_result = (int)(call);                                                                              \
        cr_assert(cuda_ok_result == 0, "%s: error %d", #call, cuda_ok_result);                                         \
    } while (0)

/* Sets SIMCUDA_MACHINE; NULL leaves the default (two 24 GB cards with peer access). */
void use_machine(const char *machine);

/* The simulated machine's own /proc and control group count, in a folder that both find; before the first CUDA call.
 * Returns the folder. */
const char *use_host_files(void);

/* Makes a policy with one section for every *.safetensors file and this allocation string the one in force; the devices
 * take the tensors one after the other (`order: listed`). */
void use_policy(const char *distorch);
/* The same for a whole text. */
void use_policy_text(const char *yaml);

/* Writes a model file of byte tensors with these sizes, `layer.0.weight` and so on, each filled with a pattern of its
 * own. The path lives until the process ends, the file too. */
const char *make_model(const size_t *tensor_bytes, size_t count);
/* The same with names and types. */
struct model_tensor {
    const char *name, *dtype;
    size_t elements, bytes;
};
const char *make_named_model(const struct model_tensor *tensors, size_t count);
/* The same with a hole in place of the bytes: for models that are large. */
const char *make_hollow_model(const struct model_tensor *tensors, size_t count);

/* A path in this process's scratch folder, owned by the caller. */
char *scratch_path(const char *name);

/* Opens a model for reading and closes it, as a loader does first. */
void open_model(const char *path);

/* Byte `offset` of tensor `index`. */
unsigned char pattern(size_t index, size_t offset);
void fill_pattern(unsigned char *bytes, size_t index, size_t count);

/* All bytes at this location? */
bool lies_at(const void *pointer, size_t bytes, int location);

/* The one location of all bytes: a device's number, HOST, or NOWHERE. */
enum { HOST = SIMCUDA_LOCATION_HOST, NOWHERE = 99 };
int place_of(const void *pointer, size_t bytes);
/* A stream that the default one does not wait for, and an allocation of cudaMallocAsync in a stream. */
cudaStream_t new_stream(void);
void *allocate_in(size_t bytes, cudaStream_t stream);
/* Where a new allocation of cudaMallocAsync lies. */
int place_new(size_t bytes);

/* Redirects stderr into a file from here on; heard() returns what came, owned by the caller. */
void listen(void);
char *heard(void);
size_t occurrences(const char *text, const char *word);

/* Runs a shell command line with both outputs in `output`; returns the exit status, or 256 + the signal. */
int run(const char *command, char output[8192]);
void sleep_ms(long milliseconds);

/* The path of one of the tests' own programs, until the next call. */
const char *program(const char *name);

#endif
