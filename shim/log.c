/* log.c: see log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/text/diag.h"

#define MESSAGE_BYTES 1024

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static enum vs_log_level chosen_level(void)
{
    static atomic_int level = -1;
    int known = atomic_load_explicit(&level, memory_order_relaxed);
    if (known >= 0)
        return (enum vs_log_level)known;
    const char *wish = getenv("VRAMSPAN_LOG");
    for (int i = 0; wish && i <= VS_LOG_DEBUG; i++)
        if (strcmp(wish, level_names[i]) == 0)
            known = i;
    bool unknown = known < 0;
    known = unknown ? VS_LOG_INFO : known;
    atomic_store_explicit(&level, known, memory_order_relaxed);
    if (unknown && wish)
        vs_log(VS_LOG_WARN, "log", "VRAMSPAN_LOG=%s is no level: use error, warn, info or debug", wish);
    return (enum vs_log_level)known;
}

bool vs_log_enabled(enum vs_log_level level)
{
    return level <= chosen_level();
}

static void write_all(const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(STDERR_FILENO, text, bytes);
        if (written <= 0)
            return; /* nowhere to tell it */
        text += written;
        bytes -= (size_t)written;
    }
}

void vs_log(enum vs_log_level level, const char *component, const char *format, ...)
{
    if (!vs_log_enabled(level))
        return;
    char message[MESSAGE_BYTES];
    const char *severity = level == VS_LOG_ERROR ? "error: " : level == VS_LOG_WARN ? "warning: " : "";
    int used = snprintf(message, sizeof message, "vramspan: %s: %s", component, severity);
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(message + used, sizeof message - (size_t)used, format, arguments);
    va_end(arguments);
    size_t length = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (length > sizeof message - 2)
        length = sizeof message - 2;
    message[length++] = '\n';
    write_all(message, length);
}

void vs_log_text(enum vs_log_level level, const char *text)
{
    if (vs_log_enabled(level))
        write_all(text, strlen(text));
}

void vs_log_diagnostics(const struct vs_diags *diags)
{
    struct vs_text text = {0};
    vs_diags_render(diags, &text);
    if (text.data)
        vs_log_text(diags->error_count ? VS_LOG_ERROR : VS_LOG_WARN, text.data);
    vs_text_free(&text);
}
