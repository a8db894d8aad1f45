"""Writes a model's module table, which no model file holds and DisTorch's order goes by:

    python export_modules.py MODEL TABLE.json      from ComfyUI's folder; MODEL is a diffusion model of its
    vramspan plan --modules TABLE.json MODEL

Or, for any PyTorch model at hand, from Python: `export_modules.export(model, "TABLE.json")`.
"""

import json
import sys


def export(model, path, name="exported"):
    """`model` is the torch.nn.Module whose names stand in the model file (behind a prefix, if there is one)."""
    modules = []
    for module_name, module in model.named_modules():
        own = [tensor_name for tensor_name, _ in module.named_parameters(recurse=False)]
        if any(tensor_name not in own for tensor_name, _ in module.named_parameters()):
            continue  # only modules without modules below them that have weights are moved
        if not own and not hasattr(module, "comfy_cast_weights"):
            continue
        tensors = [[tensor_name, list(tensor.shape)] for tensor_name, tensor in module.state_dict().items()]
        entry = {"name": module_name, "type": type(module).__name__, "has_bias_attr": hasattr(module, "bias")}
        modules.append(entry | {"tensors": tensors})
    name = name.translate({ord('"'): "_", ord("\\"): "_"})  # tables have no escapes
    with open(path, "w", encoding="utf-8") as file:
        lines = ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in modules)
        file.write(f'{{"model": "{name}", "modules": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.path.insert(0, ".")  # ComfyUI's folder
    import comfy.sd

    load = getattr(comfy.sd, "load_diffusion_model", None) or comfy.sd.load_unet  # the name before mid 2024
    export(load(sys.argv[1]).model.diffusion_model, sys.argv[2], sys.argv[1].rsplit("/", 1)[-1])
