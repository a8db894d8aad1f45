/* objects.h: which handles are live.
 *
 * A program may pass a handle that was destroyed; the real driver answers with an error or crashes. Here every object
 * that is handed out is in this table, so that a stale handle is an error each time. */
#ifndef SIM_OBJECTS_H
#define SIM_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>

enum sim_object_type {
    SIM_OBJECT_CONTEXT = 1,
    SIM_OBJECT_STREAM,
    SIM_OBJECT_EVENT,
    SIM_OBJECT_POOL,
    SIM_OBJECT_HANDLE,
    SIM_OBJECT_MODULE,
    SIM_OBJECT_LIBRARY,
    SIM_OBJECT_FUNCTION,
    SIM_OBJECT_KERNEL,
    SIM_OBJECT_GRAPH,
    SIM_OBJECT_GRAPH_EXEC,
    SIM_OBJECT_USER_OBJECT,
    SIM_OBJECT_LOG_CALLBACK
};

/* False without memory. */
bool sim_object_add(const void *object, enum sim_object_type type);
void sim_object_remove(const void *object);
bool sim_object_is(const void *object, enum sim_object_type type);
size_t sim_object_count(enum sim_object_type type);

#endif
