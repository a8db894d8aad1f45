/* machine.h: the description of the simulated machine, from SIMCUDA_MACHINE. The driver and NVML both read it.
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
    int major, minor;  /* compute capability */
    bool vmm;          /* cuMemCreate and its family */
    bool host_vmm;     /* ... with host locations */
    size_t bar1_bytes; /* how much of its memory other devices can have mapped; 0: all */
    struct {
        unsigned domain, bus, device;
    } pci;
};

/* What kernels get of another device's memory, where peer access is reported. Copies always pass. */
enum sim_peer_kernels {
    SIM_PEER_WORKS,
    SIM_PEER_GARBAGE, /* loads give other bytes, stores are lost */
    SIM_PEER_FAULTS   /* illegal address */
};

#define SIM_UUID_BYTES      16
#define SIM_UUID_TEXT_BYTES 41 /* "GPU-", 32 digits, 4 dashes, the end */

struct sim_machine {
    size_t host_bytes;
    int device_count;
    struct sim_device_description devices[SIM_MAX_DEVICES];
    bool peer_access[SIM_MAX_DEVICES][SIM_MAX_DEVICES]; /* [from][to]: `from` may read and write memory of `to` */
    enum sim_peer_kernels peer_kernels;
    bool peer_copies;          /* copy engines reach mapped memory of devices without peer access */
    bool hmm;                  /* kernels reach pageable memory */
    size_t host_limit_bytes;   /* the control group's limit; 0: none */
    unsigned access_not_ready; /* one of so many calls of cuMemSetAccess answers "not ready"; 0: none */
};

/* What the program can have of the host's memory: a control group's limit ends it before the machine does. */
static inline size_t sim_machine_host_capacity(const struct sim_machine *machine)
{
    size_t limit = machine->host_limit_bytes;
    return limit != 0 && limit < machine->host_bytes ? limit : machine->host_bytes;
}

/* Fills `machine` from `text` (NULL: the default). On a bad description writes one sentence to `error` and returns
 * false. */
bool sim_machine_load(struct sim_machine *machine, const char *text, char *error, size_t error_bytes);
/* "24gb", "512mb", "4096": bytes, powers of 1024. False for anything else. */
bool sim_parse_size(const char *text, size_t *bytes);
/* Parses the YAML text of a machine file; `path` is used in messages. In machine_file.c. */
bool sim_machine_parse_file(struct sim_machine *machine, const char *path, char *error, size_t error_bytes);
/* 13000, or what SIMCUDA_DRIVER_VERSION says. */
int sim_driver_version(void);

/* A device's UUID follows from its PCI address: the same for whoever asks, under whatever number. */
void sim_uuid_of(const struct sim_device_description *device, unsigned char uuid[SIM_UUID_BYTES]);
void sim_uuid_text_of(const struct sim_device_description *device, char text[SIM_UUID_TEXT_BYTES]);
/* Reads "0000:01:00.0", "01:00" and what lies between. False for anything else, or a function that is not 0. */
bool sim_parse_pci(const char *text, unsigned *domain, unsigned *bus, unsigned *device);

/* What follows is in visible.c. The number of a device is first its place in the description. */

/* Numbers the devices as NVML does, by PCI address. */
void sim_machine_sort_by_pci(struct sim_machine *machine);
/* Numbers the devices as the driver does: by CUDA_DEVICE_ORDER (`order`), then as CUDA_VISIBLE_DEVICES (`visible`)
 * chooses among these numbers or names by UUID. Both are NULL where the variable is unset. */
void sim_machine_narrow(struct sim_machine *machine, const char *order, const char *visible);

#endif
