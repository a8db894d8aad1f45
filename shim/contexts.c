/* contexts.c: see contexts.h. */
#include "contexts.h"

#include <pthread.h>

#include "locks.h"
#include "log.h"

pthread_mutex_t vs_contexts_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    CUcontext context;
    int device;
} made[VS_CONTEXTS_MAX];
static size_t made_count;
static bool forgot;

void vs_contexts_made(CUcontext context, int device)
{
    bool first = false;
    pthread_mutex_lock(&vs_contexts_lock);
    if (made_count < VS_CONTEXTS_MAX) {
        made[made_count].context = context;
        made[made_count++].device = device;
    } else {
        first = !forgot;
        forgot = true;
    }
    pthread_mutex_unlock(&vs_contexts_lock);
    if (first)
        vs_log(VS_LOG_WARN, "move",
            "the program has made more than %d contexts at once, whose work cannot all be waited for: pages of their "
            "devices stay where they are until the process ends; use devices' primary contexts, or destroy those that "
            "are not used",
            VS_CONTEXTS_MAX);
}

void vs_contexts_destroyed(CUcontext context)
{
    pthread_mutex_lock(&vs_contexts_lock);
    for (size_t i = 0; i < made_count; i++)
        if (made[i].context == context) {
            made[i] = made[--made_count];
            break;
        }
    pthread_mutex_unlock(&vs_contexts_lock);
}

size_t vs_contexts_of(int device, CUcontext list[VS_CONTEXTS_MAX], size_t count, bool *all)
{
    pthread_mutex_lock(&vs_contexts_lock);
    *all = *all && !forgot;
    for (size_t i = 0; i < made_count; i++) {
        if (made[i].device != device)
            continue;
        if (count < VS_CONTEXTS_MAX)
            list[count++] = made[i].context;
        else
            *all = false;
    }
    pthread_mutex_unlock(&vs_contexts_lock);
    return count;
}
