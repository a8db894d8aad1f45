/* host_thread.h: the driver's own thread, on which host functions of the program run, one at a time. */
#ifndef SIM_HOST_THREAD_H
#define SIM_HOST_THREAD_H

#include "schedule.h"

/* Calls the first operation of the stream, which is busy from now on, on that thread, and waits until it is done, so
 * that runs replay. A function that takes longer, or waits for something that the caller of this will do, goes on alone
 * after a while. The lock is given up meanwhile. A caller that takes turns (turns.h) calls it itself: its turn orders
 * it. */
void sim_host_thread_call(CUstream stream);

#endif
