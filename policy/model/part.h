/*
 * The parts of a model file: a checkpoint holds several models in one file, told apart by the prefixes of their
 * tensors' names; other files hold one, told by the names of a few tensors.
 */
#ifndef VRAMSPAN_POLICY_PART_H
#define VRAMSPAN_POLICY_PART_H

#include <stdbool.h>
#include <stddef.h>

enum vs_part {
    VS_PART_ANY, /* all tensors, whatever they belong to */
    VS_PART_DIFFUSION,
    VS_PART_TEXT_ENCODER,
    VS_PART_VAE,
    VS_PART_OTHER, /* of a checkpoint: image encoders, averaged copies, constants of the schedule */
    VS_PART_COUNT,
};

/* As policies write it: "any", "diffusion", "text-encoder", "vae", "other". */
const char *vs_part_name(enum vs_part part);

/*
 * The part that a tensor's name tells by its prefix, and the prefix's length; VS_PART_OTHER and 0 for a name without a
 * known prefix, also one that tells only together with others (vs_part_of_fallback).
 */
enum vs_part vs_part_of_name(const char *name, size_t *prefix_bytes);
/* Diffusion models of checkpoints in which no tensor has the usual prefix (`model.diffusion_model.`). */
bool vs_part_of_fallback(const char *name, size_t *prefix_bytes);

/* The part that a file without any prefix is, if this tensor's name says so; else VS_PART_ANY. */
enum vs_part vs_part_of_file_with(const char *name);

#endif
