/*
 * Looking at programs. See program.h.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* 0 where a file may be executed, else an errno. */
static int may_be_executed(const char *path)
{
    struct stat status;
    if (stat(path, &status))
        return errno;
    return S_ISREG(status.st_mode) && !access(path, X_OK) ? 0 : EACCES;
}

int vs_program_find(const char *name, char **path)
{
    const char *folders = getenv("PATH");
    int result = ENOENT;
    if (!*name)
        return ENOENT;
    if (strchr(name, '/')) {
        result = may_be_executed(name);
        *path = result ? NULL : strdup(name);
        return result || *path ? result : ENOMEM;
    }
    for (const char *folder = folders ? folders : "/bin:/usr/bin", *end; folder; folder = *end ? end + 1 : NULL) {
        end = strchrnul(folder, ':');
        char *candidate = NULL; /* an empty folder is the working folder */
        if (asprintf(&candidate, "%.*s%s%s", (int)(end - folder), folder, end > folder ? "/" : "./", name) < 0)
            return ENOMEM;
        int error = may_be_executed(candidate);
        if (!error) {
            *path = candidate;
            return 0;
        }
        free(candidate);
        if (error == EACCES)
            result = EACCES;
    }
    return result;
}

struct elf {
    bool is_elf;
    int word_class; /* ELFCLASS64 */
    int machine;    /* EM_X86_64 */
    bool has_loader;
};

static struct elf read_elf(const char *path)
{
    struct elf elf = {0};
    GElf_Ehdr header;
    GElf_Phdr segment;
    size_t count = 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    elf_version(EV_CURRENT);
    Elf *handle = descriptor >= 0 ? elf_begin(descriptor, ELF_C_READ, NULL) : NULL;
    if (handle && elf_kind(handle) == ELF_K_ELF && gelf_getehdr(handle, &header)) {
        elf = (struct elf){true, header.e_ident[EI_CLASS], header.e_machine, false};
        if (elf_getphdrnum(handle, &count))
            count = 0;
        for (int i = 0; i < (int)count; i++)
            if (gelf_getphdr(handle, i, &segment) && segment.p_type == PT_INTERP)
                elf.has_loader = true;
    }
    elf_end(handle);
    if (descriptor >= 0)
        close(descriptor);
    return elf;
}

static bool is_of_this_machine(const struct elf *elf)
{
    struct elf own = read_elf("/proc/self/exe");
    return elf->is_elf && (!own.is_elf || (elf->word_class == own.word_class && elf->machine == own.machine));
}

bool vs_program_is_of_this_machine(const char *path)
{
    struct elf elf = read_elf(path);
    return is_of_this_machine(&elf);
}

/* The interpreter behind `#!`; false where there is none. */
static bool read_interpreter(const char *path, char interpreter[PATH_MAX])
{
    char line[PATH_MAX] = "";
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = descriptor >= 0 ? read(descriptor, line, sizeof line - 1) : -1;
    if (descriptor >= 0)
        close(descriptor);
    if (length < 3 || line[0] != '#' || line[1] != '!')
        return false;
    char *start = line + 2 + strspn(line + 2, " \t");
    start[strcspn(start, " \t\n")] = '\0';
    strcpy(interpreter, start);
    return *start != '\0';
}

/* Whether the kernel starts it with AT_SECURE. The rights of a script do not count. A filesystem that is mounted nosuid
 * gives none; no_new_privs takes the meaning from setuid and setgid, but a file's capabilities still make the start a
 * secure one, although they are not given (bprm_fill_uid and cap_bprm_creds_from_file in Linux). */
static bool is_secure(const char *path)
{
    struct stat status;
    struct statvfs filesystem;
    if (stat(path, &status) || (!statvfs(path, &filesystem) && (filesystem.f_flag & ST_NOSUID)))
        return false;
    bool has_set_id = ((status.st_mode & S_ISUID) && status.st_uid != getuid()) ||
                      ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid());
    return (has_set_id && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) ||
           (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0);
}

enum vs_preload vs_program_preload(const char *path)
{
    char interpreter[PATH_MAX];
    if (read_interpreter(path, interpreter))
        path = interpreter;
    struct elf elf = read_elf(path);
    if (is_secure(path))
        return VS_PRELOAD_SECURE;
    if (!elf.is_elf)
        return VS_PRELOAD_WORKS; /* unreadable, or a script for /bin/sh */
    if (!is_of_this_machine(&elf))
        return VS_PRELOAD_FOREIGN;
    return elf.has_loader ? VS_PRELOAD_WORKS : VS_PRELOAD_STATIC;
}
