"""Makes a LoRA file for make_checkpoint.py's SD 1.5: rank 4, fp16, patterned bytes, for attention weights of the UNet
and of the text encoder, under the names that trainers give them (lora_unet_..., lora_te_...).

    python make_lora.py PATH

Like the checkpoint's, its bytes follow from names alone. Its values are small enough to change a picture without
drowning it.
"""

import pathlib
import re
import sys

import numpy

import make_checkpoint

RANK = 4
UNET = "model.diffusion_model."
TEXT = "cond_stage_model.transformer."


def patched_weights() -> dict[str, tuple[str, list[int]]]:
    """LoRA module name: (weight's name in the checkpoint, its shape), for the cross attention's and text encoder's q, v.

    A trainer names UNet modules as diffusers does, or with the checkpoint's own path; ComfyUI knows both, and the
    checkpoint's path needs no table of blocks here."""
    found = {}
    for name, shape in make_checkpoint.tensor_list().items():
        if name.startswith(UNET) and re.search(r"attn2\.to_(q|v)\.weight$", name):
            module = "lora_unet_" + name.removeprefix(UNET).removesuffix(".weight").replace(".", "_")
            found[module] = (name, shape)
        elif name.startswith(TEXT) and re.search(r"self_attn\.(q|v)_proj\.weight$", name):
            module = "lora_te_" + name.removeprefix(TEXT).removesuffix(".weight").replace(".", "_")
            found[module] = (name, shape)
    return found


def tensors() -> dict[str, numpy.ndarray]:
    """All tensors of the file, fp16."""
    made = {}
    for module, (_, shape) in patched_weights().items():
        out, inner = shape[0], shape[1]
        for part, part_shape in (("lora_up", [out, RANK]), ("lora_down", [RANK, inner])):
            name = f"{module}.{part}.weight"
            bits = make_checkpoint.tensor_bytes(name, part_shape)
            made[name] = bits.view(numpy.float16).reshape(part_shape)
        made[f"{module}.alpha"] = numpy.array(2.0, dtype=numpy.float16)
    return made


def make(path: pathlib.Path) -> None:
    import safetensors.numpy

    safetensors.numpy.save_file(tensors(), path, metadata={"format": "pt"})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make(pathlib.Path(sys.argv[1]))
