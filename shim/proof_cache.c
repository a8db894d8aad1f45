/* proof_cache.c: see proof_cache.h.
 *
 *     vramspan proof 1
 *     library 0.1.0
 *     driver 13000 580.65.06 2C8D1B3E
 *     kernel 6.1.0-44-amd64
 *     iommu 23 intel_iommu=on iommu=pt
 *     backing vmm
 *     compute GPU-... 0000:01:00.0 NVIDIA GeForce RTX 4090
 *     place peer GPU-... 0000:02:00.0 NVIDIA GeForce RTX 3090
 *     --
 *     outcome wrong
 *     step kernel-read
 *     detail
 *     end
 */
#include "proof_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "driver.h"
#include "host_memory.h"
#include "log.h"
#include "proof_child.h"

/* Raised when a proof does something else than before, within one version of the library, too. */
#define EDITION 2

static const char first_line[] = "vramspan proof", between[] = "--\n", last_line[] = "end\n";

/* --- What it depends on ------------------------------------------------------------------------------------------- */

/* A file's first line, or "-". */
static void read_line(const char *inside, char *text, size_t bytes)
{
    char path[1024];
    FILE *file = vs_host_file_path(inside, path, sizeof path) ? fopen(path, "re") : NULL;
    if (!file || !fgets(text, (int)bytes, file))
        strcpy(text, "-");
    text[strcspn(text, "\n")] = '\0';
    if (file)
        fclose(file);
}

/* What decides over peer-to-peer beside the driver: how many groups the IOMMU makes, and what the kernel was told at
 * its start about that and about PCI (pci=..., pcie_acs_override=..., intel_iommu=on, iommu.passthrough=1). */
static void describe_iommu(char *text, size_t bytes)
{
    char path[1024], line[4096], *rest = line;
    size_t groups = 0;
    DIR *listing = vs_host_file_path("/sys/kernel/iommu_groups", path, sizeof path) ? opendir(path) : NULL;
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        groups += entry->d_name[0] != '.';
    if (listing)
        closedir(listing);
    size_t used = (size_t)snprintf(text, bytes, "%zu", groups);
    read_line("/proc/cmdline", line, sizeof line);
    for (char *word; (word = strsep(&rest, " "));)
        if ((strstr(word, "iommu") || strncmp(word, "pci", 3) == 0) && used + strlen(word) + 1 < bytes)
            used += (size_t)snprintf(text + used, bytes - used, " %s", word);
}

static void describe(int ordinal, char text[256])
{
    const struct vs_driver *driver = vs_driver();
    char uuid[VS_PROOF_UUID_BYTES] = "", slot[32] = "-", name[128] = "-";
    CUdevice device;
    if (driver->cuDeviceGet(&device, ordinal) == CUDA_SUCCESS) {
        vs_proof_uuid(device, uuid);
        driver->cuDeviceGetPCIBusId(slot, sizeof slot, device);
        driver->cuDeviceGetName(name, sizeof name, device);
    }
    for (char *at = name; *at; at++)
        if (*at == '\n')
            *at = ' ';
    snprintf(text, 256, "%s %s %s", uuid, slot, name);
}

static uint64_t fnv1a(const char *text)
{
    uint64_t hash = 0xCBF29CE484222325;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001B3;
    return hash;
}

/* As the XDG Base Directory Specification has it: what is not a path from the root on does not count. */
static bool find_folder(char *folder, size_t bytes)
{
    const char *own = getenv("VRAMSPAN_CACHE"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = -1;
    if (own && own[0])
        length = snprintf(folder, bytes, "%s/proofs", own);
    else if (cache && cache[0] == '/')
        length = snprintf(folder, bytes, "%s/vramspan/proofs", cache);
    else if (home && home[0])
        length = snprintf(folder, bytes, "%s/.cache/vramspan/proofs", home);
    return length >= 0 && (size_t)length < bytes;
}

void vs_proof_file_of(const struct vs_proof_subject *subject, struct vs_proof_file *file)
{
    char module[64], source[64], iommu[256], compute[256], peer[256] = "", folder[sizeof file->path - 32];
    enum vs_backing_place place = vs_backing_place_of(subject->home);
    struct utsname system = {.release = "-"};
    int version = 0;
    vs_driver()->cuDriverGetVersion(&version);
    /* The driver's part in the kernel, and the build of it: patched ones have the same version. The version that
     * libcuda tells is that of CUDA. */
    read_line("/sys/module/nvidia/version", module, sizeof module);
    read_line("/sys/module/nvidia/srcversion", source, sizeof source);
    describe_iommu(iommu, sizeof iommu);
    uname(&system);
    describe(subject->compute->ordinal, compute);
    if (place == VS_PLACE_PEER)
        describe(subject->home.device, peer);
    snprintf(file->key, sizeof file->key,
        "%s %d\nlibrary %s\ndriver %d %s %s\nkernel %s\niommu %s\nbacking %s\ncompute %s\nplace %s%s%s\n", first_line,
        EDITION, VS_VERSION, version, module, source, system.release, iommu, subject->backing->name, compute,
        vs_backing_place_name(place), *peer ? " " : "", peer);
    file->path[0] = '\0';
    if (find_folder(folder, sizeof folder))
        snprintf(file->path, sizeof file->path, "%s/%016llx", folder, (unsigned long long)fnv1a(file->key));
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

/* The rest of the line that begins with `name`; *text is behind it then. */
static bool take_value(char **text, const char *name, char **value)
{
    size_t length = strlen(name);
    char *end = strchr(*text, '\n');
    if (!end || strncmp(*text, name, length) != 0 || (*text)[length] != ' ')
        return false;
    *end = '\0';
    *value = *text + length + 1;
    *text = end + 1;
    return true;
}

static bool parse(char *text, const struct vs_proof_file *file, struct vs_proof *proof)
{
    size_t key_length = strlen(file->key);
    char *outcome, *step, *detail;
    if (strncmp(text, file->key, key_length) != 0 || strncmp(text + key_length, between, strlen(between)) != 0)
        return false;
    text += key_length + strlen(between);
    if (!take_value(&text, "outcome", &outcome) || !take_value(&text, "step", &step) ||
        !take_value(&text, "detail", &detail) || strcmp(text, last_line) != 0 ||
        !vs_proof_outcome_of(outcome, &proof->outcome) || !vs_proof_step_of(step, &proof->step))
        return false;
    snprintf(proof->detail, sizeof proof->detail, "%s", detail);
    return vs_proof_is_lasting(proof);
}

bool vs_proof_load(const struct vs_proof_file *file, struct vs_proof *proof)
{
    char text[4096];
    int descriptor = file->path[0] ? open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (descriptor < 0)
        return false;
    ssize_t length = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (length <= 0)
        return false;
    text[length] = '\0';
    return parse(text, file, proof);
}

/* --- Keeping ------------------------------------------------------------------------------------------------------ */

/* The folder of a file and those above it. */
static void make_folders(const char *path)
{
    char folder[sizeof((struct vs_proof_file *)NULL)->path];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(folder, 0700); /* what is there already stays */
        *slash = '/';
    }
}

static bool write_whole(int descriptor, const char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t written = write(descriptor, text, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return true;
}

static bool say_unkept(const struct vs_proof_file *file, int error)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&said))
        vs_log(VS_LOG_DEBUG, "proof",
            "what was found out about memory cannot be kept in %s (%s): it is tried anew "
            "at each start; VRAMSPAN_CACHE names another folder",
            file->path[0] ? file->path : "a folder of the user's", error ? strerror(error) : "there is none");
    return false;
}

bool vs_proof_keep(const struct vs_proof_file *file, const struct vs_proof *proof)
{
    char text[2560], temporary[sizeof file->path + 16];
    if (!file->path[0])
        return say_unkept(file, 0);
    snprintf(text, sizeof text, "%s%soutcome %s\nstep %s\ndetail %s\n%s", file->key, between,
        vs_proof_outcome_word(proof->outcome), vs_proof_step_word(proof->step), proof->detail, last_line);
    snprintf(temporary, sizeof temporary, "%s.XXXXXX", file->path);
    make_folders(file->path);
    int descriptor = mkostemp(temporary, O_CLOEXEC); /* 0600 */
    if (descriptor < 0)
        return say_unkept(file, errno);
    bool kept = write_whole(descriptor, text);
    int error = kept ? 0 : errno;
    close(descriptor);
    if (kept && rename(temporary, file->path) != 0) {
        kept = false;
        error = errno;
    }
    if (kept)
        return true;
    unlink(temporary);
    return say_unkept(file, error);
}
