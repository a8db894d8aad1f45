/* cpu.c: the helper of cpu.h. */
#include "cpu.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf fault_exit;

static void on_fault(int signal_number)
{
    (void)signal_number;
    siglongjmp(fault_exit, 1);
}

bool cpu_can_read(CUdeviceptr address)
{
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    if (sigsetjmp(fault_exit, 1))
        return false;
    (void)*(volatile char *)address;
    return true;
}
