/* trace.c: writes the trace; see trace.h. Each line is one write, so that threads and processes do not mix. */
#define XXH_STATIC_LINKING_ONLY
#include "trace.h"
#include "api.h"
#include "work.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

int sim_trace_fd = -1;

struct line {
    char text[16384]; /* mangled names of kernels are long */
    size_t length;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    int written;

    va_start(arguments, format);
    written = vsnprintf(line->text + line->length, sizeof line->text - line->length, format, arguments);
    va_end(arguments);
    if (written > 0)
        line->length += (size_t)written;
    if (line->length >= sizeof line->text)
        line->length = sizeof line->text - 1;
}

static void add_string(struct line *line, const char *text)
{
    add(line, "\"");
    for (; *text != '\0' && line->length < sizeof line->text - 64; text++) {
        if (*text == '"' || *text == '\\')
            add(line, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            add(line, "\\u%04x", (unsigned char)*text);
        else
            add(line, "%c", *text);
    }
    add(line, "\"");
}

static void finish(struct line *line)
{
    if (sim.pid != 0 && getpid() != sim.pid)
        return;
    add(line, "}\n");
    if (write(sim_trace_fd, line->text, line->length) != (ssize_t)line->length) {
        sim_say("the trace cannot be written: %m; it ends here");
        close(sim_trace_fd);
        sim_trace_fd = -1;
    }
}

static void location_name(int location, char name[16])
{
    if (location == SIM_HOST)
        strcpy(name, "host");
    else
        snprintf(name, 16, "cuda:%d", location);
}

bool sim_trace_start(void)
{
    const char *name = getenv("SIMCUDA_TRACE");
    char path[4096];
    const char *mark;

    if (name == NULL || name[0] == '\0')
        return true;
    mark = strstr(name, "%p");
    if (mark != NULL)
        snprintf(path, sizeof path, "%.*s%d%s", (int)(mark - name), name, (int)getpid(), mark + 2);
    else
        snprintf(path, sizeof path, "%s", name);
    sim_trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (sim_trace_fd < 0)
        sim_say("SIMCUDA_TRACE=%s cannot be opened for writing: %m", path);
    return sim_trace_fd >= 0;
}

void sim_trace_memory(const char *event, CUdeviceptr address, size_t bytes, int location, const uint64_t *handle_id)
{
    struct line line;
    char name[16];

    if (!sim_trace_is_on())
        return;
    line.length = 0;
    location_name(location, name);
    add(&line, "{\"call\":\"%s\",\"event\":\"%s\",\"address\":\"%#llx\",\"bytes\":%zu,\"location\":\"%s\"",
        sim_call_name(), event, address, bytes, name);
    if (handle_id != NULL)
        add(&line, ",\"handle\":%llu", (unsigned long long)*handle_id);
    finish(&line);
}

void sim_trace_handle(const char *event, uint64_t id, size_t bytes, int location)
{
    struct line line;
    char name[16];

    if (!sim_trace_is_on())
        return;
    line.length = 0;
    location_name(location, name);
    add(&line, "{\"call\":\"%s\",\"event\":\"%s\",\"handle\":%llu,\"bytes\":%zu,\"location\":\"%s\"", sim_call_name(),
        event, (unsigned long long)id, bytes, name);
    finish(&line);
}

static void begin(struct line *line, const struct sim_op *op)
{
    add(line, "{\"call\":\"%s\",\"device\":%d,\"stream\":%llu", op->call, op->context->device,
        (unsigned long long)op->stream->id);
}

/* What the operation asks of the machine. */
static void add_work(struct line *line, const struct sim_op *op)
{
    struct sim_work work;
    char from[16], to[16];

    sim_work_of(op, &work);
    add(line, ",\"flops\":%llu,\"legs\":[", (unsigned long long)work.flops);
    for (size_t i = 0; i < work.leg_count; i++) {
        location_name(work.legs[i].from, from);
        location_name(work.legs[i].to, to);
        add(line, "%s{\"from\":\"%s\",\"to\":\"%s\",\"link\":\"%s\",\"bytes\":%llu}", i > 0 ? "," : "", from, to,
            sim_link_name(work.legs[i].link), (unsigned long long)work.legs[i].bytes);
    }
    add(line, "]");
}

static const char *location_of(struct sim_place place)
{
    return sim_location_name(place.address != 0 ? place.address : (CUdeviceptr)place.pointer);
}

static unsigned long long address_of(struct sim_place place)
{
    return place.address != 0 ? place.address : (unsigned long long)place.pointer;
}

/* The source's bytes, row by row, as they were copied. */
static uint64_t hash_rows(struct sim_place from, size_t row_bytes, size_t rows, size_t pitch)
{
    XXH3_state_t *state = XXH3_createState();
    uint64_t hash = 0;

    if (state == NULL)
        return 0;
    XXH3_64bits_reset(state);
    for (size_t row = 0; row < rows; row++) {
        size_t bytes = row_bytes;
        const char *source =
            from.address != 0 ? sim_alias_of(from.address + row * pitch, &bytes) : from.pointer + row * pitch;
        if (source == NULL || bytes < row_bytes)
            goto done;
        XXH3_64bits_update(state, source, row_bytes);
    }
    hash = XXH3_64bits_digest(state);
done:
    XXH3_freeState(state);
    return hash;
}

void sim_trace_copy(const struct sim_op *op, struct sim_place to, struct sim_place from, size_t row_bytes, size_t rows,
    size_t from_pitch, bool hash)
{
    struct line line;

    line.length = 0;
    begin(&line, op);
    add(&line, ",\"bytes\":%zu,\"dst\":\"%#llx\",\"dst_location\":\"%s\",\"src\":\"%#llx\",\"src_location\":\"%s\"",
        row_bytes * rows, address_of(to), location_of(to), address_of(from), location_of(from));
    if (rows > 1)
        add(&line, ",\"rows\":%zu", rows);
    if (hash)
        add(&line, ",\"hash\":\"%016llx\"", (unsigned long long)hash_rows(from, row_bytes, rows, from_pitch));
    add_work(&line, op);
    finish(&line);
}

void sim_trace_fill(const struct sim_op *op, CUdeviceptr address, size_t bytes, uint32_t value)
{
    struct line line;

    line.length = 0;
    begin(&line, op);
    add(&line, ",\"bytes\":%zu,\"dst\":\"%#llx\",\"dst_location\":\"%s\",\"value\":%u", bytes, address,
        sim_location_name(address), value);
    add_work(&line, op);
    finish(&line);
}

void sim_trace_launch(const struct sim_op *op, const char *name)
{
    struct line line;

    line.length = 0;
    begin(&line, op);
    add(&line, ",\"launch\":");
    add_string(&line, name);
    add_work(&line, op);
    finish(&line);
}

static void add_operand(struct line *line, const char *name, const struct simcuda_matrix *matrix)
{
    static const char *const types[] = {
        [SIMCUDA_F16] = "f16", [SIMCUDA_BF16] = "bf16", [SIMCUDA_F32] = "f32", [SIMCUDA_F64] = "f64"};
    add(line,
        ",\"%s\":{\"address\":\"%#llx\",\"location\":\"%s\",\"type\":\"%s\",\"rows\":%lld,\"columns\":%lld,"
        "\"leading_dimension\":%lld,\"transposed\":%s}",
        name, matrix->address, sim_location_name(matrix->address), types[matrix->type], (long long)matrix->rows,
        (long long)matrix->columns, (long long)matrix->leading_dimension, matrix->transposed ? "true" : "false");
}

void sim_trace_gemm(
    const struct sim_op *op, const struct simcuda_gemm *gemm, bool computed, const uint64_t operand_hash[2])
{
    static const char *const names[2] = {"a_hash", "b_hash"};
    struct line line;

    line.length = 0;
    begin(&line, op);
    add(&line, ",\"gemm\":\"%s\",\"m\":%lld,\"n\":%lld,\"k\":%lld,\"batch\":%lld,\"computed\":%s", gemm->symbol,
        (long long)gemm->d.rows, (long long)gemm->d.columns,
        (long long)(gemm->a.transposed ? gemm->a.rows : gemm->a.columns), (long long)gemm->batch_count,
        computed ? "true" : "false");
    for (int i = 0; i < 2; i++) {
        if (operand_hash[i] != 0)
            add(&line, ",\"%s\":\"%016llx\"", names[i], (unsigned long long)operand_hash[i]);
        else
            add(&line, ",\"%s\":null", names[i]);
    }
    add_operand(&line, "a", &gemm->a);
    add_operand(&line, "b", &gemm->b);
    add_operand(&line, "d", &gemm->d);
    add_work(&line, op);
    finish(&line);
}

void sim_trace_error(const char *call, CUresult result)
{
    struct line line;
    const char *name = NULL;

    line.length = 0;
    sim_cuGetErrorName(result, &name);
    add(&line, "{\"call\":\"%s\",\"error\":\"%s\"", call, name != NULL ? name : "unknown");
    finish(&line);
}

void sim_trace_mark(const char *name)
{
    struct line line;

    if (!sim_trace_is_on())
        return;
    line.length = 0;
    add(&line, "{\"mark\":");
    add_string(&line, name);
    for (int i = 0; i < sim.machine.device_count; i++)
        add(&line, ",\"cuda:%d\":%zu", i, sim_physical_used(i));
    add(&line, ",\"host\":%zu,\"pointers_judged\":%llu,\"pointers_unknown\":%llu", sim_physical_used(SIM_HOST),
        (unsigned long long)sim.pointers_judged, (unsigned long long)sim.pointers_unknown);
    finish(&line);
}
