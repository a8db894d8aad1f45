/* host_memory.h: how much of its memory the host can lend.
 *
 * What is lent is pinned: the kernel cannot take it back, and where memory runs out it ends a process. So the library
 * asks before each piece that it takes, and keeps `host-reserve` for the program itself and for what else runs there.
 * What there is, is the smaller of what the machine has available (/proc/meminfo) and of what each control group that
 * the process is in may still use: its own, and all that this one lies in.
 *
 * All files are found below VRAMSPAN_PROC_ROOT where that is set (`%p` in it is the process's number): a simulated
 * machine has files of its own. Any thread; allocates nothing, takes no lock, and opens no more than some files, which
 * takes some ten microseconds.
 */
#ifndef VS_HOST_MEMORY_H
#define VS_HOST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VS_HOST_FILE_BYTES = 256 };

/* VS_HOST_BYTES_UNKNOWN (policy/machine/host_memory_text.h) where no file tells. */
struct vs_host_memory {
    uint64_t capacity_bytes;             /* the machine's memory, or the tightest limit of a control group */
    uint64_t left_bytes;                 /* that can be had now; the reserve is not taken off */
    char limited_by[VS_HOST_FILE_BYTES]; /* the file that says so, cut in front where it is long; "" where none does */
};

void vs_host_memory_look(struct vs_host_memory *memory);

/* Where a file of the host's is, below that root. False where there is no room for the path. Any thread. */
bool vs_host_file_path(const char *inside, char *path, size_t bytes);

/* From here on so much is kept (`host-reserve`): called once, when the policy is read. */
void vs_host_memory_keep(uint64_t reserve_bytes);

/* Whether `bytes` more can be lent now. True where nothing tells how much there is. */
bool vs_host_memory_has_room(size_t bytes);

/* Host memory that the driver makes for us counts in what the machine has left, but not always in what a control group
 * has used: that is up to the driver's part in the kernel, and the first pieces tell. Where it does not, what is lent
 * counts on top, so that a group's limit holds all the same. Around the making of a piece: the first function's answer
 * is given to the second. Afterwards they cost nothing. */
uint64_t vs_host_memory_before_lending(void);
void vs_host_memory_lent(size_t bytes, uint64_t before_bytes);
void vs_host_memory_returned(size_t bytes);

/* Says once, where there is no room for `bytes`, what is full and what helps; holds no lock meanwhile. */
void vs_host_memory_tell_full(size_t bytes);

#endif
