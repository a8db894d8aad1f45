/* models.h: model files that the policy names, as they are opened. */
#ifndef VS_MODELS_H
#define VS_MODELS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "../policy/language/policy.h"
#include "../policy/model/model.h"

/* A model file at one moment. Owned by whoever holds the pointer; freed with vs_model_file_free. */
struct vs_model_file {
    char *path;
    struct stat identity; /* device, inode, size and times: the same file, unchanged? */
    struct vs_model model;
};

/* The program opened `path`, relative to the folder `folder` (AT_FDCWD, or a descriptor), for reading as `fd`; its
 * header is read through `fd`, whose offset stays. Begins a load where the policy names the file. Before the first CUDA
 * call of the process the opening is only noted, and acted on by vs_models_catch_up. Keeps errno. Any thread. */
void vs_models_opened(const char *path, int folder, int fd);

/* The first CUDA call has come: acts on what was opened before. Cheap when there is nothing. */
void vs_models_catch_up(void);
/* Whether there is anything to catch up with. Lock-free. */
bool vs_models_are_noted(void);

/* Around a fork: what is noted is whole in the child, and its lock free. */
void vs_models_before_fork(void);
void vs_models_after_fork(void);

void vs_model_file_free(struct vs_model_file *file);

#endif
