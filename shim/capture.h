/* capture.h: whether the program is capturing a graph on any stream. While it is, the library takes the plain path: it
 * places nothing, waits for nothing, and keeps what is freed until the capture is over. */
#ifndef VS_CAPTURE_H
#define VS_CAPTURE_H

#include <stdbool.h>

/* Lock-free, all three. */
bool vs_capture_open(void);
void vs_capture_begun(void);
void vs_capture_ended(void);

#endif
