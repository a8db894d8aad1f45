"""What loading 2 GB to the simulated GPU costs beside copying them in host memory.

    vramspan-sim python tests/bench/load.py [--at-most RATIO]

The SD 1.5 checkpoint of the tests (1130 fp16 tensors) is loaded tensor by tensor, `.to("cuda")`, then synchronised; and the
same with `.clone()` on the CPU. In turns, in one process; the page cache is warm; both start without cached memory in each
round. The smallest of the rounds counts. Prints a TAP line; fails above the ratio.
"""
import argparse
import gc
import pathlib
import sys
import time

import safetensors
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "comfyui"))
import comfy_home  # noqa: E402
import make_checkpoint  # noqa: E402

ROUNDS = 5


def load(path, take):
    """Seconds to take every tensor of the file, and how many bytes that were."""
    gc.collect()
    torch.cuda.empty_cache()
    began = time.perf_counter()
    with safetensors.safe_open(path, "pt") as file:
        taken = [take(file.get_tensor(name)) for name in file.keys()]
    torch.cuda.synchronize()
    return time.perf_counter() - began, sum(tensor.nbytes for tensor in taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-most", type=float, default=1.5, help="the ratio above which this fails (1.5)")
    options = parser.parse_args()
    path = comfy_home.cache_folder() / "models" / make_checkpoint.DEFAULT_NAME
    make_checkpoint.make(path)
    device = torch.device("cuda")
    takes = {"cpu": torch.Tensor.clone, "cuda": lambda tensor: tensor.to(device)}
    load(path, takes["cpu"])  # fills the page cache
    seconds = {name: [] for name in takes}
    for _ in range(ROUNDS):
        for name, take in takes.items():
            took, size = load(path, take)
            seconds[name].append(took)
    least = {name: min(rounds) for name, rounds in seconds.items()}
    ratio = least["cuda"] / least["cpu"]
    print(f"{'ok' if ratio <= options.at_most else 'not ok'} 1 - loading {size / 1e9:.2f} GB takes {ratio:.2f} times "
          f"a copy in host memory (cuda {least['cuda']:.2f} s, clone {least['cpu']:.2f} s, smallest of {ROUNDS} rounds; "
          f"at most {options.at_most})")
    return ratio > options.at_most


if __name__ == "__main__":
    sys.exit(main())
