/* models.c: see models.h. */
#include "models.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "activate.h"
#include "hook.h"
#include "log.h"
#include "placement.h"

/* Openings before the first CUDA call: kept by name, since the descriptor may be closed by then. */
#define MOST_NOTED 64

static pthread_mutex_t noted_lock = PTHREAD_MUTEX_INITIALIZER;
static char *noted[MOST_NOTED];
static unsigned noted_count;

void vs_model_file_free(struct vs_model_file *file)
{
    if (!file)
        return;
    vs_model_free(&file->model);
    free(file->path);
    free(file);
}

static ssize_t read_at(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    return pread(*(const int *)context, buffer, bytes, (off_t)offset);
}

static void say(const struct vs_diags *diags)
{
    struct vs_text text = {0};
    vs_diags_render(diags, &text);
    if (text.data)
        vs_log_text(diags->error_count ? VS_LOG_ERROR : VS_LOG_WARN, text.data);
    vs_text_free(&text);
}

/* NULL when the file's header cannot be read, said in the log: the program will find the same, and knows better what to
 * do about it. */
static struct vs_model_file *read_model(const char *path, int fd, const struct vs_policy_section *section)
{
    struct vs_diags diags = {0};
    struct vs_safetensors header = {0};
    struct vs_model_file *file = calloc(1, sizeof *file);
    bool ok = file && (file->path = strdup(path)) && fstat(fd, &file->identity) == 0;
    if (ok) {
        file->section = section;
        ok = vs_safetensors_read(path, read_at, &fd, (uint64_t)file->identity.st_size, &header, &diags) == 0 &&
             vs_model_init(&file->model, &header, &diags) == 0;
        say(&diags);
    }
    vs_diags_free(&diags);
    if (ok)
        return file;
    vs_model_file_free(file);
    return NULL;
}

static void consider(const char *path, int fd)
{
    const struct vs_policy *policy = vs_policy_in_force();
    const struct vs_policy_section *section = policy ? vs_policy_match(policy, path) : NULL;
    struct vs_model_file *file = section ? read_model(path, fd, section) : NULL;
    if (file)
        vs_placement_begin(file);
}

/* The absolute path, since the program may change its folder before the first CUDA call. */
static void note(int fd)
{
    char link[64], opened[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, opened, sizeof opened - 1);
    if (length <= 0)
        return;
    opened[length] = '\0';
    pthread_mutex_lock(&noted_lock);
    for (unsigned i = 0; i < noted_count; i++)
        if (strcmp(noted[i], opened) == 0)
            goto done;
    if (noted_count < MOST_NOTED && (noted[noted_count] = strdup(opened)))
        __atomic_store_n(&noted_count, noted_count + 1, __ATOMIC_RELEASE);
done:
    pthread_mutex_unlock(&noted_lock);
}

void vs_models_opened(const char *path, int fd)
{
    int saved_errno = errno;
    if (!vs_cuda_seen())
        note(fd);
    else if (vs_in_own_process())
        consider(path, fd);
    errno = saved_errno;
}

void vs_models_catch_up(void)
{
    if (__atomic_load_n(&noted_count, __ATOMIC_ACQUIRE) == 0)
        return;
    pthread_mutex_lock(&noted_lock);
    unsigned count = noted_count;
    char *paths[MOST_NOTED];
    memcpy(paths, noted, count * sizeof *paths);
    __atomic_store_n(&noted_count, 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&noted_lock);
    for (unsigned i = 0; i < count; i++) {
        FILE *stream = fopen(paths[i], "re");
        if (stream) {
            consider(paths[i], fileno(stream));
            fclose(stream);
        }
        free(paths[i]);
    }
}
