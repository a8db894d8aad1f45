/*
 * The module tables of examples/models/, inside the library: whoever has the library has them, without files.
 * vs_builtin_tables (module_table.h) is an array that ends with zeros.
 *
 * `table MODEL, ANCHOR`: the anchor is a tensor of the table that the other tables do not have, so that most files are
 * told apart without reading a table.
 */
        .macro  table model:req, anchor:req
        .section .rodata.vs_tables, "a"
\model\()_text:
        .incbin "examples/models/\model\().json"
\model\()_end:
        .byte   0
\model\()_anchor:
        .asciz  "\anchor"
        .section .data.rel.ro.vs_tables, "aw"
        .quad   \model\()_anchor, \model\()_text, \model\()_end - \model\()_text
        .endm

        .section .data.rel.ro.vs_tables, "aw"
        .balign 8
        .globl  vs_builtin_tables
        .hidden vs_builtin_tables
        .type   vs_builtin_tables, %object
vs_builtin_tables:
        table   flux_dev, double_blocks.0.img_attn.qkv.weight
        table   qwen_image, transformer_blocks.0.img_mlp.net.0.proj.weight
        table   wan21_14b, blocks.0.cross_attn.norm_k.weight
        table   t5xxl, encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight
        table   sdxl_unet, input_blocks.4.1.transformer_blocks.1.attn2.to_k.weight
        table   sd15_unet, input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight
        .quad   0, 0, 0
        .size   vs_builtin_tables, . - vs_builtin_tables

        .section .note.GNU-stack, "", %progbits
