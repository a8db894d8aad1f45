/*
 * The description of a machine: what it has of GPUs, of memory, and of ways between them. By it a plan can be made for
 * a machine that is not at hand, and the simulated CUDA of the tests can pretend to be one.
 *
 * A description is a short form (`2x24gb`, `8gb+24gb`, `24gb+host:32gb`), or a file:
 *
 *     host: 64gb                      # memory of the machine itself
 *     host-limit: 32gb                # of the program's control group; absent: none
 *     host-charged: true              # ... to which the driver's own host memory is charged
 *     hmm: false                      # whether kernels can use pageable memory
 *     peer-access: all                # what is reported: all | none | a list of directed pairs: [[0, 1], [1, 0]]
 *     peer-kernels: work              # what kernels get where access is reported: work | garbage | fault | hang
 *     peer-copies: false              # whether copy engines reach mapped memory where no access is reported
 *     set-access-not-ready: 8         # cuMemSetAccess answers "not ready" once in so many calls; absent: never
 *     devices:
 *       - memory: 24gb
 *         name: Simulated 24 GB GPU
 *         capability: 8.6
 *         vmm: true                   # virtual memory management
 *         host-vmm: true              # ... with memory of the host
 *         pci: 0000:01:00.0           # default: bus 1 for the first device, 2 for the second, ...
 *         bar1: 256mb                 # how much of its memory other devices can have mapped; absent: all
 *         link: pcie4-x16             # what it sits at, for forecasts: also a rate, 25gb/s; absent: not known
 *         card: 24gb                  # the class of cards it is one of, for forecasts; absent: by its memory
 *
 * Only `memory` is required. Whatever is not understood is an error: a misspelt flag must not give another machine.
 */
#ifndef VRAMSPAN_POLICY_MACHINE_H
#define VRAMSPAN_POLICY_MACHINE_H

#include "../plan/plan.h"
#include "hardware.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VS_MACHINE_DEVICES_MAX = 16, VS_MACHINE_NAME_BYTES = 96 };
#define VS_MACHINE_MEMORY_MIN ((uint64_t)64 << 20)

struct vs_machine_device {
    char name[VS_MACHINE_NAME_BYTES];
    uint64_t memory_bytes;
    int major, minor;    /* compute capability */
    bool vmm;            /* cuMemCreate and its family */
    bool host_vmm;       /* ... with host locations */
    uint64_t bar1_bytes; /* how much of its memory other devices can have mapped; 0: all */
    struct {
        unsigned domain, bus, device;
    } pci;
    double link_bytes_per_second; /* 0: not known */
    const struct vs_card *card;   /* as the file says; NULL: it says nothing */
};

/* What kernels get of another device's memory, where peer access is reported. Copies always pass. */
enum vs_peer_kernels {
    VS_PEER_WORKS,
    VS_PEER_GARBAGE, /* loads give other bytes, stores are lost */
    VS_PEER_FAULTS,  /* illegal address */
    VS_PEER_HANGS,   /* the kernel never ends, and nothing behind it begins */
};

struct vs_machine {
    uint64_t host_bytes;
    bool host_is_assumed; /* nothing says how much it is */
    int device_count;
    struct vs_machine_device devices[VS_MACHINE_DEVICES_MAX];         /* cuda:0, cuda:1, ... */
    bool peer_access[VS_MACHINE_DEVICES_MAX][VS_MACHINE_DEVICES_MAX]; /* [from][to]: `from` may use memory of `to` */
    enum vs_peer_kernels peer_kernels;
    bool peer_copies;          /* copy engines reach mapped memory of devices without peer access */
    bool hmm;                  /* kernels reach pageable memory */
    uint64_t host_limit_bytes; /* the control group's limit; 0: none */
    bool host_uncharged;       /* what the driver makes does not count in the group */
    unsigned access_not_ready; /* one of so many calls of cuMemSetAccess answers "not ready"; 0: none */
};

/*
 * Reads a description: a short form; the name of a file in `folder` (NULL: there is none), without its `.yaml`; or the
 * path of a file. `origin` is who said the text, in messages ("--machine"). Returns 0, or -1 with an error added. Any
 * thread; reads files.
 */
int vs_machine_load(
    const char *origin, const char *text, const char *folder, struct vs_machine *machine, struct vs_diags *diags);
/* The text of a file; `name` is its path in messages. Does no input or output. */
int vs_machine_parse(
    const char *name, const char *text, size_t bytes, struct vs_machine *machine, struct vs_diags *diags);
/* A short form alone; false, and nothing is said, for a text that is none. */
bool vs_machine_parse_short(const char *text, struct vs_machine *machine);

/* Reads "0000:01:00.0", "01:00" and what lies between. False for anything else, or a function that is not 0. */
bool vs_pci_parse(const char *text, unsigned *domain, unsigned *bus, unsigned *device);

/* What a program can have of the host's memory: a control group's limit ends it before the machine does. */
uint64_t vs_machine_host_capacity(const struct vs_machine *machine);

/* Whether memory of one device can be homes for another: reported, and kept to. */
bool vs_machine_can_map(const struct vs_machine *machine, size_t from, size_t to);

/*
 * The machine as a plan for this compute device sees it: `devices` has room for VS_MACHINE_DEVICES_MAX + 1. A device
 * that can be mapped in part lends that part only.
 */
struct vs_plan_machine vs_machine_for_plan(
    const struct vs_machine *machine, struct vs_device_id compute, struct vs_plan_machine_device *devices);

#endif
