/*
 * What a user says about a run, wherever it is said, and the policy that comes of it.
 *
 *     on the command line    --policy FILE, --virtual-vram 8gb, --distorch STRING, --donors ...
 *     in the environment     VRAMSPAN_POLICY, VRAMSPAN_VIRTUAL_VRAM, VRAMSPAN_DONORS ...
 *     in policy files        `virtual-vram:`, `donors:` ...
 *
 * What stands above wins. VRAMSPAN_POLICY names a file or a folder of files. An allocation that is said outside of
 * files (virtual VRAM or a DisTorch string) is one section for all models and takes the place of all `models:`; what
 * the files say about the machine stays. A policy on the command line takes the place of an allocation in the
 * environment. Where neither a policy nor an allocation is named, the files in $XDG_CONFIG_HOME/vramspan
 * (~/.config/vramspan) are read.
 *
 * A variable that is empty counts as not set. Any thread; reads files and the environment that it is given.
 */
#ifndef VRAMSPAN_POLICY_SETTINGS_H
#define VRAMSPAN_POLICY_SETTINGS_H

#include "backing_wish.h"
#include "policy.h"
#include "visible_devices.h"

enum vs_setting {
    VS_SETTING_POLICY,
    VS_SETTING_VIRTUAL_VRAM,
    VS_SETTING_DISTORCH,
    VS_SETTING_DEVICES,
    VS_SETTING_DONORS,
    VS_SETTING_COMPUTE_RESERVE,
    VS_SETTING_HOST_RESERVE,
    VS_SETTING_ON_ERROR,
    VS_SETTING_BACKENDS,
    VS_SETTING_COUNT,
};

/* Where settings come from. */
struct vs_said {
    const char *options[VS_SETTING_COUNT];                    /* of the command line; NULL: not given */
    const char *(*variable)(void *context, const char *name); /* as getenv */
    void *context;
};

/* A setting as it was said. */
struct vs_setting_value {
    const char *text; /* NULL: nowhere */
    const char *name; /* for messages: "--donors", "VRAMSPAN_DONORS" */
};

const char *vs_setting_variable(enum vs_setting setting);
/* The value that counts. `vramspan run` hands those down in the variables, and takes the other variables away. */
struct vs_setting_value vs_setting_in_force(const struct vs_said *said, enum vs_setting setting);

/* vs_said.variable of this process: getenv. */
const char *vs_variable_of_process(void *context, const char *name);
/* The setting that models get their shares from; VS_SETTING_COUNT where none is said (the user's own folder may be
 * there). */
enum vs_setting vs_setting_of_shares(const struct vs_said *said);

/* The folder of the user's own policies, written into `folder`; false where the environment tells no home. */
bool vs_settings_folder(const struct vs_said *said, char *folder, size_t size);

struct vs_settings {
    bool has_policy;         /* else nothing is asked for, and the policy is empty but for its machine */
    struct vs_policy policy; /* with everything that was said above it worked in */
    struct vs_device_id devices[VS_DONORS_MAX]; /* that the program sees, in its order; CUDA devices, each once */
    struct vs_said_at device_at[VS_DONORS_MAX];
    size_t device_count;             /* 0: nothing is said: all that the user's own environment leaves */
    struct vs_backing_wish backings; /* what may provide memory */
    bool hides_donors;               /* donors were said outside of files: the program does not see them */
};

/* Whether anything is said that a run would have to follow, or the user's own folder is there. Looks at the folder
 * itself only; reads nothing. */
bool vs_settings_are_said(const struct vs_said *said);

/* Returns 0, or -1 with at least one error added and *settings empty, but for policy.on_error. */
int vs_settings_load(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags);
/* The part of it that no file says: devices, hides_donors and, where those are said, policy.donors. Reads no file, and
 * *settings needs no freeing. Returns 0, or -1 with at least one error added. */
int vs_settings_load_devices(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags);
/* What the settings say about devices; refers to them. */
struct vs_device_wish vs_settings_device_wish(const struct vs_settings *settings);

/* The program's first device, which computes where nothing says another (the `first_device` of vs_section_wish), as far
 * as the settings alone tell. */
struct vs_device_id vs_settings_first_device(const struct vs_settings *settings);

void vs_settings_free(struct vs_settings *settings);

#endif
