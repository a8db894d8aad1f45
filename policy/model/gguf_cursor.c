/*
 * Walking a GGUF header. See gguf_cursor.h.
 */
#include "gguf_cursor.h"

#include <inttypes.h>
#include <string.h>

enum { ARRAY_DEPTH_MAX = 4 }; /* arrays of arrays are allowed, and written by nobody */

/* Refuses what reaches beyond the file or the longest header. */
static int check_left(const struct vs_gguf_cursor *cursor, uint64_t bytes)
{
    const struct vs_input *input = cursor->input;
    if (bytes > input->bytes - cursor->offset)
        return vs_input_refuse(input, VS_HINT_PARTIAL,
            "its header needs %" PRIu64 " bytes from byte %" PRIu64 " on, but the whole file has %" PRIu64, bytes,
            cursor->offset, input->bytes);
    if (cursor->offset + bytes > VS_HEADER_BYTES_MAX)
        return vs_input_refuse(input, "check that this is the file that was meant",
            "its header is longer than %d bytes, which no model's is", VS_HEADER_BYTES_MAX);
    return 0;
}

int vs_gguf_take(struct vs_gguf_cursor *cursor, void *to, size_t bytes)
{
    if (check_left(cursor, bytes))
        return -1;
    for (size_t done = 0; done < bytes;) {
        uint64_t in_buffer = cursor->offset - cursor->buffer_offset;
        if (in_buffer >= cursor->buffer_bytes) {
            uint64_t left = cursor->input->bytes - cursor->offset;
            size_t filled = left < sizeof cursor->buffer ? (size_t)left : sizeof cursor->buffer;
            cursor->buffer_bytes = 0;
            if (vs_input_read(cursor->input, cursor->buffer, filled, cursor->offset))
                return -1;
            cursor->buffer_offset = cursor->offset;
            cursor->buffer_bytes = filled;
            in_buffer = 0;
        }
        size_t count = cursor->buffer_bytes - (size_t)in_buffer;
        count = count < bytes - done ? count : bytes - done;
        memcpy((char *)to + done, cursor->buffer + in_buffer, count);
        cursor->offset += count;
        done += count;
    }
    return 0;
}

int vs_gguf_skip(struct vs_gguf_cursor *cursor, uint64_t bytes)
{
    if (check_left(cursor, bytes))
        return -1;
    cursor->offset += bytes;
    return 0;
}

static int take_number(struct vs_gguf_cursor *cursor, size_t bytes, uint64_t *value)
{
    unsigned char raw[8];
    if (vs_gguf_take(cursor, raw, bytes))
        return -1;
    *value = 0;
    while (bytes--)
        *value = *value << 8 | raw[bytes];
    return 0;
}

int vs_gguf_u16(struct vs_gguf_cursor *cursor, uint16_t *value)
{
    uint64_t number = 0;
    int result = take_number(cursor, sizeof *value, &number);
    *value = (uint16_t)number;
    return result;
}

int vs_gguf_u32(struct vs_gguf_cursor *cursor, uint32_t *value)
{
    uint64_t number = 0;
    int result = take_number(cursor, sizeof *value, &number);
    *value = (uint32_t)number;
    return result;
}

int vs_gguf_u64(struct vs_gguf_cursor *cursor, uint64_t *value)
{
    return take_number(cursor, sizeof *value, value);
}

int vs_gguf_length(struct vs_gguf_cursor *cursor, uint64_t *bytes)
{
    return vs_gguf_u64(cursor, bytes) || check_left(cursor, *bytes) ? -1 : 0;
}

/* Bytes of a value by its type; 0: a text or an array. */
static const unsigned char value_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static int skip_values(struct vs_gguf_cursor *cursor, uint32_t type, uint64_t count, unsigned depth);

static int skip_array(struct vs_gguf_cursor *cursor, unsigned depth)
{
    uint32_t type;
    uint64_t count;
    if (depth > ARRAY_DEPTH_MAX)
        return vs_input_refuse(cursor->input, VS_GGUF_DAMAGED_HINT,
            "its metadata holds arrays of arrays at byte %" PRIu64 ", nested deeper than %d", cursor->offset,
            ARRAY_DEPTH_MAX);
    if (vs_gguf_u32(cursor, &type) || vs_gguf_u64(cursor, &count))
        return -1;
    return skip_values(cursor, type, count, depth);
}

/* Each turn of the loop passes eight bytes or more, or fails: the file ends it. */
static int skip_values(struct vs_gguf_cursor *cursor, uint32_t type, uint64_t count, unsigned depth)
{
    uint64_t bytes;
    if (type >= sizeof value_bytes)
        return vs_input_refuse(cursor->input, VS_GGUF_DAMAGED_HINT,
            "its metadata holds a value of the unknown type %" PRIu32 " before byte %" PRIu64, type, cursor->offset);
    if (value_bytes[type])
        return vs_gguf_skip(
            cursor, __builtin_mul_overflow(count, (uint64_t)value_bytes[type], &bytes) ? UINT64_MAX : bytes);
    while (count--) {
        if (type == VS_GGUF_ARRAY ? skip_array(cursor, depth + 1)
                                  : vs_gguf_length(cursor, &bytes) || vs_gguf_skip(cursor, bytes))
            return -1;
    }
    return 0;
}

int vs_gguf_skip_value(struct vs_gguf_cursor *cursor, uint32_t type)
{
    return skip_values(cursor, type, 1, 0);
}
