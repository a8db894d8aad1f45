/* proof_spawn.h: a child process that the program knows nothing of. */
#ifndef VS_PROOF_SPAWN_H
#define VS_PROOF_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct vs_keeper; /* private */

struct vs_spawned {
    struct vs_keeper *keeper;
    int pipe; /* what the child writes */
};

/* Executes argv[0] with just this environment. Of the program's descriptors it has none: `pipe_descriptor` is the
 * pipe's end, `stderr_from` (-1: none) its stderr, and 0 to 2 are /dev/null else. It is in a process group of its own,
 * and is killed when the calling thread ends. The program gets no SIGCHLD for it, and its wait calls do not find it.
 * `argv` and `environment` must stay until vs_spawn_end. Returns 0, or an errno. Any thread. */
int vs_spawn(const char *const *argv, const char *const *environment, int pipe_descriptor, int stderr_from,
    struct vs_spawned *child);

/* What the child writes, as far as it is there: waits until something is, or the child has ended, for so long at most.
 * Returns the count; 0: there will be nothing more; -1: nothing came. Whoever else holds the pipe's writing end (the
 * program may fork at any time) does not keep it waiting. */
ssize_t vs_spawn_read(struct vs_spawned *child, char *bytes, size_t count, double seconds);

/* Waits for the child's end, and closes the pipe. Where it does not end soon, or `kill_it`, it is killed; a killed
 * child that hangs in the kernel is left behind. `how` tells its end: "signal 11 (Segmentation fault)", "status 1".
 * Returns whether that end says nothing about what the child did: it is not known, or came by a signal by which people
 * and systems end processes. */
bool vs_spawn_end(struct vs_spawned *child, bool kill_it, char *how, size_t how_bytes);

#endif
