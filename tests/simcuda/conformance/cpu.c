/* cpu.c: the helpers of cpu.h. */
#include "cpu.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf fault_exit;

static void on_fault(int signal_number)
{
    (void)signal_number;
    siglongjmp(fault_exit, 1);
}

static void catch_faults(void)
{
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

bool cpu_can_read(CUdeviceptr address)
{
    catch_faults();
    if (sigsetjmp(fault_exit, 1))
        return false;
    (void)*(volatile char *)address;
    return true;
}

bool cpu_can_write(CUdeviceptr address)
{
    catch_faults();
    if (sigsetjmp(fault_exit, 1))
        return false;
    *(volatile char *)address = *(volatile char *)address;
    return true;
}
