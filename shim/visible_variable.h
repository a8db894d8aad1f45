/* visible_variable.h: CUDA_VISIBLE_DEVICES of this process, which three write: the user, the program, and the library.
 *
 * The user's own value is what the process began with, or what a parent has kept for it (visible_devices.h); numbers in
 * policies refer to that. Nothing is noted, and nothing changed, in a process for which nothing is configured.
 */
#ifndef VS_VISIBLE_VARIABLE_H
#define VS_VISIBLE_VARIABLE_H

#include <cuda.h>
#include <stdbool.h>

/* Notes the user's value, and narrows the variable to the program's devices where those are said (VRAMSPAN_DEVICES,
 * VRAMSPAN_DONORS). The constructor's; others may come before it. Once. */
void vs_variable_start(void);

/* The user's own value, NULL where it was not set. Valid until the environment changes. */
const char *vs_variable_of_user(void);
/* Whether that is another one than the process began with: the library, or a program, has set the variable. */
bool vs_variable_is_kept(void);
/* Whether the value that is there is neither the user's nor the library's. */
bool vs_variable_is_programs(void);
/* Keeps the user's value for children, which find the program's. */
void vs_variable_keep(void);

/* cuInit with the variable widened to `value`, which is set back at once. Once. */
CUresult vs_variable_widen(const char *value, CUresult (*init)(unsigned flags));
/* In a forked child, whose parent may have it widened: sets it back. Takes no lock, libc's neither. */
void vs_variable_restore(void);

#endif
