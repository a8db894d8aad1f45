/* upsample_math.c: see upsample_math.h. */
#include "upsample_math.h"

#include <math.h>

int64_t sim_nearest_source(float scale, int64_t to, int64_t size, bool exact)
{
    const int64_t from = (int64_t)floorf(((float)to + (exact ? 0.5f : 0.0f)) * scale);
    return from < size - 1 ? from : size - 1;
}

static float source_of(float scale, int64_t to, bool align_corners)
{
    return align_corners ? scale * (float)to : scale * ((float)to + 0.5f) - 0.5f;
}

struct sim_taps sim_linear_taps(float scale, int64_t to, int64_t size, bool align_corners)
{
    const float source = source_of(scale, to, align_corners), from = source > 0 ? source : 0;
    const int64_t first = (int64_t)from, next = first < size - 1 ? first + 1 : first;
    const float share = from - (float)first;

    return (struct sim_taps){.count = 2, .from = {first, next}, .weight = {1 - share, share}};
}

/* Keys' convolution with a = -0.75, within one and within two pixels. */
static float near(float x)
{
    return ((-0.75f + 2) * x - (-0.75f + 3)) * x * x + 1;
}

static float far(float x)
{
    return ((-0.75f * x - 5 * -0.75f) * x + 8 * -0.75f) * x - 4 * -0.75f;
}

struct sim_taps sim_cubic_taps(float scale, int64_t to, int64_t size, bool align_corners)
{
    const float source = source_of(scale, to, align_corners), whole = floorf(source), share = source - whole;
    struct sim_taps taps = {.count = 4, .weight = {far(share + 1), near(share), near(1 - share), far(1 - share + 1)}};

    for (int i = 0; i < 4; i++) {
        const int64_t from = (int64_t)whole - 1 + i;
        taps.from[i] = from < 0 ? 0 : from < size ? from : size - 1;
    }
    return taps;
}
