/* neighbours.h: other libraries in the process that stand between the program and CUDA, as we do.
 *
 * They come in three ways: some write a jump over the first instructions of the driver's functions (comfy-aimdo, by
 * funchook), some define the same symbols (other preloaded libraries), and some libraries are opened so that they go
 * past everybody (deep_bind.h). None is stopped. But where weights do not lie as planned, one wants to know of them:
 * each is named once, with what can be done.
 */
#ifndef VS_NEIGHBOURS_H
#define VS_NEIGHBOURS_H

/* Looks for them, and says what was not said yet. While no lock is held: enters the loader. Any thread. */
void vs_neighbours_tell(void);

#endif
