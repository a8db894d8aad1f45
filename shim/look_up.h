/* look_up.h: what the program is answered when it looks up functions of the driver.
 *
 * Nearly all do: the runtime asks dlsym for cuGetProcAddress_v2, once, and that for its 440 functions; cuBLAS and cuDNN
 * hold runtimes of their own that do the same; PyTorch asks the runtime, ctypes and Triton dlsym, comfy-aimdo
 * cuGetProcAddress. Whoever asks for a function of hooks.def is given our entry point, so that each way to the driver
 * passes it, under whatever runtime. All else is answered as without us.
 *
 * By dlsym, only the very function of libcuda.so.1 is exchanged for ours, whichever library it was found through, not
 * another one of its name.
 *
 * One way to the driver goes past us, silently: dlsym(RTLD_NEXT, "cu...") by a library that lies before the driver and
 * behind us in the order of loading, as other libraries that are preloaded do. Whose "next" that is only the loader can
 * tell, by the return address, so that such look-ups are passed on. neighbours.h names those among them that take over
 * symbols of ours. (dlsym(RTLD_DEFAULT, ...) finds our entry point by itself: we come first.)
 *
 * For cuGetProcAddress a name stands for several binary interfaces, by version, and for twins, by flag. Not the name is
 * exchanged but the pointer: the one that the driver itself gives for an interface of ours, at the version that
 * introduced it. So no caller gets an interface that it did not ask for.
 *
 * Where the library does not act, the answer is the driver's own function, with nothing of ours on the way.
 *
 * Libraries that patch functions in place (comfy-aimdo, by funchook) write a jump over the first instructions of the
 * allocating and freeing ones that they look up, so as to count what is allocated on the device. They must find the
 * driver's own there: at our entry points they would count weights that then lie elsewhere, and overwrite the code
 * behind these short entries. Such a library is known not by its name or version but by what it carries: the function
 * that installs the patches is exported (marks in look_up.c). Of what else it looks up it is given ours like all
 * others.
 */
#ifndef VS_LOOK_UP_H
#define VS_LOOK_UP_H

#include <stdbool.h>

/* dlsym, past our own (loader.S). Any thread, also before any constructor. */
void *vs_real_dlsym(void *library, const char *name) __attribute__((visibility("hidden")));

/* From the constructor on, a program for which nothing is configured passes dlsym by. */
void vs_look_up_start(void);

/* The answer to a look-up of `name` at the driver by code at `caller`, which was given `function`. `per_thread`: the
 * twin for per-thread default streams was asked for. */
void *vs_look_up_answer(const char *name, bool per_thread, void *function, const void *caller);

/* Whether the library of that path is one of those that patch in place and are met as told above. Enters the loader. */
bool vs_look_up_is_known_patcher(const char *path);

#endif
