/* proof_support.c: see proof_support.h. */
#include "proof_support.h"

#include <dirent.h>
#include <stdlib.h>

#include "fixture.h"

const char *proof_cache(void)
{
    static char *path;
    if (!path)
        path = scratch_path("cache");
    return path;
}

void use_new_proof_cache(void)
{
    setenv("VRAMSPAN_CACHE", proof_cache(), 1);
}

size_t files_in(const char *folder)
{
    size_t count = 0;
    DIR *listing = opendir(folder);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        count += entry->d_name[0] != '.';
    if (listing)
        closedir(listing);
    return count;
}
