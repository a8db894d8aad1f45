/* proof_child.c: see proof_child.h. What the child is given, and what becomes of what it tells. How it is made:
 * proof_spawn.c. */
#include "proof_child.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"
#include "log.h"
#include "proof_main.h"
#include "proof_spawn.h"

enum { PATH_BYTES = 4096, MOST_SECONDS = 3600 };

void vs_proof_uuid(CUdevice device, char text[VS_PROOF_UUID_BYTES])
{
    CUuuid uuid;
    char *end = stpcpy(text, "GPU-");
    if (vs_driver()->cuDeviceGetUuid(&uuid, device) != CUDA_SUCCESS) {
        text[0] = '\0';
        return;
    }
    for (size_t i = 0; i < sizeof uuid.bytes; i++)
        end += sprintf(end, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", (unsigned char)uuid.bytes[i]);
}

/* --- What is executed --------------------------------------------------------------------------------------------- */

/* The file that an address lies in, by its path from the root on: what the dynamic loader calls it may be relative to a
 * folder that the program has left. */
static bool file_of(const void *address, char path[PATH_BYTES])
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_BYTES + 128];
    bool found = false;
    while (maps && !found && fgets(line, sizeof line, maps)) {
        char *at = line, *name = strchr(line, '/');
        unsigned long begin = strtoul(at, &at, 16), end = *at == '-' ? strtoul(at + 1, NULL, 16) : 0;
        if ((unsigned long)address < begin || (unsigned long)address >= end || !name)
            continue;
        name[strcspn(name, "\n")] = '\0';
        found = snprintf(path, PATH_BYTES, "%s", name) < PATH_BYTES;
    }
    if (maps)
        fclose(maps);
    return found;
}

struct command {
    char loader[PATH_BYTES], library[PATH_BYTES], driver[PATH_BYTES];
    char compute[VS_PROOF_UUID_BYTES], peer[VS_PROOF_UUID_BYTES];
    const char *argv[VS_PROOF_ARGC + 2];
    char visible[sizeof "CUDA_VISIBLE_DEVICES=," + 2 * (size_t)VS_PROOF_UUID_BYTES];
    const char **environment;
};

static bool is_named(const char *variable, const char *name)
{
    size_t length = strlen(name);
    return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

/* The program's own environment, so that the driver is found and behaves as here; but the library is not to be loaded
 * again, nor to follow a policy, and no device is to be touched that is not concerned. */
static bool fill_environment(struct command *command, bool by_uuid)
{
    size_t count = 0, used = 0;
    while (environ && environ[count])
        count++;
    command->environment = calloc(count + 2, sizeof *command->environment);
    if (!command->environment)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!is_named(environ[i], "LD_PRELOAD") && strncmp(environ[i], "VRAMSPAN_", strlen("VRAMSPAN_")) != 0 &&
            !(by_uuid && is_named(environ[i], "CUDA_VISIBLE_DEVICES")))
            command->environment[used++] = environ[i];
    if (by_uuid)
        command->environment[used++] = command->visible;
    return true;
}

/* The loader is named, not asked for by an interpreter line: it is the program's own, wherever that is, and the library
 * need not be marked executable. */
static const char *fill_command(const struct vs_proof_subject *subject, struct command *command)
{
    const struct vs_driver *driver = vs_driver();
    unsigned long base = getauxval(AT_BASE);
    CUdevice peer;
    if (!base || !file_of((const void *)base, command->loader))
        return "the dynamic loader is not known";
    if (!file_of((const void *)vs_proof_main, command->library))
        return "the library's own file is not known";
    if (!file_of((const void *)driver->cuInit, command->driver))
        return "the driver's file is not known";
    vs_proof_uuid(subject->compute->device, command->compute);
    if (subject->home.kind == VS_HOME_PEER && driver->cuDeviceGet(&peer, subject->home.device) == CUDA_SUCCESS)
        vs_proof_uuid(peer, command->peer);
    if (!command->compute[0] || (subject->home.kind == VS_HOME_PEER && !command->peer[0]))
        return "the driver does not tell the UUIDs of its devices";
    snprintf(command->visible, sizeof command->visible, "CUDA_VISIBLE_DEVICES=%s%s%s", command->compute,
        command->peer[0] ? "," : "", command->peer);
    const char *argv[] = {command->loader, command->library, VS_PROOF_OPTION, subject->backing->name,
        vs_backing_place_name(vs_backing_place_of(subject->home)), command->compute, command->peer, command->driver,
        NULL};
    memcpy(command->argv, argv, sizeof argv);
    return NULL;
}

/* --- What it tells ------------------------------------------------------------------------------------------------ */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct told {
    char line[256];
    size_t length;
    enum vs_proof_step step;
    bool has_outcome;
    enum vs_proof_outcome outcome;
    char detail[sizeof((struct vs_proof *)NULL)->detail];
};

static void take_line(struct told *told)
{
    char *detail = strchr(told->line, ' ');
    enum vs_proof_step step;
    if (detail)
        *detail++ = '\0';
    if (vs_proof_step_of(told->line, &step)) {
        told->step = step;
    } else if (vs_proof_outcome_of(told->line, &told->outcome)) {
        told->has_outcome = true;
        snprintf(told->detail, sizeof told->detail, "%s", detail ? detail : "");
    }
}

static void take(struct told *told, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\n') {
            if (told->length + 1 < sizeof told->line)
                told->line[told->length++] = bytes[i];
            continue;
        }
        told->line[told->length] = '\0';
        told->length = 0;
        take_line(told);
    }
}

/* How long a proof may take. Tests have no time for the real one. */
static double limit_seconds(void)
{
    static atomic_bool told;
    const char *text = getenv("VRAMSPAN_PROOF_SECONDS");
    char *end = NULL;
    double seconds = text && text[0] ? strtod(text, &end) : VS_PROOF_SECONDS;
    if (seconds > 0 && seconds <= MOST_SECONDS && (!end || !*end))
        return seconds;
    if (!atomic_exchange(&told, true))
        vs_log(VS_LOG_WARN, "proof", "VRAMSPAN_PROOF_SECONDS=%s is not followed: use a number of seconds up to %d",
            text, MOST_SECONDS);
    return VS_PROOF_SECONDS;
}

/* Listens until the child has told what came of it, or has ended. False: it takes too long. A child that has told is
 * not waited for here: to leave CUDA takes its time, and where the driver hangs there, that is nothing new. */
static bool listen(struct vs_spawned *child, struct told *told, double *limit)
{
    double seconds = limit_seconds(), end = now() + VS_PROOF_START_SECONDS;
    bool started = false;
    *limit = VS_PROOF_START_SECONDS;
    while (!told->has_outcome) {
        char bytes[256];
        double left = end - now();
        if (left <= 0)
            return false;
        ssize_t got = vs_spawn_read(child, bytes, sizeof bytes, left);
        if (got == 0)
            break;
        if (got > 0)
            take(told, bytes, (size_t)got);
        if (!started && told->step > VS_PROOF_START) {
            started = true;
            *limit = seconds;
            end = now() + seconds;
        }
    }
    return true;
}

static void judge(const struct told *told, bool in_time, double limit, const char *end, struct vs_proof *proof)
{
    if (told->has_outcome)
        vs_proof_set(proof, told->outcome, told->step, "%s", told->detail);
    else if (told->step == VS_PROOF_START)
        vs_proof_set(proof, VS_PROOF_UNTRIED, told->step, "a process for it %s%s",
            in_time ? "ended before it began: " : "did not begin in time", in_time ? end : "");
    else if (!in_time)
        vs_proof_set(proof, VS_PROOF_HUNG, told->step, "%g s", limit);
    else
        vs_proof_set(proof, VS_PROOF_DIED, told->step, "%s", end);
}

static void run(const struct command *command, struct vs_proof *proof)
{
    struct told told = {.step = VS_PROOF_START};
    struct vs_spawned child;
    char how[64];
    double limit;
    bool speaks = vs_log_enabled(VS_LOG_DEBUG); /* its own stderr: what the driver writes there */
    int error = vs_spawn(command->argv, command->environment, VS_PROOF_DESCRIPTOR, speaks ? STDERR_FILENO : -1, &child);
    if (error) {
        vs_proof_set(proof, VS_PROOF_UNTRIED, VS_PROOF_START, "no process can be started for it: %s", strerror(error));
        return;
    }
    bool in_time = listen(&child, &told, &limit);
    bool says_nothing = vs_spawn_end(&child, !in_time, how, sizeof how);
    judge(&told, in_time, limit, how, proof);
    /* Whoever ends processes says nothing about memory. */
    if (proof->outcome == VS_PROOF_DIED && says_nothing)
        vs_proof_set(proof, VS_PROOF_UNTRIED, told.step, "the process that tried it was ended from outside: %s", how);
}

void vs_proof_in_child(const struct vs_proof_subject *subject, struct vs_proof *proof)
{
    struct command *command = calloc(1, sizeof *command);
    const char *missing = command ? fill_command(subject, command) : "out of memory";
    vs_proof_set(proof, VS_PROOF_UNTRIED, VS_PROOF_START, "%s", missing ? missing : "out of memory");
    bool by_uuid = true;
    for (bool again = !missing; again;) {
        if (fill_environment(command, by_uuid))
            run(command, proof);
        free(command->environment);
        /* UUIDs of parts of a GPU (MIG) are written otherwise; then what the program sees has to do. */
        again = by_uuid && proof->outcome == VS_PROOF_UNTRIED && strcmp(proof->detail, VS_PROOF_NO_DEVICES) == 0;
        by_uuid = false;
    }
    free(command);
}
