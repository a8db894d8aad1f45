/* machine.h: the description of the simulated machine, from SIMCUDA_MACHINE.
 *
 * The variable holds a short form ("2x24gb", "8gb+24gb"), the name of a file in the folder `machines` beside the
 * library, or the path of such a file. Unset means 2x24gb. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#define SIM_MAX_DEVICES 16

struct sim_device_description {
    char name[96];
    size_t memory_bytes;
    int major, minor; /* compute capability */
    bool vmm;         /* cuMemCreate and its family */
    bool host_vmm;    /* ... with host locations */
};

struct sim_machine {
    size_t host_bytes;
    int device_count;
    struct sim_device_description devices[SIM_MAX_DEVICES];
    bool peer_access[SIM_MAX_DEVICES][SIM_MAX_DEVICES]; /* [from][to]: `from` may read and write memory of `to` */
};

/* Fills `machine` from `text` (NULL: the default). On a bad description writes one sentence to `error` and returns
 * false. */
bool sim_machine_load(struct sim_machine *machine, const char *text, char *error, size_t error_bytes);
/* "24gb", "512mb", "4096": bytes, powers of 1024. False for anything else. */
bool sim_parse_size(const char *text, size_t *bytes);
/* Parses the YAML text of a machine file; `path` is used in messages. In machine_file.c. */
bool sim_machine_parse_file(struct sim_machine *machine, const char *path, char *error, size_t error_bytes);
/* Keeps the devices that CUDA_VISIBLE_DEVICES names, in its order. As the real driver does, the list ends at the first
 * entry that is no device of the machine. `visible` is NULL where the variable is unset. */
void sim_machine_narrow(struct sim_machine *machine, const char *visible);

#endif
