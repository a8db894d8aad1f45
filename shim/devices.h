/* devices.h: which devices the program sees, and how devices are numbered.
 *
 * VRAMSPAN_DEVICES and VRAMSPAN_DONORS set the program's devices apart from those that lend; of the three numberings
 * tells policy/language/visible_devices.h. It is done with CUDA_VISIBLE_DEVICES (visible_variable.h), at three moments:
 *
 *     at start       the constructor narrows it to the program's devices, before an interpreter takes its snapshot
 *     at cuInit      it is widened by the donors, behind the program's devices, around the library's own call of the
 *                    real cuInit, and set back at once: the driver shows both, and the program's cuda:0 is its 0.
 *                    Every runtime, and whoever else starts CUDA, comes by our cuInit (look_up.h)
 *     in a child     it is found narrowed; numbers go on referring to the user's own value, which is kept beside it
 *
 * Where no hidden donor is to be reached it stays narrowed, and nothing is hooked.
 *
 * A program that sets the variable itself (ComfyUI's --cuda-device), or sets another one for a child, is followed: it
 * sees what it has named, by number or by UUID, and the donors lend, those of a policy file, too: numbers go on
 * counting by what the process began with. A donor that is to be hidden among what it names is a contradiction, and
 * stops it. From its first CUDA call on the value that it began with is kept for its children; a child that it starts
 * before, with another value, begins with that one.
 *
 * A runtime that finds the driver past us (opened with RTLD_DEEPBIND, in another namespace of the loader, or by reading
 * the driver's symbols itself) starts CUDA with the variable narrowed: the program sees what it should, and the donors
 * are missing, which is said. One that finds it through us counts the program's devices alone, in its own tables, too.
 */
#ifndef VS_DEVICES_H
#define VS_DEVICES_H

#include <cuda.h>
#include <stdbool.h>

#include "../policy/values/device_name.h"

struct vs_settings;

/* From here on these settings hold, which live as long as the process. Nothing is asked or changed yet. */
void vs_devices_follow(const struct vs_settings *settings);
/* In a forked child: no devices are set apart, and no lock is taken any more. */
void vs_devices_forget(void);

/* Settles which devices there are to hide; says what cannot be (vs_give_up). Before CUDA starts: at the first function
 * that the program looks up or calls. Any thread; cheap from the second time on. */
void vs_devices_settle(void);
/* The program's cuInit: starts CUDA, where devices are to be hidden among those that the driver shows. */
void vs_devices_start(void);
/* The first cuInit of the library's own, with the variable widened where that is wanted. Any thread. */
CUresult vs_devices_init(CUresult (*init)(unsigned flags));
/* After it: says, once, where a donor is not shown (vs_give_up). */
void vs_devices_check(CUresult (*get_count)(int *count));

/* The driver shows devices that the program is not to see. Settled by vs_devices_settle, for good. */
bool vs_devices_hiding(void);
/* Whether it does not see this ordinal of the driver's. Lock-free. */
bool vs_devices_hides(int ordinal);
/* How many it sees of those that the driver shows. */
int vs_devices_seen(int driver_count);

/* The number of no device. */
enum { VS_DEVICES_NONE = VS_DEVICE_ORDINAL_MAX };

/* The driver's ordinal of the user's cuda:`number`; VS_DEVICES_NONE where the driver does not show it. */
int vs_devices_ordinal(unsigned number);
/* The user's name for a driver's ordinal, VS_DEVICES_NONE where the user's list does not hold it. */
struct vs_device_id vs_devices_id(int ordinal);
/* The device that the program calls cuda:0, as the user numbers it. */
struct vs_device_id vs_devices_first(void);

#endif
