/*
 * Prefixes and names by which the parts of model files are known. See part.h.
 *
 * Sources, in ComfyUI: vae_key_prefix, text_encoder_key_prefix, clip_vision_prefix and process_clip_state_dict of each
 * class in comfy/supported_models.py and supported_models_base.py; unet_prefix_from_state_dict in
 * comfy/model_detection.py; detect_te_model and VAE.__init__ in comfy/sd.py.
 */
#include "part.h"

#include <string.h>

const char *vs_part_name(enum vs_part part)
{
    static const char *const names[VS_PART_COUNT] = {"any", "diffusion", "text-encoder", "vae", "other"};
    return names[part];
}

struct prefix {
    const char *text;
    enum vs_part part;
};

/* A longer prefix stands before the shorter one that it begins with. */
static const struct prefix prefixes[] = {
    {"model.diffusion_model.", VS_PART_DIFFUSION}, /* every checkpoint of Stable Diffusion, and what ComfyUI saves */
    {"first_stage_model.", VS_PART_VAE},           /* SD 1.x, 2.x, SDXL, SD3: the base class's vae_key_prefix */
    {"cond_stage_model.model.visual.", VS_PART_OTHER}, /* Stable Zero123's image encoder */
    {"cond_stage_model.", VS_PART_TEXT_ENCODER},       /* SD 1.x `transformer.` (CLIP-L), 2.x `model.` (OpenCLIP-H) */
    {"conditioner.embedders.0.open_clip.model.visual.", VS_PART_OTHER}, /* Stable Video's image encoder */
    {"conditioner.embedders.1.encoder.", VS_PART_VAE},                  /* SV3D */
    {"conditioner.main_image_encoder.", VS_PART_OTHER},                 /* Hunyuan3D */
    {"conditioner.embedders.",
        VS_PART_TEXT_ENCODER},                 /* SDXL `0.` (CLIP-L) and `1.` (OpenCLIP-G); SD 2.x saved by sgm */
    {"embedder.model.visual.", VS_PART_OTHER}, /* SD 2.1 unCLIP's image encoder */
    {"text_encoders.",
        VS_PART_TEXT_ENCODER}, /* SD3 `clip_l.`, `clip_g.`, `t5xxl.`; Flux `clip_l.`, `t5xxl.`; later ones */
    {"text_encoder.", VS_PART_TEXT_ENCODER}, /* Stable Cascade */
    {"clip_l_vision.", VS_PART_OTHER},       /* Stable Cascade's image encoder */
    {"vae.", VS_PART_VAE},                   /* Flux, and most later ones */
    {"pretransform.model.", VS_PART_VAE},    /* Stable Audio */
};

static const char *const fallbacks[] = {
    "model.model.", /* Stable Audio */
    "net.",         /* Cosmos */
    "model.",       /* AuraFlow and others */
};

static bool begins(const char *name, const char *prefix, size_t *prefix_bytes)
{
    size_t bytes = strlen(prefix);
    if (strncmp(name, prefix, bytes) != 0)
        return false;
    *prefix_bytes = bytes;
    return true;
}

enum vs_part vs_part_of_name(const char *name, size_t *prefix_bytes)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (begins(name, prefixes[i].text, prefix_bytes))
            return prefixes[i].part;
    *prefix_bytes = 0;
    return VS_PART_OTHER;
}

bool vs_part_of_fallback(const char *name, size_t *prefix_bytes)
{
    for (size_t i = 0; i < sizeof fallbacks / sizeof *fallbacks; i++)
        if (begins(name, fallbacks[i], prefix_bytes))
            return true;
    return false;
}

enum vs_part vs_part_of_file_with(const char *name)
{
    static const struct prefix signatures[] = {
        {"text_model.encoder.layers.0.mlp.fc1.weight", VS_PART_TEXT_ENCODER},     /* CLIP-L, -H, -G */
        {"transformer.resblocks.0.ln_1.weight", VS_PART_TEXT_ENCODER},            /* OpenCLIP's own names */
        {"encoder.block.0.layer.0.SelfAttention.k.weight", VS_PART_TEXT_ENCODER}, /* T5 */
        {"model.layers.0.post_attention_layernorm.weight", VS_PART_TEXT_ENCODER}, /* Llama, Qwen, Gemma */
        {"model.language_model.layers.0.post_attention_layernorm.weight", VS_PART_TEXT_ENCODER}, /* Qwen-VL */
        {"enc.blk.0.attn_k.weight", VS_PART_TEXT_ENCODER},                                       /* T5 in GGUF */
        {"blk.0.attn_k.weight", VS_PART_TEXT_ENCODER},                       /* Llama, Qwen in GGUF */
        {"decoder.conv_in.weight", VS_PART_VAE},                             /* SD, SDXL, SD3, Flux */
        {"decoder.up_blocks.0.resnets.0.norm1.weight", VS_PART_VAE},         /* diffusers' names */
        {"decoder.conv_in.conv.weight", VS_PART_VAE},                        /* Hunyuan Video */
        {"decoder.middle.0.residual.0.gamma", VS_PART_VAE},                  /* Wan, Qwen-Image */
        {"decoder.up_blocks.0.res_blocks.0.conv1.conv.weight", VS_PART_VAE}, /* LTX-Video */
        {"decoder.unpatcher3d.wavelets", VS_PART_VAE},                       /* Cosmos */
        {"decoder.layers.1.layers.0.beta", VS_PART_VAE},                     /* Stable Audio */
        {"taesd_decoder.1.weight", VS_PART_VAE},                             /* TAESD */
        {"vquantizer.codebook.weight", VS_PART_VAE},                         /* Stable Cascade, stage A */
    };
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (strcmp(name, signatures[i].text) == 0)
            return signatures[i].part;
    return VS_PART_ANY;
}
