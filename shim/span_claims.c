/* span_claims.c: see span_claims.h. */
#include "span_claims.h"

#include <pthread.h>

#include "address_space.h"
#include "driver.h"
#include "extents.h"
#include "locks.h"
#include "log.h"

pthread_mutex_t vs_arena_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unclaimed = PTHREAD_COND_INITIALIZER;
struct vs_span *vs_span_list;

void vs_span_await_claims(void)
{
    pthread_cond_wait(&unclaimed, &vs_arena_lock);
}

static struct vs_block *free_block_at(struct vs_span *span, size_t offset)
{
    struct vs_block *block = span->blocks;
    while (block->offset + block->extent <= offset)
        block = block->next;
    return block;
}

/* The lock is left meanwhile. Nobody takes anything of a claimed span, but blocks beside this one may be freed, and
 * united with it. False: some of it is being moved. */
static bool settle_block(struct vs_span *span, struct vs_block *block)
{
    size_t begin = (block->offset + VS_PAGE_BYTES - 1) / VS_PAGE_BYTES * VS_PAGE_BYTES;
    size_t end = (block->offset + block->extent) / VS_PAGE_BYTES * VS_PAGE_BYTES;
    bool moving = false;
    block->unsettled = false;
    if (begin >= end)
        return true;
    pthread_mutex_unlock(&vs_arena_lock);
    CUresult result = vs_extents_unbind(span->range, span->address + begin, end - begin, &moving);
    if (result != CUDA_SUCCESS)
        vs_log(VS_LOG_WARN, "arena", "memory cannot be unmapped (%s): its addresses are not used again",
            vs_driver_error(result));
    pthread_mutex_lock(&vs_arena_lock);
    if (result != CUDA_SUCCESS)
        vs_block_lose(free_block_at(span, begin));
    else if (moving)
        free_block_at(span, begin)->unsettled = true;
    return !moving || result != CUDA_SUCCESS;
}

/* Takes a span that holds nothing out of the list, and gives its addresses back. */
static void remove_span(struct vs_span *span)
{
    struct vs_range *range = span->range;
    CUdeviceptr address = span->address;
    size_t bytes = span->bytes;
    struct vs_span **link = &vs_span_list;
    while (*link != span)
        link = &(*link)->next;
    *link = span->next;
    vs_span_free(span);
    pthread_mutex_unlock(&vs_arena_lock);
    vs_addresses_return(range, address, bytes);
    pthread_mutex_lock(&vs_arena_lock);
}

void vs_span_unclaim(struct vs_span *span)
{
    struct vs_block *block;
    while ((block = vs_span_unsettled(span))) {
        if (settle_block(span, block) || !vs_extents_are_moving())
            continue; /* in the second case, the move has ended since: once more */
        span->left = true;
        return;
    }
    span->claimed = false;
    if (vs_span_is_empty(span))
        remove_span(span);
    pthread_cond_broadcast(&unclaimed);
}

void vs_span_settle_left(void)
{
    pthread_mutex_lock(&vs_arena_lock);
    for (struct vs_span *span = vs_span_list; span;) {
        if (!span->left) {
            span = span->next;
            continue;
        }
        span->left = false;
        vs_span_unclaim(span);
        span = vs_extents_are_moving() ? NULL : vs_span_list; /* the next move's end sees to the rest */
    }
    pthread_mutex_unlock(&vs_arena_lock);
}
