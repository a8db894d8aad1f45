"""Derives sd15_tensors.json: the names and shapes of an SD 1.5 checkpoint, from ComfyUI's own model code.

    python derive_tensors.py            prints the list
    python derive_tensors.py --check    compares it with the file in the tree, exits 1 where they differ

The models are built on PyTorch's meta device, so this needs neither memory nor a GPU; it takes ten seconds, which is
why the list is kept in the tree.
"""

import json
import pathlib
import sys

import comfy_home

LIST_FILE = pathlib.Path(__file__).with_name("sd15_tensors.json")

# What model_detection finds in an SD 1.5 file (comfy/model_detection.py, unet_config_from_diffusers_unet's SD15).
UNET = {
    "use_checkpoint": False,
    "image_size": 32,
    "out_channels": 4,
    "use_spatial_transformer": True,
    "legacy": False,
    "adm_in_channels": None,
    "in_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2, 2],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth_middle": 1,
    "use_linear_in_transformer": False,
    "context_dim": 768,
    "num_heads": 8,
    "num_head_channels": -1,
    "use_temporal_attention": False,
    "use_temporal_resblock": False,
}
# comfy/sd.py, class VAE: the configuration of a KL autoencoder of the factor 8.
VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}
# Parameters that ComfyUI's text encoder has, but SD 1.5 files do not.
NOT_IN_FILES = ("logit_scale", "text_projection.weight")


def models() -> dict[str, "torch.nn.Module"]:  # noqa: F821  (torch comes after prepare_import)
    """The checkpoint's models, without memory for their weights, by the prefixes of their tensors' names."""
    comfy_home.prepare_import()
    import comfy.options  # noqa: F401  (parses no command line)
    from comfy.cli_args import args

    args.cpu = True
    import comfy.ldm.models.autoencoder
    import comfy.ldm.modules.diffusionmodules.openaimodel
    import comfy.ops
    import comfy.sd1_clip
    import torch

    with torch.device("meta"), torch.no_grad():
        return {
            "model.diffusion_model.": comfy.ldm.modules.diffusionmodules.openaimodel.UNetModel(
                **UNET, device="meta", operations=comfy.ops.disable_weight_init
            ),
            "first_stage_model.": comfy.ldm.models.autoencoder.AutoencoderKL(ddconfig=VAE, embed_dim=4),
            "cond_stage_model.": comfy.sd1_clip.SD1ClipModel(device="meta", dtype=torch.float16).clip_l,
        }


def derive() -> dict[str, list[int]]:
    """The tensors of the file, sorted by name."""
    tensors = {}
    for prefix, module in models().items():
        for name, value in module.state_dict().items():
            if not name.endswith(NOT_IN_FILES):
                tensors[prefix + name] = list(value.shape)
    return dict(sorted(tensors.items()))


def as_text(tensors: dict[str, list[int]]) -> str:
    """One line per tensor, so that differences can be read."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in tensors.items())
    return "{\n" + lines + "\n}\n"


def main() -> int:
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__)
        return 0 if sys.argv[1:] == ["--help"] else 2
    text = as_text(derive())
    if not sys.argv[1:]:
        sys.stdout.write(text)
    elif text != LIST_FILE.read_text():
        print(f"{LIST_FILE} differs from what ComfyUI's code says: run `python derive_tensors.py > sd15_tensors.json`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
