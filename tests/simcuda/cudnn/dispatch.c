/* dispatch.c: libcudnn.so.9 holds no function of its own. Like the real one it looks each function up, under its own
 * name, in a sub-library: whoever interposes dlsym sees these look-ups, and must not answer them with libcudnn.so.9's
 * function, which would call itself for ever.
 *
 * The look-up is made at every call here; whether the real one remembers it is not known. */
#include "dispatch.h"
#include "cudnn_types.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static struct {
    const char *soname;
    void *handle;
} sublibraries[] = {
    [SUBLIBRARY_NUMBER_graph] = {"libcudnn_graph.so.9", NULL},
    [SUBLIBRARY_NUMBER_ops] = {"libcudnn_ops.so.9", NULL},
    [SUBLIBRARY_NUMBER_cnn] = {"libcudnn_cnn.so.9", NULL},
    [SUBLIBRARY_NUMBER_adv] = {"libcudnn_adv.so.9", NULL},
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static cudnnStatus_t loading_failed(void)
{
    return CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED;
}

/* Called by dispatch_entries.S: the function of that name in the sub-library. */
__attribute__((visibility("hidden"))) void *dnn_dispatch(unsigned sublibrary, const char *name);
void *dnn_dispatch(unsigned sublibrary, const char *name)
{
    void *handle, *function;

    pthread_mutex_lock(&lock);
    if (sublibraries[sublibrary].handle == NULL)
        sublibraries[sublibrary].handle = dlopen(sublibraries[sublibrary].soname, RTLD_NOW | RTLD_LOCAL);
    handle = sublibraries[sublibrary].handle;
    pthread_mutex_unlock(&lock);
    function = handle != NULL ? dlsym(handle, name) : NULL;
    if (function != NULL)
        return function;
    fprintf(stderr, "simcuda: libcudnn.so.9: %s was not found: %s\n", name, dlerror());
    return (void *)loading_failed;
}
