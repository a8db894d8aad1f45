/*
 * Which tensors of a file belong to which part, and which of them count by themselves. Names are those of real files.
 */
#include "../support.h"

#include "../../../policy/model/model.h"

#include <stdlib.h>
#include <string.h>

TestSuite(model, .fini = expect_no_leaks);

#define D VS_PART_DIFFUSION
#define T VS_PART_TEXT_ENCODER
#define V VS_PART_VAE
#define O VS_PART_OTHER

struct named {
    const char *name;
    enum vs_part part;
    const char *stem; /* behind the prefix */
};

/* A tensor of 1 byte, one of 2, one of 4, and so on, so that a sum of bytes tells which it is of. */
static struct vs_model make(const struct named *tensors)
{
    struct vs_diags diags = {0};
    struct vs_text json = {0};
    struct vs_model model;
    uint64_t offset = 0;
    for (size_t i = 0; tensors[i].name; i++) {
        uint64_t bytes = UINT64_C(1) << i;
        vs_text_printf(&json, "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}", i ? "," : "{",
            tensors[i].name, (size_t)bytes, (size_t)offset, (size_t)(offset + bytes));
        offset += bytes;
    }
    vs_text_append(&json, "}", 1);
    struct vs_header file = expect_header(json.data, offset);
    vs_text_free(&json);
    cr_assert_eq(vs_model_init(&model, &file, &diags), 0);
    cr_expect_null(file.tensors); /* taken over */
    return model;
}

static void expect_parts(const char *what, const struct named *tensors)
{
    struct vs_model model = make(tensors);
    uint64_t bytes[VS_PART_COUNT] = {0};
    size_t count = 0;
    for (; tensors[count].name; count++) {
        const struct vs_tensor *tensor = &model.file.tensors[count];
        const char *stem = tensors[count].stem ? tensors[count].stem : tensors[count].name;
        cr_expect_str_eq(tensor->name, tensors[count].name);
        cr_expect_eq(
            tensor->part, tensors[count].part, "%s: `%s` is %s", what, tensor->name, vs_part_name(tensor->part));
        cr_expect_str_eq(tensor->name + tensor->prefix_bytes, stem);
        bytes[tensors[count].part] += UINT64_C(1) << count;
        bytes[VS_PART_ANY] += UINT64_C(1) << count;
    }
    for (int part = 0; part < VS_PART_COUNT; part++) {
        const struct vs_tensors *some = &model.parts[part];
        cr_expect_eq(some->bytes, bytes[part], "%s: %s has %zu bytes", what, vs_part_name(part), (size_t)some->bytes);
        for (size_t i = 0; i < some->count; i++) {
            cr_expect(part == VS_PART_ANY || (int)some->items[i]->part == part);
            cr_expect(!i || some->items[i - 1]->file_offset < some->items[i]->file_offset);
        }
    }
    cr_expect_eq(model.parts[VS_PART_ANY].count, count);
    vs_model_free(&model);
}

Test(model, parts_of_checkpoints_are_told_by_prefixes)
{
    expect_parts("SD 1.x", (const struct named[]){{"alphas_cumprod", O, NULL},
                               {"cond_stage_model.transformer.text_model.embeddings.position_embedding.weight", T,
                                   "transformer.text_model.embeddings.position_embedding.weight"},
                               {"first_stage_model.decoder.conv_in.weight", V, "decoder.conv_in.weight"},
                               {"model.diffusion_model.input_blocks.0.0.weight", D, "input_blocks.0.0.weight"},
                               {"model_ema.decay", O, NULL}, {"model.diffusion_modelx", O, NULL}, {NULL, 0, NULL}});
    expect_parts("SD 2.x", (const struct named[]){{"cond_stage_model.model.transformer.resblocks.0.ln_1.weight", T,
                                                      "model.transformer.resblocks.0.ln_1.weight"},
                               {"first_stage_model.quant_conv.weight", V, "quant_conv.weight"},
                               {"model.diffusion_model.out.2.weight", D, "out.2.weight"},
                               {"embedder.model.visual.proj", O, "proj"}, /* unCLIP */
                               {NULL, 0, NULL}});
    expect_parts("SDXL",
        (const struct named[]){{"conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight", T,
                                   "0.transformer.text_model.encoder.layers.0.mlp.fc1.weight"},
            {"conditioner.embedders.1.model.transformer.resblocks.0.ln_1.weight", T,
                "1.model.transformer.resblocks.0.ln_1.weight"},
            {"first_stage_model.decoder.conv_in.weight", V, "decoder.conv_in.weight"},
            {"model.diffusion_model.label_emb.0.0.weight", D, "label_emb.0.0.weight"}, {"denoiser.sigmas", O, NULL},
            {NULL, 0, NULL}});
    expect_parts(
        "SD3", (const struct named[]){{"text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.weight", T,
                                          "clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.weight"},
                   {"text_encoders.clip_g.transformer.text_model.final_layer_norm.weight", T,
                       "clip_g.transformer.text_model.final_layer_norm.weight"},
                   {"text_encoders.t5xxl.transformer.shared.weight", T, "t5xxl.transformer.shared.weight"},
                   {"first_stage_model.decoder.conv_in.weight", V, "decoder.conv_in.weight"},
                   {"model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight", D,
                       "joint_blocks.0.context_block.attn.qkv.weight"},
                   {NULL, 0, NULL}});
    expect_parts("Flux", (const struct named[]){{"model.diffusion_model.double_blocks.0.img_attn.qkv.weight", D,
                                                    "double_blocks.0.img_attn.qkv.weight"},
                             {"text_encoders.clip_l.transformer.text_model.final_layer_norm.weight", T,
                                 "clip_l.transformer.text_model.final_layer_norm.weight"},
                             {"text_encoders.t5xxl.transformer.shared.weight", T, "t5xxl.transformer.shared.weight"},
                             {"vae.decoder.conv_in.weight", V, "decoder.conv_in.weight"}, {NULL, 0, NULL}});
    expect_parts(
        "Stable Video", (const struct named[]){{"conditioner.embedders.0.open_clip.model.visual.proj", O, "proj"},
                            {"model.diffusion_model.out.2.weight", D, "out.2.weight"}, {NULL, 0, NULL}});
    expect_parts("SV3D", (const struct named[]){{"conditioner.embedders.1.encoder.conv_in.weight", V, "conv_in.weight"},
                             {"model.diffusion_model.out.2.weight", D, "out.2.weight"}, {NULL, 0, NULL}});
    expect_parts("Stable Zero123",
        (const struct named[]){{"cc_projection.weight", O, NULL}, {"cond_stage_model.model.visual.proj", O, "proj"},
            {"model.diffusion_model.out.2.weight", D, "out.2.weight"}, {NULL, 0, NULL}});
    expect_parts("Stable Cascade",
        (const struct named[]){
            {"clip_l_vision.vision_model.post_layernorm.weight", O, "vision_model.post_layernorm.weight"},
            {"model.diffusion_model.clf.1.weight", D, "clf.1.weight"},
            {"text_encoder.text_model.final_layer_norm.weight", T, "text_model.final_layer_norm.weight"},
            {"vae.vquantizer.codebook.weight", V, "vquantizer.codebook.weight"}, {NULL, 0, NULL}});
    expect_parts("Hunyuan3D",
        (const struct named[]){{"conditioner.main_image_encoder.model.layernorm.weight", O, "model.layernorm.weight"},
            {"model.latent_in.weight", D, "latent_in.weight"}, {"vae.post_kl.weight", V, "post_kl.weight"},
            {NULL, 0, NULL}});
    expect_parts("Stable Audio",
        (const struct named[]){{"conditioner.conditioners.seconds_start.embedder.embedding.0.weights", O, NULL},
            {"model.model.to_cond_embed.0.weight", D, "to_cond_embed.0.weight"},
            {"pretransform.model.decoder.layers.0.weight_v", V, "decoder.layers.0.weight_v"}, {NULL, 0, NULL}});
    expect_parts("AuraFlow",
        (const struct named[]){{"model.double_layers.0.attn.w1q.weight", D, "double_layers.0.attn.w1q.weight"},
            {"text_encoders.pile_t5xl.transformer.shared.weight", T, "pile_t5xl.transformer.shared.weight"},
            {"vae.decoder.conv_in.weight", V, "decoder.conv_in.weight"}, {NULL, 0, NULL}});
}

/* A name that a prefix begins only in part tells nothing. */
Test(model, without_a_prefix_is_one_part_told_by_a_name)
{
    static const struct {
        const char *what, *name;
        enum vs_part part;
    } cases[] = {
        {"Flux", "double_blocks.0.img_attn.qkv.weight", D},
        {"SD 1.x, its UNet alone", "input_blocks.0.0.weight", D},
        {"Wan", "blocks.0.self_attn.q.weight", D},
        {"no checkpoint", "x.model.diffusion_model.y", D},
        {"CLIP", "text_model.encoder.layers.0.mlp.fc1.weight", T},
        {"OpenCLIP", "transformer.resblocks.0.ln_1.weight", T},
        {"T5", "encoder.block.0.layer.0.SelfAttention.k.weight", T},
        {"Llama, Qwen", "model.layers.0.post_attention_layernorm.weight", T},
        {"T5 in GGUF", "enc.blk.0.attn_k.weight", T},
        {"Qwen in GGUF", "blk.0.attn_k.weight", T},
        {"VAE", "decoder.conv_in.weight", V},
        {"VAE of diffusers", "decoder.up_blocks.0.resnets.0.norm1.weight", V},
        {"VAE of Wan", "decoder.middle.0.residual.0.gamma", V},
        {"TAESD", "taesd_decoder.1.weight", V},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_parts(
            cases[i].what, (const struct named[]){{"first", cases[i].part, NULL}, {cases[i].name, cases[i].part, NULL},
                               {"last", cases[i].part, NULL}, {NULL, 0, NULL}});
}

Test(model, of_a_checkpoint_the_diffusion_part_counts)
{
    struct vs_model model = make((const struct named[]){{"cond_stage_model.x", T, NULL},
        {"model.diffusion_model.b", D, NULL}, {"first_stage_model.y", V, NULL}, {"model.diffusion_model.a", D, NULL},
        {"model.diffusion_modelx", O, NULL}, {NULL, 0, NULL}});
    cr_assert_eq(model.tensor_count, 2);
    cr_expect_str_eq(model.tensors[0]->name, "model.diffusion_model.b");
    cr_expect_str_eq(model.tensors[1]->name, "model.diffusion_model.a");
    cr_expect_eq(model.total_bytes, 2 + 8);
    cr_expect_eq(model.file.tensor_count, 5);
    vs_model_free(&model);
}

Test(model, of_any_other_file_all_tensors_count)
{
    const struct named *const files[] = {
        (const struct named[]){{"double_blocks.0", D, NULL}, {"x.model.diffusion_model.y", D, NULL}, {NULL, 0, NULL}},
        (const struct named[]){
            {"encoder.block.0.layer.0.SelfAttention.k.weight", T, NULL}, {"shared.weight", T, NULL}, {NULL, 0, NULL}},
        (const struct named[]){{"first_stage_model.a", V, NULL}, {"other", O, NULL}, {NULL, 0, NULL}},
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        struct vs_model model = make(files[i]);
        cr_expect_eq(model.tensor_count, 2);
        cr_expect_eq(model.total_bytes, 3);
        vs_model_free(&model);
    }
}

Test(model, without_tensors_has_none_in_any_part)
{
    struct vs_diags diags = {0};
    struct vs_header file = expect_header("{}", 0);
    struct vs_model model;
    cr_assert_eq(vs_model_init(&model, &file, &diags), 0);
    cr_expect_eq(model.tensor_count, 0);
    for (int part = 0; part < VS_PART_COUNT; part++)
        cr_expect_eq(model.parts[part].count, 0);
    vs_model_free(&model);
}
