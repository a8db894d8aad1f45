/*
 * What a program finds in its environment: the library and what is in force, or no trace of either.
 */
#ifndef VRAMSPAN_TOOLS_HAND_DOWN_H
#define VRAMSPAN_TOOLS_HAND_DOWN_H

#include "../policy/language/settings.h"
#include "environment.h"

/*
 * Puts `library` into LD_PRELOAD, in front of what is there, and what was said into the variables that it reads; those
 * that are out of force are taken away. `log` is a level, or NULL. Returns 0, or -1 where the policy's path cannot be
 * told from the root on, which has been told as `vramspan COMMAND`'s complaint.
 */
int vs_hand_down(const char *command, const struct vs_said *said, const char *log, const char *library,
    struct vs_environment *environment);

/*
 * Takes the library out of LD_PRELOAD, by whatever path it is there, and VRAMSPAN_* away, and gives
 * CUDA_VISIBLE_DEVICES back as the user had it: also where a parent or the user has put them there.
 */
void vs_hand_down_nothing(struct vs_environment *environment);

#endif
