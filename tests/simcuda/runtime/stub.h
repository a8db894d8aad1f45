/* stub.h: a runtime function that is not simulated. The list is generated (generate_stubs.sh). */
#ifndef SIMCUDA_RUNTIME_STUB_H
#define SIMCUDA_RUNTIME_STUB_H

/* Says once on standard error that `name` was called; makes cudaErrorNotSupported the thread's last error and returns
 * it. */
int rt_stub_called(const char *name, int *told);

#define RT_STUB(name)                                                                                                  \
    int name(void);                                                                                                    \
    int name(void)                                                                                                     \
    {                                                                                                                  \
        static int told;                                                                                               \
        return rt_stub_called(#name, &told);                                                                           \
    }

#endif
