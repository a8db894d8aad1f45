/* signature.c: reads the parameter list of a demangled kernel name; see signature.h.
 *
 * The demangler is the C++ library's own (__cxa_demangle), loaded when the first kernel is launched: a process that has
 * mangled kernels has it anyway, and this library needs nothing but glibc. PyTorch's element-wise kernels take their
 * pointers as std::array<char*, N> with the output first (ATen/native/cuda/CUDALoops.cuh). */
#include "signature.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef char *demangle_function(const char *name, char *buffer, size_t *bytes, int *status);

static demangle_function *find_demangler(void)
{
    static demangle_function *found;
    static bool tried;

    if (!tried) {
        void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
        tried = true;
        if (library != NULL)
            found = (demangle_function *)dlsym(library, "__cxa_demangle");
        if (found == NULL)
            fprintf(stderr, "simcuda: libstdc++.so.6 was not found: the pointers of kernels are not checked\n");
    }
    return found;
}

/* The '(' that opens the last top-level parenthesis of the text: the parameter list. */
static const char *parameter_list(const char *text)
{
    const char *end = strrchr(text, ')');
    int depth = 0;

    for (const char *at = end; at != NULL && at >= text; at--) {
        if (*at == ')')
            depth++;
        else if (*at == '(' && --depth == 0)
            return at;
    }
    return NULL;
}

/* The end of one parameter: the next top-level ',' or the closing ')'. */
static const char *end_of_parameter(const char *text)
{
    int depth = 0;

    for (; *text != '\0'; text++) {
        if (depth == 0 && (*text == ',' || *text == ')'))
            return text;
        if (strchr("<([{", *text) != NULL)
            depth++;
        else if (*text == '>' && text[-1] == '-')
            continue; /* "->" of a trailing return type */
        else if (strchr(">)]}", *text) != NULL)
            depth--;
    }
    return text;
}

static bool starts_with(const char *text, size_t length, const char *start)
{
    return length >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

/* Reads "float const* __restrict__" and its like; false where the parameter holds no pointer that we understand. */
static bool read_parameter(const char *text, size_t length, struct sim_parameter *parameter)
{
    static const char *const decorations[] = {"__restrict__", "restrict", "const", "volatile"};
    bool again = true;

    while (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    if (starts_with(text, length, "std::array<char*, ")) {
        unsigned long count = strtoul(text + strlen("std::array<char*, "), NULL, 10);
        parameter->pointers = count > 0 && count <= 64 ? (unsigned)count : 0;
        parameter->writes = true;
        return parameter->pointers > 0;
    }
    /* What follows the '*' qualifies the parameter itself. */
    while (again) {
        again = false;
        while (length > 0 && text[length - 1] == ' ')
            length--;
        for (size_t i = 0; i < sizeof decorations / sizeof *decorations; i++) {
            size_t tail = strlen(decorations[i]);
            if (length > tail && memcmp(text + length - tail, decorations[i], tail) == 0 &&
                (text[length - tail - 1] == ' ' || text[length - tail - 1] == '*')) {
                const char *before = text + length - tail;
                while (before > text && before[-1] == ' ')
                    before--;
                if (before > text && before[-1] == '*') {
                    length -= tail;
                    again = true;
                }
            }
        }
    }
    if (length < 2 || text[length - 1] != '*')
        return false;
    parameter->pointers = 1;
    parameter->writes = !(length > 6 && memcmp(text + length - 6, "const*", 6) == 0);
    return true;
}

/* Sizes of the types that a name spells out, each its own alignment; 0: not known. */
static size_t size_of_type(const char *text, size_t length)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"bool", 1}, {"char", 1}, {"signed char", 1}, {"unsigned char", 1}, {"short", 2},
        {"unsigned short", 2}, {"__half", 2}, {"__nv_bfloat16", 2}, {"c10::Half", 2}, {"c10::BFloat16", 2}, {"int", 4},
        {"unsigned int", 4}, {"float", 4}, {"long", 8}, {"unsigned long", 8}, {"long long", 8},
        {"unsigned long long", 8}, {"double", 8}};

    while (length > 0 && *text == ' ') {
        text++;
        length--;
    }
    if (length > 6 && memcmp(text + length - 6, " const", 6) == 0)
        length -= 6;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].name) == length && memcmp(types[i].name, text, length) == 0)
            return types[i].bytes;
    return 0;
}

/* Moves `*offset` behind the parameter and returns where it lies. */
static size_t place(size_t *offset, size_t bytes, size_t alignment)
{
    size_t at;

    if (*offset == SIM_UNPLACED || bytes == 0)
        return *offset = SIM_UNPLACED;
    at = (*offset + alignment - 1) / alignment * alignment;
    *offset = at + bytes;
    return at;
}

struct sim_signature *sim_signature_parse(const char *demangled)
{
    const char *at = parameter_list(demangled);
    struct sim_signature *signature = at != NULL ? calloc(1, sizeof *signature) : NULL;
    size_t offset = 0;

    if (signature == NULL)
        return NULL;
    at++;
    while (*at != '\0' && *at != ')') {
        const char *end = end_of_parameter(at);
        struct sim_parameter parameter = {.index = signature->parameter_count};
        if (read_parameter(at, (size_t)(end - at), &parameter)) {
            struct sim_parameter *grown =
                realloc(signature->parameters, (signature->count + 1) * sizeof *signature->parameters);
            if (grown == NULL) {
                sim_signature_free(signature);
                return NULL;
            }
            signature->parameters = grown;
            parameter.offset = place(&offset, parameter.pointers * sizeof(void *), sizeof(void *));
            signature->parameters[signature->count++] = parameter;
        } else {
            size_t bytes = size_of_type(at, (size_t)(end - at));
            place(&offset, bytes, bytes);
        }
        if (offset != SIM_UNPLACED)
            signature->packed_bytes = offset;
        signature->parameter_count++;
        at = *end == ',' ? end + 1 : end;
    }
    return signature;
}

char *sim_demangle(const char *mangled_name)
{
    demangle_function *demangle;
    char *demangled;
    int status = 0;

    if (strncmp(mangled_name, "_Z", 2) != 0)
        return NULL;
    demangle = find_demangler();
    if (demangle == NULL)
        return NULL;
    demangled = demangle(mangled_name, NULL, NULL, &status);
    if (status == 0)
        return demangled;
    free(demangled);
    return NULL;
}

struct sim_signature *sim_signature_of(const char *mangled_name)
{
    char *demangled = sim_demangle(mangled_name);
    struct sim_signature *signature = demangled != NULL ? sim_signature_parse(demangled) : NULL;

    free(demangled);
    return signature;
}

void sim_signature_free(struct sim_signature *signature)
{
    if (signature == NULL)
        return;
    free(signature->parameters);
    free(signature);
}
