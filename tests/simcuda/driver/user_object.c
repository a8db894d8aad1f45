/* user_object.c: see user_object.h. */
#include "user_object.h"
#include "api.h"
#include "graph.h"
#include "objects.h"
#include "rules.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

struct CUuserObject_st {
    void *pointer;
    CUhostFn destroy;
    uint64_t references;
    CUuserObject next_dead;
};

struct sim_held {
    CUuserObject object;
    unsigned count;
    struct sim_held *next;
};

struct held_op {
    struct sim_op op;
    struct sim_held *held;
};

/* Objects without references, whose destructors are due. Changed with the lock; looked at without. */
static _Atomic(CUuserObject) dead;

static void unreference(CUuserObject object, unsigned count)
{
    object->references -= count;
    if (object->references > 0)
        return;
    sim_object_remove(object);
    object->next_dead = dead;
    dead = object;
}

void sim_user_objects_bury(void)
{
    bool in_host_function = sim_thread.in_host_function;
    CUuserObject object;

    if (atomic_load_explicit(&dead, memory_order_relaxed) == NULL)
        return;
    sim_lock();
    object = dead;
    dead = NULL;
    sim_unlock();
    while (object != NULL) {
        CUuserObject next = object->next_dead;
        sim_thread.in_host_function = true;
        object->destroy(object->pointer);
        sim_thread.in_host_function = in_host_function;
        free(object);
        object = next;
    }
}

static bool hold(struct sim_held **held, CUuserObject object, unsigned count)
{
    struct sim_held *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return false;
    *entry = (struct sim_held){.object = object, .count = count, .next = *held};
    *held = entry;
    return true;
}

bool sim_held_copy(const struct sim_held *held, struct sim_held **copy)
{
    *copy = NULL;
    for (; held != NULL; held = held->next) {
        if (!hold(copy, held->object, held->count)) {
            sim_held_release(*copy);
            *copy = NULL;
            return false;
        }
        held->object->references += held->count;
    }
    return true;
}

void sim_held_release(struct sim_held *held)
{
    while (held != NULL) {
        struct sim_held *next = held->next;
        unreference(held->object, held->count);
        free(held);
        held = next;
    }
}

static void execute_nothing(struct sim_op *op)
{
    (void)op;
}

static struct sim_op *clone_held(const struct sim_op *op)
{
    return sim_held_op(((const struct held_op *)op)->held);
}

static void destroy_held(struct sim_op *op)
{
    sim_held_release(((struct held_op *)op)->held);
}

static const struct sim_op_class held_class = {.name = "user objects",
    .execute = execute_nothing,
    .clone = clone_held,
    .destroy = destroy_held,
    .runs_after_error = true};

struct sim_op *sim_held_op(const struct sim_held *held)
{
    struct held_op *op = sim_op_new(&held_class, sizeof *op);
    if (op == NULL)
        return NULL;
    if (!sim_held_copy(held, &op->held)) {
        sim_op_destroy(&op->op);
        return NULL;
    }
    return &op->op;
}

/* --- Calls -------------------------------------------------------------------------------------------------------- */

static bool is_count(unsigned count)
{
    return count > 0 && count <= INT_MAX; /* cuda.h, cuUserObjectCreate */
}

CUresult sim_cuUserObjectCreate(
    CUuserObject *object, void *pointer, CUhostFn destroy, unsigned references, unsigned flags)
{
    if (object == NULL || destroy == NULL ||
        ((!is_count(references) || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) && SIM_RULE(user_object_flags)))
        return CUDA_ERROR_INVALID_VALUE;
    *object = calloc(1, sizeof **object);
    if (*object == NULL || !sim_object_add(*object, SIM_OBJECT_USER_OBJECT)) {
        free(*object);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    **object = (struct CUuserObject_st){.pointer = pointer, .destroy = destroy, .references = references};
    return CUDA_SUCCESS;
}

CUresult sim_cuUserObjectRetain(CUuserObject object, unsigned count)
{
    if (!sim_object_is(object, SIM_OBJECT_USER_OBJECT) || !is_count(count))
        return CUDA_ERROR_INVALID_VALUE;
    object->references += count;
    return CUDA_SUCCESS;
}

CUresult sim_cuUserObjectRelease(CUuserObject object, unsigned count)
{
    if (!sim_object_is(object, SIM_OBJECT_USER_OBJECT) || !is_count(count) || count > object->references)
        return CUDA_ERROR_INVALID_VALUE;
    unreference(object, count);
    return CUDA_SUCCESS;
}

CUresult sim_cuGraphRetainUserObject(CUgraph graph, CUuserObject object, unsigned count, unsigned flags)
{
    if (!sim_object_is(graph, SIM_OBJECT_GRAPH) || !sim_object_is(object, SIM_OBJECT_USER_OBJECT) || !is_count(count) ||
        (flags & ~(unsigned)CU_GRAPH_USER_OBJECT_MOVE) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (!hold(&graph->held, object, count))
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (!(flags & CU_GRAPH_USER_OBJECT_MOVE))
        object->references += count;
    return CUDA_SUCCESS;
}

CUresult sim_cuGraphReleaseUserObject(CUgraph graph, CUuserObject object, unsigned count)
{
    uint64_t held = 0;

    if (!sim_object_is(graph, SIM_OBJECT_GRAPH) || !sim_object_is(object, SIM_OBJECT_USER_OBJECT) || !is_count(count))
        return CUDA_ERROR_INVALID_VALUE;
    for (const struct sim_held *entry = graph->held; entry != NULL; entry = entry->next)
        held += entry->object == object ? entry->count : 0;
    if (held < count)
        return CUDA_ERROR_INVALID_VALUE;
    for (struct sim_held **link = &graph->held; count > 0;) {
        struct sim_held *entry = *link;
        unsigned part = entry->object != object ? 0 : entry->count < count ? entry->count : count;
        entry->count -= part;
        count -= part;
        if (part > 0)
            unreference(object, part);
        if (entry->count == 0) {
            *link = entry->next;
            free(entry);
        } else {
            link = &entry->next;
        }
    }
    return CUDA_SUCCESS;
}
