/* describe_machine.c: tells what a simulated machine is, in one line; for vramspan-sim.
 *
 *     describe-machine [MACHINE...]
 *
 * MACHINE is what SIMCUDA_MACHINE may hold: a short form, the name of a shipped file, or a path. Without one: the
 * default. The reader of descriptions is the simulated driver's own, so that a machine that is described here can also
 * be started, and a bad one is refused with the same sentence. */
#include "driver/machine.h"

#include <stdio.h>
#include <string.h>

static void print_size(size_t bytes)
{
    if (bytes >= (size_t)1 << 30)
        printf("%.4g GiB", (double)bytes / 0x1p30);
    else
        printf("%.4g MiB", (double)bytes / 0x1p20);
}

static bool same_kind(const struct vs_machine_device *a, const struct vs_machine_device *b)
{
    return strcmp(a->name, b->name) == 0 && a->memory_bytes == b->memory_bytes && a->major == b->major &&
           a->minor == b->minor && a->vmm == b->vmm && a->host_vmm == b->host_vmm;
}

/* "2 x Simulated GPU 24 GB (24 GiB, capability 8.6)": like devices that follow each other stand together. */
static void print_devices(const struct vs_machine *machine)
{
    for (int first = 0, next; first < machine->device_count; first = next) {
        const struct vs_machine_device *device = &machine->devices[first];
        for (next = first + 1; next < machine->device_count && same_kind(device, &machine->devices[next]);)
            next++;
        printf("%s%d x %s (", first > 0 ? " + " : "", next - first, device->name);
        print_size(device->memory_bytes);
        printf(", capability %d.%d%s)", device->major, device->minor,
            !device->vmm        ? ", no VMM"
            : !device->host_vmm ? ", no VMM of host memory"
                                : "");
    }
}

static const char *peer_access(const struct vs_machine *machine)
{
    int pairs = 0;
    for (int from = 0; from < machine->device_count; from++)
        for (int to = 0; to < machine->device_count; to++)
            pairs += machine->peer_access[from][to];
    if (pairs == machine->device_count * (machine->device_count - 1))
        return "peer access between all";
    return pairs == 0 ? "no peer access" : "peer access between some";
}

int main(int argc, char **argv)
{
    static char *standard[] = {"", NULL};
    int status = 0;

    for (char **name = argc > 1 ? argv + 1 : standard; *name != NULL; name++) {
        struct vs_machine machine;
        char error[1024];
        if (!sim_machine_load(&machine, *name, error, sizeof error)) {
            fprintf(stderr, "%s\n", error);
            status = 1;
            continue;
        }
        print_devices(&machine);
        if (machine.device_count > 1)
            printf(", %s", peer_access(&machine));
        printf(", host ");
        print_size(machine.host_bytes);
        putchar('\n');
    }
    return status;
}
