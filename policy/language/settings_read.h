/*
 * What the files settings*.c share: settings as words that messages can show, and the part about devices.
 */
#ifndef VRAMSPAN_POLICY_SETTINGS_READ_H
#define VRAMSPAN_POLICY_SETTINGS_READ_H

#include "settings.h"

/* A value as a source of its own, for messages that show it. Must outlive the words in it. */
struct vs_setting_source {
    struct vs_source source;
    struct vs_word word; /* all of it */
};

/* False where it is said nowhere. */
bool vs_setting_get(const struct vs_said *said, enum vs_setting setting, struct vs_setting_source *value);

/* Reads --devices and --donors (settings_devices.c). */
void vs_read_seen_and_donors(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags);
/* Chooses the compute device where no file says one, and adds what cannot be true together. */
void vs_check_seen_and_donors(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags);

#endif
