/* fresh.c: zeros or poison; see fresh.h. Poison comes from one file of a page, mapped over and over, copy on write. */
#include "fresh.h"
#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POISON        0xFF
#define WRITTEN_WHOLE (1024 * SIM_MIB)
#define SPREAD_PAGES  ((size_t)32768)
#define SPREAD_BYTES  ((size_t)4096)

static int poison_fd = -1; /* -1: zeros */

bool sim_fresh_start(void)
{
    const char *text = getenv("SIMCUDA_FRESH");
    char *page;

    if (text == NULL || text[0] == '\0' || strcmp(text, "zero") == 0)
        return true;
    if (strcmp(text, "poison") != 0) {
        sim_say("SIMCUDA_FRESH=%s is not understood: zero or poison is expected", text);
        return false;
    }
    poison_fd = memfd_create("simcuda-poison", MFD_CLOEXEC);
    if (poison_fd < 0 || ftruncate(poison_fd, (off_t)SIM_PAGE_BYTES) != 0)
        goto fail;
    page = mmap(NULL, SIM_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, poison_fd, 0);
    if (page == MAP_FAILED)
        goto fail;
    memset(page, POISON, SIM_PAGE_BYTES);
    munmap(page, SIM_PAGE_BYTES);
    return true;
fail:
    sim_say("poison for fresh memory cannot be made: %m");
    return false;
}

int sim_fresh_byte(void)
{
    return poison_fd < 0 ? 0 : POISON;
}

bool sim_fresh_map(char *start, size_t bytes)
{
    if (poison_fd < 0)
        return true;
    for (size_t done = 0; done < bytes; done += SIM_PAGE_BYTES)
        if (mmap(start + done, SIM_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                poison_fd, 0) == MAP_FAILED)
            return false;
    (void)madvise(start, bytes, MADV_DONTFORK);
    (void)madvise(start, bytes, MADV_DONTDUMP);
    return true;
}

void sim_fresh_write(char *start, size_t bytes)
{
    size_t step;

    if (poison_fd < 0)
        return;
    if (bytes <= WRITTEN_WHOLE) {
        memset(start, POISON, bytes);
        return;
    }
    step = bytes / SPREAD_PAGES / SPREAD_BYTES * SPREAD_BYTES;
    for (size_t at = 0; at < bytes; at += step)
        memset(start + at, POISON, SPREAD_BYTES);
    memset(start + bytes - SPREAD_BYTES, POISON, SPREAD_BYTES);
}
