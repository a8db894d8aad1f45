/* log.h: what the library says to people, on stderr, one line a message: `vramspan: component: sentence`.
 *
 * VRAMSPAN_LOG=error|warn|info|debug chooses the level (default info). A process that never loads CUDA is told nothing,
 * because nothing is called. Safe from any thread and inside any hook: no lock, one write(2) a message.
 */
#ifndef VS_LOG_H
#define VS_LOG_H

#include <stdbool.h>

enum vs_log_level { VS_LOG_ERROR, VS_LOG_WARN, VS_LOG_INFO, VS_LOG_DEBUG };

bool vs_log_enabled(enum vs_log_level level);

/* Messages longer than 1 KiB are cut. A message states the cause and, where there is one, the remedy. */
void vs_log(enum vs_log_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes what policy/ has to say about a policy or a model file, as a compiler would. */
struct vs_diags;
void vs_log_diagnostics(const struct vs_diags *diags);

/* Writes a block of text (a table, diagnostics) as it is, in one piece. */
void vs_log_text(enum vs_log_level level, const char *text);

#endif
