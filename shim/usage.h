/* usage.h: what is in use on the devices, as the management library tells, beside what we know of. */
#ifndef VS_USAGE_H
#define VS_USAGE_H

/* Says it once, a line for each device that something of ours lies on, or that memory is allocated below the runtime
 * on. Loads the management library: while no lock is held. Any thread. */
void vs_usage_tell(void);

/* At the end of the run: what was allocated below the runtime. Only numbers are read. */
void vs_usage_tell_end(void);

#endif
