/* stats.c: see stats.h. */
#include "stats.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../policy/text/file.h"
#include "devices.h"
#include "locks.h"
#include "log.h"

#define MAX_DEVICES      64
#define MEGABYTES(bytes) ((double)(bytes) / (1 << 20))

/* Last row: the host. */
static struct {
    atomic_size_t weights, bytes_now, bytes_most;
} homes[MAX_DEVICES + 1];

static atomic_size_t models_opened, refused;

static unsigned row_of(struct vs_home home)
{
    return home.kind == VS_HOME_HOST || home.device >= MAX_DEVICES ? MAX_DEVICES : (unsigned)home.device;
}

static void add(unsigned row, size_t bytes)
{
    size_t now = atomic_fetch_add(&homes[row].bytes_now, bytes) + bytes;
    size_t most = atomic_load(&homes[row].bytes_most);
    while (now > most && !atomic_compare_exchange_weak(&homes[row].bytes_most, &most, now))
        ;
}

/* At most what there is: pages that moved are not quite the weights that lie in them. */
static size_t take(unsigned row, size_t bytes)
{
    size_t now = atomic_load(&homes[row].bytes_now), taken;
    do
        taken = bytes < now ? bytes : now;
    while (!atomic_compare_exchange_weak(&homes[row].bytes_now, &now, now - taken));
    return taken;
}

void vs_stats_placed(struct vs_home home, size_t bytes)
{
    atomic_fetch_add(&homes[row_of(home)].weights, 1);
    add(row_of(home), bytes);
}

void vs_stats_freed(struct vs_home home, size_t bytes)
{
    take(row_of(home), bytes);
}

void vs_stats_moved(struct vs_home from, struct vs_home to, size_t bytes)
{
    add(row_of(to), take(row_of(from), bytes));
}

size_t vs_stats_bytes(struct vs_home home)
{
    return atomic_load(&homes[row_of(home)].bytes_now);
}

void vs_stats_refused(void)
{
    atomic_fetch_add(&refused, 1);
}

void vs_stats_model_opened(void)
{
    atomic_fetch_add(&models_opened, 1);
}

/* The first names are enough to see why a glob did not fit. */
pthread_mutex_t vs_unmatched_lock = PTHREAD_MUTEX_INITIALIZER;
static char unmatched[256];

void vs_stats_model_unmatched(const char *path)
{
    const char *name = vs_base_name(path);
    pthread_mutex_lock(&vs_unmatched_lock);
    size_t used = strlen(unmatched);
    if (!strstr(unmatched, name) && used + strlen(name) + 3 < sizeof unmatched)
        snprintf(unmatched + used, sizeof unmatched - used, "%s%s", used ? ", " : "", name);
    pthread_mutex_unlock(&vs_unmatched_lock);
}

void vs_stats_tell(void)
{
    if (atomic_load(&models_opened) == 0) {
        if (unmatched[0])
            vs_log(VS_LOG_WARN, "end of run",
                "no model was placed: the policy names none of those that were opened (%s)", unmatched);
        else
            vs_log(
                VS_LOG_INFO, "end of run", "no model was placed: no .safetensors or .gguf file was opened for reading");
        return;
    }
    size_t weights = 0;
    for (unsigned row = 0; row <= MAX_DEVICES; row++) {
        size_t here = atomic_load(&homes[row].weights);
        if (here == 0 && atomic_load(&homes[row].bytes_most) == 0)
            continue;
        struct vs_device_id id = {.family = VS_DEVICE_CPU};
        if (row < MAX_DEVICES)
            id = vs_devices_id((int)row);
        vs_log(VS_LOG_INFO, "end of run", "%s held %zu weight%s, %.1f MB at most, %.1f MB at the end",
            vs_device_format(id).text, here, here == 1 ? "" : "s", MEGABYTES(atomic_load(&homes[row].bytes_most)),
            MEGABYTES(atomic_load(&homes[row].bytes_now)));
        weights += here;
    }
    if (weights == 0 && atomic_load(&refused) > 0)
        vs_log(VS_LOG_WARN, "end of run",
            "a model that the policy names was opened, but none of its weights was placed: they were asked for, and "
            "no device that may hold them had memory for them; VRAMSPAN_LOG=debug tells what was tried");
    else if (weights == 0)
        vs_log(VS_LOG_WARN, "end of run",
            "a model that the policy names was opened, but none of its weights was placed: no allocation of a weight's "
            "size came between the opening and the first computation");
}
