/*
 * The models that one file may hold. A checkpoint has several, a file from `unet/` or `text_encoders/` has one.
 */
#ifndef VRAMSPAN_POLICY_PART_H
#define VRAMSPAN_POLICY_PART_H

enum vs_part {
    VS_PART_ANY, /* of a section of a policy: it is for every part */
    VS_PART_DIFFUSION,
    VS_PART_TEXT_ENCODER,
    VS_PART_VAE,
};

#endif
