/* models.c: see models.h. */
#include "models.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "activate.h"
#include "hook.h"
#include "locks.h"
#include "log.h"
#include "placement.h"
#include "stats.h"

/* Openings before the first CUDA call: kept by name, since the descriptor may be closed by then. */
#define MOST_NOTED 64

pthread_mutex_t vs_noted_lock = PTHREAD_MUTEX_INITIALIZER;
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

/* NULL when the file's header cannot be read, said in the log: the program will find the same, and knows better what to
 * do about it. */
static struct vs_model_file *read_model(const char *path, int fd)
{
    struct vs_diags diags = {0};
    struct vs_header header = {0};
    struct vs_model_file *file = calloc(1, sizeof *file);
    bool ok = file && (file->path = strdup(path)) && fstat(fd, &file->identity) == 0;
    if (ok) {
        ok = vs_header_read(path, read_at, &fd, (uint64_t)file->identity.st_size, &header, &diags) == 0 &&
             vs_model_init(&file->model, &header, &diags) == 0;
        vs_log_diagnostics(&diags);
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
    if (!policy)
        return;
    if (!vs_policy_match(policy, path, VS_PART_ANY)) {
        vs_stats_model_unmatched(path);
        return;
    }
    struct vs_model_file *file = read_model(path, fd);
    if (file)
        vs_placement_begin(file);
}

/* The path as the program gave it, made absolute, since it may change its folder before the first CUDA call. Links are
 * not followed: a policy's globs are about the names that users see, not about the store behind them. */
static char *absolute_path(const char *path, int folder)
{
    char link[64], base[4096], *whole;
    if (path[0] == '/')
        return strdup(path);
    if (folder == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, base, sizeof base - 1);
    if (length <= 0)
        return NULL;
    base[length] = '\0';
    return asprintf(&whole, "%s/%s", base, path) < 0 ? NULL : whole;
}

static void note(const char *path, int folder)
{
    char *whole = absolute_path(path, folder);
    bool full = false;
    if (!whole)
        return;
    pthread_mutex_lock(&vs_noted_lock);
    for (unsigned i = 0; i < noted_count && whole; i++)
        if (strcmp(noted[i], whole) == 0) {
            free(whole);
            whole = NULL;
        }
    if (whole && noted_count < MOST_NOTED) {
        noted[noted_count] = whole;
        __atomic_store_n(&noted_count, noted_count + 1, __ATOMIC_RELEASE);
    } else if (whole) {
        full = true;
    }
    pthread_mutex_unlock(&vs_noted_lock);
    if (full) {
        vs_log(VS_LOG_DEBUG, "models", "%s is not remembered: too many models were opened before any CUDA call", whole);
        free(whole);
    }
}

void vs_models_opened(const char *path, int folder, int fd)
{
    int saved_errno = errno;
    if (!vs_cuda_seen())
        note(path, folder);
    else if (vs_in_own_process())
        consider(path, fd);
    errno = saved_errno;
}

bool vs_models_are_noted(void)
{
    return __atomic_load_n(&noted_count, __ATOMIC_ACQUIRE) > 0;
}

void vs_models_catch_up(void)
{
    if (!vs_models_are_noted())
        return;
    pthread_mutex_lock(&vs_noted_lock);
    unsigned count = noted_count;
    char *paths[MOST_NOTED];
    memcpy(paths, noted, count * sizeof *paths);
    __atomic_store_n(&noted_count, 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&vs_noted_lock);
    for (unsigned i = 0; i < count; i++) {
        FILE *stream = fopen(paths[i], "re");
        if (stream) {
            consider(paths[i], fileno(stream));
            fclose(stream);
        }
        free(paths[i]);
    }
}

void vs_models_before_fork(void)
{
    pthread_mutex_lock(&vs_noted_lock);
}

void vs_models_after_fork(void)
{
    pthread_mutex_unlock(&vs_noted_lock);
}
