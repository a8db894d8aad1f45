/*
 * A program before it is started: where it is, and whether the dynamic loader will preload a library into it.
 */
#ifndef VRAMSPAN_TOOLS_PROGRAM_H
#define VRAMSPAN_TOOLS_PROGRAM_H

#include <stdbool.h>

/* Finds a program as execvp(3) does. Returns 0 and its path, to be freed; else ENOENT, EACCES or ENOMEM. */
int vs_program_find(const char *name, char **path);

enum vs_preload {
    VS_PRELOAD_WORKS,   /* or nothing is known that keeps it from working */
    VS_PRELOAD_SECURE,  /* setuid, setgid or with file capabilities: the loader ignores it and takes it away (ld.so(8))
                         */
    VS_PRELOAD_STATIC,  /* no dynamic loader */
    VS_PRELOAD_FOREIGN, /* of another machine or word size: the loader there cannot load ours */
};

/* What becomes of LD_PRELOAD in the program of this path, or, for a script, in its interpreter (one level). */
enum vs_preload vs_program_preload(const char *path);

/* Whether the file is an ELF file of the machine and word size that this program has itself. */
bool vs_program_is_of_this_machine(const char *path);

#endif
