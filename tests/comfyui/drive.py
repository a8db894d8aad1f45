"""Drives an unmodified ComfyUI in this process: load, encode, sample, unload, load again, open again; checks the bytes.

At each named point it prints one JSON object on a line of standard output (ComfyUI's own messages go to standard
error) and marks the simulator's trace with the same name:

    start, opened, loaded, encoded, sampled, unloaded, loaded-again, sampled-again, released,
    reopened, sampled-reopened, finished

    {"point": "loaded", "seconds": 5.1, "allocated": ..., "reserved": ..., "free": ..., "total": ...,
     "used": {"cuda:0": ..., "host": ...},                      the simulator's account, per location
     "weights": {"tensors": 686, "bytes": 1719041928, "equal": 686, "different": [], "at": {"cuda:0": ...}}}

`weights` compares every tensor of the UNet, where it is then, with the bytes of the checkpoint file: on a simulated
GPU through the simulator's account, on the CPU directly. The exit status is 1 where one differs, and 2 where the
wish (the allocator) was not granted. --tensors FILE gets a line per tensor and point.

Under a simulated CUDA whose kernels do not compute, values mean nothing; the sampler and scheduler chosen here read
nothing back that a kernel made.
"""

import argparse
import gc
import json
import logging
import pathlib
import re
import sys
import time

import comfy_home
import hash_checkpoint
import make_checkpoint
import simcuda_account

UNET_PREFIX = "model.diffusion_model."
UNITS = {"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}


def parse_size(text: str) -> int:
    match = re.fullmatch(r"(\d+)\s*([kmg]b)?", text.lower())
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no amount of memory: say for example 16gb")
    return int(match[1]) * UNITS[match[2] or ""]


def command_line(description: str) -> argparse.ArgumentParser:
    """What drive.py and render.py have in common."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = comfy_home.cache_folder() / "models" / make_checkpoint.DEFAULT_NAME
    parser.add_argument("--checkpoint", type=pathlib.Path, default=default, help=f"default: {default}")
    parser.add_argument("--allocator", choices=("native", "cudaMallocAsync"), default="cudaMallocAsync")
    parser.add_argument("--size", type=int, default=512, help="width and height of the picture (default 512)")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--sampler", default="euler", help="default: euler")
    parser.add_argument("--scheduler", default="karras", help="default: karras")
    parser.add_argument("--tensors", type=pathlib.Path, help="write a JSON line per UNet tensor and point to this file")
    parser.add_argument(
        "--host-memory",
        type=parse_size,
        metavar="SIZE",
        default=parse_size("16gb"),
        help="the RAM that ComfyUI is told of (default 16gb; 0: the machine's own). With less than the GPU's free "
        "memory, ComfyUI copies weights from the file's mapping straight to the GPU; with more, by way of the heap",
    )
    parser.add_argument("--cpu", action="store_true", help="run ComfyUI on the CPU, without any CUDA")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    options = parser.parse_args()
    if not options.checkpoint.is_file():
        parser.error(f"there is no checkpoint {options.checkpoint}: make_checkpoint.py makes it")
    if options.size < 64 or options.size % 64:
        parser.error(f"--size {options.size}: SD 1.5 wants a multiple of 64")
    return options


class Drive:
    cpu_weights_as_in_file = True  # else ComfyUI gives the CPU fp32 weights, which are not the file's bytes

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.began = time.monotonic()
        self.account = None if options.cpu else simcuda_account.open_account()
        self.expected = hash_checkpoint.hashes_by_child(str(options.checkpoint), UNET_PREFIX)
        self.tensor_file = options.tensors.open("w") if options.tensors else None
        self.wrong = 0
        self.model = self.clip = self.vae = None

    def import_comfy(self) -> None:
        """Imports in ComfyUI's own order (main.py): its allocator choice, torch, the rest."""
        comfy_home.prepare_import()
        from comfy.cli_args import args

        args.cpu = self.options.cpu
        args.fp16_unet = self.options.cpu and self.cpu_weights_as_in_file
        args.disable_cuda_malloc = self.options.allocator == "native"
        logging.getLogger().setLevel(logging.INFO)
        import cuda_malloc  # noqa: F401

        if self.options.host_memory:
            comfy_home.pretend_host_memory(self.options.host_memory)
        import comfy.model_management
        import comfy.sample
        import comfy.sd
        import torch

        self.torch, self.comfy = torch, comfy
        if not self.options.cpu and torch.cuda.get_allocator_backend() != self.options.allocator:
            sys.exit(f"PyTorch's allocator is {torch.cuda.get_allocator_backend()}, not {self.options.allocator}")

    def tell(self, point: str, **facts) -> None:
        """Prints the facts of a named point and marks the trace with its name."""
        line = {"point": point, "seconds": round(time.monotonic() - self.began, 2)}
        if not self.options.cpu:
            cuda = self.torch.cuda
            cuda.synchronize()
            free, total = cuda.mem_get_info()
            line |= {
                "allocated": cuda.memory_allocated(),
                "reserved": cuda.memory_reserved(),
                "free": free,
                "total": total,
            }
        if self.account:
            self.account.mark(point)
            line |= {"used": self.account.bytes_used(), "live_allocations": self.account.live_allocations()}
        if self.model is not None:
            line["weights"] = self.check_weights(point)
        print(json.dumps(line | facts), flush=True)

    def check_weights(self, point: str) -> dict:
        """Compares every tensor of the UNet with the file's bytes, and counts where they lie."""
        tensors = {UNET_PREFIX + name: tensor for name, tensor in self.model.model.diffusion_model.state_dict().items()}
        different = sorted(set(self.expected) ^ set(tensors))
        at: dict[str, int] = {}
        for name, tensor in tensors.items():
            actual, where = self.hash_of(tensor)
            equal = actual == self.expected.get(name)
            if not equal and name in self.expected:
                different.append(name)
            for location, count in where.items():
                at[location] = at.get(location, 0) + count
            if self.tensor_file:
                size = tensor.numel() * tensor.element_size()
                entry = {"point": point, "name": name, "address": tensor.data_ptr(), "bytes": size}
                print(json.dumps(entry | {"equal": equal, "at": where}), file=self.tensor_file, flush=True)
        self.wrong += len(different)
        return {
            "tensors": len(tensors),
            "bytes": sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()),
            "equal": len(tensors) - len(set(different) & set(tensors)),
            "different": different,
            "at": at,
        }

    def hash_of(self, tensor) -> tuple[str, dict[str, int]]:
        """XXH3-64 of a tensor's bytes in its memory, and their locations. A tensor on a real GPU is copied out."""
        import xxhash

        if not tensor.is_contiguous():
            raise RuntimeError("a weight is not contiguous: its bytes are not the file's")
        size = tensor.numel() * tensor.element_size()
        if tensor.is_cuda and self.account:
            return f"{self.account.hash(tensor.data_ptr(), size):016x}", self.account.bytes_at(tensor.data_ptr(), size)
        raw = tensor.detach().cpu().reshape(-1).view(self.torch.uint8).numpy()
        return xxhash.xxh3_64_hexdigest(raw), {str(tensor.device): size}

    def open_checkpoint(self) -> None:
        self.model, self.clip, self.vae, _ = self.comfy.sd.load_checkpoint_guess_config(str(self.options.checkpoint))

    def load(self) -> None:
        self.comfy.model_management.load_models_gpu([self.model])

    def encode(self) -> None:
        self.conditioning = []
        for text in ("a picture of a lighthouse", "blurred"):
            cond, pooled = self.clip.encode_from_tokens(self.clip.tokenize(text), return_pooled=True)
            self.conditioning.append([[cond, {"pooled_output": pooled}]])

    def sample(self) -> dict:
        """A picture's latent in `steps` steps, kept as `self.latent`; returns what can be said of it."""
        side = self.options.size // 8
        latent = self.torch.zeros([1, 4, side, side])
        noise = self.comfy.sample.prepare_noise(latent, 1)
        positive, negative = self.conditioning
        began = time.monotonic()
        self.latent = self.comfy.sample.sample(
            self.model, noise, self.options.steps, 7.0, self.options.sampler, self.options.scheduler, positive,
            negative, latent, disable_pbar=True, seed=1,
        )  # fmt: skip
        finite = bool(self.torch.isfinite(self.latent).all())
        return {"shape": list(self.latent.shape), "finite": finite, "sampling_seconds": round(time.monotonic() - began, 2)}

    def unload(self) -> None:
        self.comfy.model_management.unload_all_models()
        self.comfy.model_management.soft_empty_cache()

    def release(self) -> None:
        self.unload()
        self.model = self.clip = self.vae = self.conditioning = None
        gc.collect()
        if not self.options.cpu:
            self.torch._C._cuda_clearCublasWorkspaces()
        self.comfy.model_management.soft_empty_cache()

    def run(self) -> int:
        modified = comfy_home.modified_files()
        self.import_comfy()
        cuda = self.torch.cuda
        devices = [] if self.options.cpu else [cuda.get_device_name(n) for n in range(cuda.device_count())]
        backend = None if self.options.cpu else cuda.get_allocator_backend()
        with self.torch.inference_mode():
            self.tell("start", torch=self.torch.__version__, devices=devices, allocator=backend, modified=modified)
            self.open_checkpoint()
            self.tell("opened", initial_device=str(self.model.current_device))
            self.load()
            self.tell("loaded")
            self.encode()
            self.tell("encoded")
            self.tell("sampled", **self.sample())
            self.unload()
            self.tell("unloaded")
            self.load()
            self.tell("loaded-again")
            self.tell("sampled-again", **self.sample())
            self.release()
            self.tell("released")
            self.open_checkpoint()
            self.load()
            self.tell("reopened")
            self.encode()
            self.tell("sampled-reopened", **self.sample())
            self.release()
            self.tell("finished", wrong=self.wrong)
        return 1 if self.wrong or modified else 0


if __name__ == "__main__":
    sys.exit(Drive(parse(command_line(__doc__))).run())
