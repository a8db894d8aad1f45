/* nvml_bus_test.c: the link to each device, and the window through which others see its memory. */
#include "nvml_machine.h"

static nvmlBAR1Memory_t window_of(unsigned index)
{
    nvmlBAR1Memory_t memory = {1, 1, 1};
    SUCCEEDS(nvmlDeviceGetBAR1MemoryInfo(device_at(index), &memory));
    return memory;
}

Test(nvml_bus, a_window_holds_the_memory_where_the_machine_does_not_say_less)
{
    nvmlBAR1Memory_t memory;

    setenv("SIMCUDA_MACHINE", "8gb+24gb", 1);
    SUCCEEDS(nvmlInit_v2());
    memory = window_of(0);
    cr_assert(memory.bar1Total == 8 * GIB && memory.bar1Free == 8 * GIB && memory.bar1Used == 0);
    cr_assert_eq(window_of(1).bar1Total, 32 * GIB, "windows are powers of two");
}

Test(nvml_bus, a_small_window_is_recognised)
{
    setenv("SIMCUDA_MACHINE", "2x24gb-small-bar1", 1);
    SUCCEEDS(nvmlInit_v2());
    cr_assert_eq(window_of(0).bar1Total, GIB / 4);
    cr_assert_eq(window_of(1).bar1Total, GIB / 4);
}

typedef nvmlReturn_t link_function(nvmlDevice_t device, unsigned *answer);

Test(nvml_bus, a_link_is_that_of_the_devices_generation, .init = start_nvml, .fini = remove_machine)
{
    static link_function *const generations[] = {
        nvmlDeviceGetCurrPcieLinkGeneration, nvmlDeviceGetMaxPcieLinkGeneration, nvmlDeviceGetGpuMaxPcieLinkGeneration};
    static link_function *const widths[] = {nvmlDeviceGetCurrPcieLinkWidth, nvmlDeviceGetMaxPcieLinkWidth};
    static const unsigned expected[] = {4, 3, 4}; /* of compute capability 8.6, 7.5, 8.9 */
    unsigned value;

    for (unsigned device = 0; device < 3; device++) {
        for (size_t i = 0; i < 3; i++) {
            value = 0;
            SUCCEEDS(generations[i](device_at(device), &value));
            cr_assert_eq(value, expected[device]);
        }
        for (size_t i = 0; i < 2; i++) {
            value = 0;
            SUCCEEDS(widths[i](device_at(device), &value));
            cr_assert_eq(value, 16);
        }
    }
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetMaxPcieLinkWidth(device_at(0), NULL));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetMaxPcieLinkWidth(NULL, &value));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetBAR1MemoryInfo(device_at(0), NULL));
}

Test(nvml_bus, nothing_is_told_before_the_start)
{
    nvmlBAR1Memory_t memory;
    ANSWERS(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetBAR1MemoryInfo(NULL, &memory));
}
