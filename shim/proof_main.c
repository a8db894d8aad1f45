/* proof_main.c: see proof_main.h.
 *
 * A process of its own for what may hang or kill it: it tries one backing at one place, tells each step and what came
 * of it, and ends without ado, whatever the driver still has to tidy up. */
#include "proof_main.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "activate.h"
#include "driver.h"
#include "proof_child.h"

static void tell(const char *word, const char *detail)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s%s%s\n", word, *detail ? " " : "", detail);
    if (length >= (int)sizeof line)
        line[(length = sizeof line) - 1] = '\n';
    while (write(VS_PROOF_DESCRIPTOR, line, (size_t)length) < 0) /* less than a pipe takes at once */
        ;
}

static void tell_step(enum vs_proof_step step)
{
    tell(vs_proof_step_word(step), "");
}

static int ordinal_of(const char *uuid)
{
    const struct vs_driver *driver = vs_driver();
    char text[VS_PROOF_UUID_BYTES];
    CUdevice device;
    int count = 0;
    driver->cuDeviceGetCount(&count);
    for (int ordinal = 0; ordinal < count; ordinal++) {
        if (driver->cuDeviceGet(&device, ordinal) != CUDA_SUCCESS)
            continue;
        vs_proof_uuid(device, text);
        if (strcmp(text, uuid) == 0)
            return ordinal;
    }
    return -1;
}

static bool refuse(struct vs_proof *proof, const char *why)
{
    vs_proof_set(proof, VS_PROOF_UNTRIED, VS_PROOF_START, "%s", why);
    return false;
}

/* A context takes some hundred MB, which the compute device may not have beside the program's. */
static bool refuse_context(struct vs_proof *proof, CUresult result)
{
    vs_proof_set(proof, result == CUDA_ERROR_OUT_OF_MEMORY ? VS_PROOF_FULL : VS_PROOF_UNTRIED, VS_PROOF_START,
        "no context can be made in a process of its own: %s", vs_driver_error(result));
    return false;
}

/* False where it cannot be tried; `proof` tells why. */
static bool find_subject(char **argv, struct vs_proof_subject *subject, struct vs_proof *proof)
{
    static const struct vs_backing *const backings[] = {&vs_backing_vmm, &vs_backing_pinned};
    const char *place = argv[VS_PROOF_ARG_PLACE];
    bool is_host = strcmp(place, vs_backing_place_name(VS_PLACE_HOST)) == 0;
    bool is_peer = strcmp(place, vs_backing_place_name(VS_PLACE_PEER)) == 0;
    if (!dlopen(argv[VS_PROOF_ARG_DRIVER], RTLD_NOW | RTLD_GLOBAL))
        return refuse(proof, "the driver cannot be loaded");
    if (!vs_driver())
        return refuse(proof, "the driver does not start");
    for (size_t i = 0; i < sizeof backings / sizeof *backings; i++)
        if (strcmp(backings[i]->name, argv[VS_PROOF_ARG_BACKING]) == 0)
            subject->backing = backings[i];
    int compute = ordinal_of(argv[VS_PROOF_ARG_COMPUTE]), peer = is_peer ? ordinal_of(argv[VS_PROOF_ARG_PEER]) : 0;
    if (compute < 0 || peer < 0 || !subject->backing)
        return refuse(proof, VS_PROOF_NO_DEVICES);
    CUresult result = vs_compute_get(compute, &subject->compute);
    if (result != CUDA_SUCCESS)
        return refuse_context(proof, result);
    subject->home = is_host   ? (struct vs_home){VS_HOME_HOST, 0}
                    : is_peer ? (struct vs_home){VS_HOME_PEER, peer}
                              : (struct vs_home){VS_HOME_LOCAL, compute};
    return true;
}

void vs_proof_main(int argc, char **argv)
{
    struct vs_proof_subject subject = {0};
    struct vs_proof proof;
    vs_stay_out(); /* of what this process opens, too */
    if (argc != VS_PROOF_ARGC || strcmp(argv[1], VS_PROOF_OPTION) != 0) {
        static const char text[] =
            "libvramspan.so " VS_VERSION ": to be preloaded under a program; `vramspan run` does it\n";
        _exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0);
    }
    tell_step(VS_PROOF_START);
    if (find_subject(argv, &subject, &proof))
        vs_proof_try(&subject, tell_step, &proof);
    tell(vs_proof_outcome_word(proof.outcome), proof.detail);
    _exit(0);
}
