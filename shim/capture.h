/* capture.h: whether the program is capturing a graph on any stream. While it is, the library takes the plain path: it
 * places nothing, waits for nothing, and keeps what is freed until the capture is over. */
#ifndef VS_CAPTURE_H
#define VS_CAPTURE_H

#include <stdbool.h>

/* Lock-free. */
bool vs_capture_open(void);

/* Around the program's own calls. A capture begins when no thread is in between the next two functions, or has been for
 * longer than it takes to begin its wait: what that waits for may itself wait for this thread. */
void vs_capture_begun(void);
void vs_capture_ended(void);

/* Waiting for a whole device spoils every capture of it (cudaErrorStreamCaptureUnsupported), also one that another
 * thread begins meanwhile. False where one is open: nothing may be waited for. Else captures wait a while
 * for vs_capture_released. Any thread; must not be called between the two. */
bool vs_capture_held_off(void);
void vs_capture_released(void);

#endif
