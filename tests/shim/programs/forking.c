/* forking.c: forks while another thread is in the middle of something. Each child says what it finds, or is ended by
 * its alarm.
 *
 *     forking start            the other thread makes the first CUDA call, and has widened CUDA_VISIBLE_DEVICES
 *     forking open FOLDER      other threads open models in FOLDER, before any CUDA call
 *     forking ahead MODEL BYTES   the library makes host memory for the weights of MODEL
 */
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../simcuda/simcuda.h"

enum { CHILD_SECONDS = 5, SECONDS = 30 };

static int end_of(pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

/* --- start -------------------------------------------------------------------------------------------------------- */

static sem_t is_widened, may_go_on;

/* Stands before libc's. Who widens the variable waits here until the fork is over. */
__attribute__((visibility("default"))) int setenv(const char *name, const char *value, int overwrite)
{
    int (*real)(const char *, const char *, int) = (int (*)(const char *, const char *, int))dlsym(RTLD_NEXT, "setenv");
    int result = real(name, value, overwrite);
    if (strcmp(name, "CUDA_VISIBLE_DEVICES") == 0 && strchr(value, ',')) {
        sem_post(&is_widened);
        sem_wait(&may_go_on);
    }
    return result;
}

static void *count(void *unused)
{
    int devices = -1;
    cudaGetDeviceCount(&devices);
    return unused;
}

static void tell(const char *who)
{
    int runtime = -1, driver = -1;
    const char *visible = getenv("CUDA_VISIBLE_DEVICES"), *set = getenv("VRAMSPAN_SET_VISIBLE_DEVICES");
    cudaGetDeviceCount(&runtime);
    cuDeviceGetCount(&driver);
    printf("%s: %s %s, %d %d\n", who, visible ? visible : "(unset)", set ? set : "(unset)", runtime, driver);
    fflush(stdout);
}

static int fork_at_start(void)
{
    pthread_t thread;
    sem_init(&is_widened, 0, 0);
    sem_init(&may_go_on, 0, 0);
    pthread_create(&thread, NULL, count, NULL);
    sem_wait(&is_widened);
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        tell("child");
        _exit(0);
    }
    int end = end_of(child);
    sem_post(&may_go_on);
    pthread_join(thread, NULL);
    tell("parent");
    return end != 0;
}

/* --- open --------------------------------------------------------------------------------------------------------- */

enum { MODELS = 64, OPENERS = 4, FORKS = 200 };
static const char *folder;
static atomic_bool done;

static void open_one(int i, int flags)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%d.safetensors", folder, i);
    close(open(path, flags, 0600));
}

static void *open_all(void *unused)
{
    for (int i = 0; !atomic_load(&done); i++)
        open_one(i % MODELS, O_RDONLY);
    return unused;
}

static int fork_at_openings(void)
{
    pthread_t threads[OPENERS];
    int hung = 0;
    for (int i = 0; i < MODELS; i++)
        open_one(i, O_RDWR | O_CREAT);
    for (int i = 0; i < OPENERS; i++)
        pthread_create(&threads[i], NULL, open_all, NULL);
    for (int i = 0; i < FORKS && !hung; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(CHILD_SECONDS);
            open_one(0, O_RDONLY);
            _exit(0);
        }
        hung += end_of(child) != 0;
    }
    atomic_store(&done, true);
    for (int i = 0; i < OPENERS; i++)
        pthread_join(threads[i], NULL);
    printf("%d hung\n", hung);
    return hung;
}

/* --- ahead -------------------------------------------------------------------------------------------------------- */

enum { WEIGHTS = 8 };

static int fork_at_making(const char *model, size_t bytes)
{
    int hung = 0, elsewhere = 0;
    void *weight;
    cudaMemPool_t pool;
    if (cudaDeviceGetDefaultMemPool(&pool, 0) != cudaSuccess)
        return 3;
    close(open(model, O_RDONLY));
    for (int i = 0; i < WEIGHTS; i++) {
        if (cudaMalloc(&weight, bytes) != cudaSuccess)
            return 3;
        elsewhere += simcudaBytesAt(weight, bytes, SIMCUDA_LOCATION_HOST) != bytes;
        pid_t child = i % 2 ? fork() : _Fork(); /* the second calls no handlers: nobody is told */
        if (child == 0) {
            alarm(CHILD_SECONDS);
            cudaMalloc(&weight, bytes); /* errors, and no wait */
            cudaMemPoolTrimTo(pool, 0);
            if (i % 2 == 0)
                _exit(0);
            exit(0);
        }
        hung += end_of(child) != 0;
    }
    printf("%d hung, %s weights in the host\n", hung, elsewhere ? "not all" : "all");
    return hung;
}

int main(int count, char **arguments)
{
    alarm(SECONDS);
    if (count == 3 && strcmp(arguments[1], "open") == 0) {
        folder = arguments[2];
        return fork_at_openings();
    }
    if (count == 4 && strcmp(arguments[1], "ahead") == 0)
        return fork_at_making(arguments[2], strtoull(arguments[3], NULL, 10));
    return fork_at_start();
}
