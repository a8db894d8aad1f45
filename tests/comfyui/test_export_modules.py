"""examples/export_modules.py writes what DisTorch2 sees of a model: compared with the table that DisTorch2 itself left
(tests/policy/golden) for the U-Net that ComfyUI's own code makes. Under a (simulated) CUDA, which PyTorch wants to be there.

python -m pytest tests/comfyui/test_export_modules.py
"""

import json
import pathlib
import subprocess
import sys

import numpy
import safetensors.numpy

import comfy_home
import make_checkpoint

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GOLDEN = ROOT / "tests" / "policy" / "golden" / "models" / "sd15_unet.json"


def run(script: str, *arguments):
    """In a Python of its own: ComfyUI is imported before PyTorch there."""
    paths = f"import sys; sys.path[:0] = {[str(ROOT / 'examples'), str(HERE)]!r}\n"
    command = [sys.executable, "-c", paths + script, *map(str, arguments)]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr[-3000:]


def golden_modules() -> list[dict]:
    modules = json.loads(GOLDEN.read_text(encoding="utf-8"))["modules"]
    assert len(modules) == 391
    for module in modules:
        del module["bytes"]
        module["tensors"] = [tensor[:2] for tensor in module["tensors"]]
    return modules


def test_comfyuis_unet_gives_the_table_that_distorch2_saw(tmp_path):
    table_file = tmp_path / "table.json"
    script = "import derive_tensors, export_modules\n"
    script += "export_modules.export(derive_tensors.models()['model.diffusion_model.'], sys.argv[1], 'unet')\n"
    run(script, table_file)
    table = json.loads(table_file.read_text(encoding="utf-8"))
    assert table["model"] == "unet"
    assert table["modules"] == golden_modules()


ODD_MODEL = '''
import torch, export_modules

class Marked(torch.nn.Module):  # ComfyUI's LayerNorm without weights: moved all the same
    comfy_cast_weights = False
    bias = None

class Odd(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3))  # of a module with modules below: DisTorch2 moves those only
        self.last_named_first = torch.nn.Linear(2, 4)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(2, 2, bias=False), Marked()])
        self.norm = torch.nn.BatchNorm1d(5)  # has buffers
        self.activation = torch.nn.SiLU()  # has neither weights nor the mark
        self.add_module("größe", torch.nn.ParameterList([torch.zeros(7, 1)]))

export_modules.export(Odd(), sys.argv[1], 'a "model" of C:\\\\models')
'''


def test_leaf_modules_in_order_of_definition_with_buffers_and_bias_attribute(tmp_path):
    run(ODD_MODEL, tmp_path / "table.json")
    text = (tmp_path / "table.json").read_text(encoding="utf-8")
    assert "\\" not in text  # which vramspan does not read in tables
    assert json.loads(text)["model"] == "a _model_ of C:_models"
    modules = json.loads(text)["modules"]
    told = [(module["name"], module["type"], module["has_bias_attr"], module["tensors"]) for module in modules]
    scalar_and_vectors = [["weight", [5]], ["bias", [5]], ["running_mean", [5]], ["running_var", [5]]]
    assert told == [
        ("last_named_first", "Linear", True, [["weight", [4, 2]], ["bias", [4]]]),
        ("blocks.0", "Linear", True, [["weight", [2, 2]]]),  # its bias is None, which is an attribute
        ("blocks.1", "Marked", True, []),
        ("norm", "BatchNorm1d", True, scalar_and_vectors + [["num_batches_tracked", []]]),
        ("größe", "ParameterList", False, [["0", [7, 1]]]),
    ]


def test_called_wrongly_it_tells_how():
    child = subprocess.run([sys.executable, ROOT / "examples" / "export_modules.py"], capture_output=True, text=True)
    assert child.returncode == 1
    assert "export_modules.py MODEL TABLE.json" in child.stderr


def test_from_comfyuis_folder_a_diffusion_model_file_is_exported(tmp_path):
    """The command of the docstring, with a file that holds the U-Net alone."""
    prefix = "model.diffusion_model."
    unet = {
        tensor[len(prefix) :]: numpy.zeros(shape, numpy.float16)
        for tensor, shape in make_checkpoint.tensor_list().items()
        if tensor.startswith(prefix)
    }
    safetensors.numpy.save_file(unet, tmp_path / "unet.safetensors")
    command = [sys.executable, ROOT / "examples" / "export_modules.py", tmp_path / "unet.safetensors"]
    child = subprocess.run(
        command + [tmp_path / "table.json"], cwd=comfy_home.comfy_folder(), capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr[-3000:]
    table = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert table["model"] == "unet.safetensors"
    assert table["modules"] == golden_modules()
