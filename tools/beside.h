/*
 * What lies beside the command: in a build folder all of it in one folder, after `make install` in bin, lib and
 * libexec/vramspan of one prefix, wherever that is.
 */
#ifndef VRAMSPAN_TOOLS_BESIDE_H
#define VRAMSPAN_TOOLS_BESIDE_H

#include <stddef.h>

#define VS_LIBRARY_NAME "libvramspan.so"

/* The first of some paths that is there, with the rights of `mode` (as access(2) has it): each begins in the command's
 * own folder, or with `../` in the one above it. NULL: none is, or memory is lacking. To be freed. */
char *vs_beside_first(const char *const *paths, size_t count, int mode);

/* The library to preload: what VRAMSPAN_LIBRARY names, else the one beside the command, by its absolute path, without
 * following links. NULL where it is not there or cannot be preloaded; that has been told as `vramspan COMMAND`'s
 * complaint then. To be freed. */
char *vs_beside_library(const char *command);

/* The program vramspan-sim, and the folder of the simulated libraries. Both are to be freed. Returns 0, or -1 where one
 * of them is missing, which has been told. */
int vs_beside_simulator(const char *command, char **program, char **libraries);

/* `path`, from the root on, into *absolute, to be freed. Links are not followed. Returns 0, or an errno with NULL
 * there: ENOMEM, or what getcwd(3) says of a working folder that is gone or out of reach. */
int vs_absolute_path(const char *path, char **absolute);
/* Says why there is no absolute path. */
void vs_complain_relative(const char *command, const char *path, int error);

#endif
