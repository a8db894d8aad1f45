/* nvml_system.c: nvmlInit and its end, errors and versions. Nothing here loads or initialises CUDA. */
#include "nvml_state.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vs_machine nvml_machine;
struct nvmlDevice_st nvml_devices[VS_MACHINE_DEVICES_MAX];

static atomic_uint users; /* successful nvmlInit without nvmlShutdown */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool read_machine(void)
{
    char error[1024];

    if (!sim_machine_load(&nvml_machine, getenv("SIMCUDA_MACHINE"), error, sizeof error)) {
        fprintf(stderr, "simcuda: NVML: %s\n", error);
        return false;
    }
    sim_machine_sort_by_pci(&nvml_machine);
    for (int i = 0; i < nvml_machine.device_count; i++)
        nvml_devices[i] = (struct nvmlDevice_st){.index = (unsigned)i, .description = &nvml_machine.devices[i]};
    return true;
}

nvmlReturn_t nvmlInit_v2(void)
{
    nvmlReturn_t result = NVML_SUCCESS;

    pthread_mutex_lock(&lock);
    if (users == 0 && !read_machine())
        result = NVML_ERROR_DRIVER_NOT_LOADED;
    else
        users++;
    pthread_mutex_unlock(&lock);
    return result;
}

nvmlReturn_t nvmlInit(void)
{
    return nvmlInit_v2();
}

/* The flags choose what to do about machines whose devices are missing: there are none. */
nvmlReturn_t nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    return nvmlInit_v2();
}

nvmlReturn_t nvmlShutdown(void)
{
    nvmlReturn_t result = NVML_SUCCESS;

    pthread_mutex_lock(&lock);
    if (users == 0)
        result = NVML_ERROR_UNINITIALIZED;
    else
        users--;
    pthread_mutex_unlock(&lock);
    return result;
}

nvmlReturn_t nvml_check(void)
{
    return users > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

nvmlReturn_t nvml_check_device(nvmlDevice_t device, const void *answer)
{
    nvmlReturn_t result = nvml_check();

    if (result != NVML_SUCCESS)
        return result;
    for (int i = 0; i < nvml_machine.device_count; i++)
        if (device == &nvml_devices[i])
            return answer != NULL ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
    return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvml_answer_text(const char *answer, char *text, unsigned bytes)
{
    if (text == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(answer) >= bytes)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(text, answer);
    return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    static const struct {
        nvmlReturn_t result;
        const char *text;
    } texts[] = {
        {NVML_SUCCESS, "Success"},
        {NVML_ERROR_UNINITIALIZED, "Uninitialized"},
        {NVML_ERROR_INVALID_ARGUMENT, "Invalid Argument"},
        {NVML_ERROR_NOT_SUPPORTED, "Not Supported"},
        {NVML_ERROR_NOT_FOUND, "Not Found"},
        {NVML_ERROR_INSUFFICIENT_SIZE, "Insufficient Size"},
        {NVML_ERROR_DRIVER_NOT_LOADED, "Driver Not Loaded"},
        {NVML_ERROR_FUNCTION_NOT_FOUND, "Function Not Found"},
        {NVML_ERROR_ARGUMENT_VERSION_MISMATCH, "Argument version mismatch"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].result == result)
            return texts[i].text;
    return "Unknown Error";
}

/* The oldest Linux driver with that version of CUDA (CUDA Toolkit Release Notes, "CUDA Toolkit and Corresponding Driver
 * Versions"). */
static const char *driver_version(void)
{
    static const struct {
        int cuda;
        const char *driver;
    } drivers[] = {
        {13000, "580.65.06"},
        {12080, "570.26"},
        {12040, "550.54.14"},
        {12000, "525.60.13"},
    };
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (sim_driver_version() >= drivers[i].cuda)
            return drivers[i].driver;
    return "450.80.02"; /* of CUDA 11 */
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *text, unsigned bytes)
{
    nvmlReturn_t result = nvml_check();
    return result != NVML_SUCCESS ? result : nvml_answer_text(driver_version(), text, bytes);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *text, unsigned bytes)
{
    char version[32];

    snprintf(version, sizeof version, "%d.%s", sim_driver_version() / 1000, driver_version());
    return nvml_answer_text(version, text, bytes);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    if (version == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *version = sim_driver_version();
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    return nvmlSystemGetCudaDriverVersion(version);
}
