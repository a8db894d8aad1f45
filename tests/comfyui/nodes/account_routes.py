"""A custom node folder's only file for the real ComfyUI server: it adds no node, but two HTTP routes that observe.

    GET  /account           the simulated CUDA's account: {"used": {location: bytes}, "live_allocations": n,
                            "models": [{"class", "tensors": {name: {"bytes", "hash", "at": {location: bytes}}}}]}
                            hash is the XXH3-64 of a tensor's bytes as the device sees them
    POST /account/mark      {"name": ...}: a line with the bytes per location in the simulator's trace

On the CPU or a real GPU there is no account: `used` is null, and hashes are made from copies.
"""

import pathlib
import sys

import comfy.model_management
import torch
import xxhash
from aiohttp import web

from server import PromptServer

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import comfy_home
import simcuda_account

# With less RAM than free GPU memory ComfyUI sends weights from the file straight to the GPU, as on a small machine.
comfy_home.pretend_host_memory(16 << 30)

NODE_CLASS_MAPPINGS: dict = {}


def account_or_none():
    return None if comfy.model_management.cpu_mode() else simcuda_account.open_account()


def describe(tensor: torch.Tensor) -> dict:
    size = tensor.numel() * tensor.element_size()
    account = account_or_none()
    if tensor.is_cuda and account:
        where = account.bytes_at(tensor.data_ptr(), size)
        return {"bytes": size, "hash": f"{account.hash(tensor.data_ptr(), size):016x}", "at": where}
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return {"bytes": size, "hash": xxhash.xxh3_64_hexdigest(raw), "at": {str(tensor.device): size}}


@PromptServer.instance.routes.get("/account")
async def get_account(_request: web.Request) -> web.Response:
    account = account_or_none()
    if account:
        torch.cuda.synchronize()
    models = []
    for loaded in comfy.model_management.current_loaded_models:
        module = loaded.model.model
        tensors = {name: describe(tensor) for name, tensor in module.state_dict().items()}
        models.append({"class": type(module).__name__, "tensors": tensors})
    return web.json_response(
        {
            "used": account.bytes_used() if account else None,
            "live_allocations": account.live_allocations() if account else None,
            "models": models,
        }
    )


@PromptServer.instance.routes.post("/account/mark")
async def post_mark(request: web.Request) -> web.Response:
    account = account_or_none()
    if account:
        account.mark((await request.json())["name"])
    return web.Response(status=200)
