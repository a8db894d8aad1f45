/* deep_bind.h: libraries that the program opens with RTLD_DEEPBIND.
 *
 * Their references look into themselves and what they depend on first, so that their calls of CUDA, dlsym and dlopen go
 * past a preloaded library. Nothing can be done about that from here but to say it.
 */
#ifndef VS_DEEP_BIND_H
#define VS_DEEP_BIND_H

/* From loader.S, before the library is opened. Keeps errno; allocates as dlopen does. Any thread. */
void vs_deep_bound(const char *path, int flags) __attribute__((visibility("hidden")));

/* Says of each, once, that it goes past us. While no lock is held: enters the loader. */
void vs_deep_bind_tell(void);

#endif
