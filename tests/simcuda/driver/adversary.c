/* adversary.c: the adversaries; see adversary.h. */
#include "adversary.h"
#include "api.h"
#include "splitmix64.h"

#include <stdlib.h>
#include <string.h>

/* A mood lasts for so many moments at most; one of HELD_FOR_GOOD held streams stays so until somebody waits for it. */
#define MOOD_MOMENTS  24
#define HELD_FOR_GOOD 3

static enum { EARLY, LATE, RANDOM } order;
static uint64_t random_state;

bool sim_adversary_start(void)
{
    const char *text = getenv("SIMCUDA_ORDER"), *seed = getenv("SIMCUDA_SEED");
    char *end;

    if (text == NULL || strcmp(text, "") == 0 || strcmp(text, "early") == 0) {
        order = EARLY;
    } else if (strcmp(text, "late") == 0) {
        order = LATE;
    } else if (strcmp(text, "random") == 0) {
        order = RANDOM;
    } else {
        sim_say("SIMCUDA_ORDER=%s is not understood: early, late or random is expected", text);
        return false;
    }
    random_state = seed != NULL ? strtoull(seed, &end, 0) : 1;
    if (seed != NULL && (end == seed || *end != '\0')) {
        sim_say("SIMCUDA_SEED=%s is not understood: a whole number is expected", seed);
        return false;
    }
    return true;
}

uint64_t sim_random(uint64_t limit)
{
    return splitmix64(&random_state) % limit;
}

bool sim_adversary_choice(bool early, bool late)
{
    switch (order) {
    case EARLY:
        return early;
    case LATE:
        return late;
    default:
        return sim_random(2) == 0 ? early : late;
    }
}

bool sim_adversary_is_early(void)
{
    return order == EARLY;
}

/* --- early -------------------------------------------------------------------------------------------------------- */

/* Runs all that is ready, in all streams. The list may be another one after each operation. */
static void run_ready(bool host_functions)
{
    CUstream stream = sim_active_streams();

    while (stream != NULL) {
        if (sim_stream_is_ready(stream) && (host_functions || !stream->first->class->runs_unlocked)) {
            sim_execute_first(stream);
            stream = sim_active_streams();
        } else {
            stream = stream->next_active;
        }
    }
}

/* --- random ------------------------------------------------------------------------------------------------------- */

static void change_mood(CUstream stream)
{
    stream->mood = (enum sim_mood)sim_random(SIM_MOOD_COUNT);
    stream->mood_moments = (unsigned)(1 + sim_random(MOOD_MOMENTS));
    if (stream->mood == SIM_HELD && sim_random(HELD_FOR_GOOD) == 0)
        stream->mood_moments = 0;
}

/* Each stream with work is in its mood for one moment more. */
static void pass_moment(void)
{
    for (CUstream stream = sim_active_streams(); stream != NULL; stream = stream->next_active)
        if (stream->mood == SIM_NO_MOOD || (stream->mood_moments > 0 && --stream->mood_moments == 0))
            change_mood(stream);
}

static bool may_go_on(CUstream stream, bool host_functions)
{
    return stream->mood != SIM_HELD && sim_stream_is_ready(stream) &&
           (host_functions || !stream->first->class->runs_unlocked);
}

/* One step of a stream chosen by the seed; an eager one goes on until it waits for something. */
static void random_step(bool host_functions)
{
    size_t ready = 0, chosen;
    CUstream stream;

    for (stream = sim_active_streams(); stream != NULL; stream = stream->next_active)
        ready += may_go_on(stream, host_functions);
    if (ready == 0)
        return;
    chosen = sim_random(ready);
    for (stream = sim_active_streams(); !may_go_on(stream, host_functions) || chosen-- > 0;
         stream = stream->next_active)
        ;
    sim_stream_hold(stream);
    do
        sim_execute_first(stream);
    while (stream->mood == SIM_EAGER && stream->first != NULL && may_go_on(stream, host_functions));
    sim_stream_drop(stream);
}

static void random_moment(unsigned most_steps, bool host_functions)
{
    if (sim_active_streams() == NULL)
        return;
    pass_moment();
    for (uint64_t steps = sim_random(most_steps + 1); steps > 0; steps--)
        random_step(host_functions);
}

/* --- the moments -------------------------------------------------------------------------------------------------- */

void sim_adversary_after_submission(void)
{
    if (order == EARLY)
        run_ready(true);
    else if (order == RANDOM)
        random_moment(2, true);
}

void sim_adversary_between_calls(void)
{
    /* Host functions wait for a call that has to do with streams: the program may hold a lock here that they need. */
    if (sim_active_streams() == NULL)
        return;
    if (order == EARLY)
        run_ready(false);
    else if (order == RANDOM)
        random_moment(1, false);
}

void sim_adversary_during_wait(void)
{
    if (order == RANDOM)
        random_moment(1, true);
}
