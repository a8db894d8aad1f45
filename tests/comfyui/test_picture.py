"""The picture that an unmodified ComfyUI makes under libvramspan.so equals the picture without it, bit for bit.

    python -m pytest tests/comfyui/test_picture.py          (the environment is checked; `make check` sets it)

Every kernel of the run computes on the simulated CUDA, the UNet's weights lie in three places by
examples/sd15-three-devices.yaml, and latent and picture are compared as bits. That the comparison looks is proved by
changing one element of one weight. PICTURE_SIZE (default 64) chooses the side.
"""

import functools
import io
import json
import os
import pathlib
import subprocess
import sys

import numpy
import PIL.Image
import pytest

import comfy_home
import make_checkpoint
import make_lora
import server

HERE = pathlib.Path(__file__).resolve().parent
POLICY = HERE.parent.parent / "examples" / "sd15-three-devices.yaml"
SIZE = int(os.environ.get("PICTURE_SIZE", "64"))
ALLOCATORS = ("cudaMallocAsync", "native")
# A weight that the policy leaves to the second GPU (test_spread.py); its product reaches every pixel.
A_WEIGHT = "model.diffusion_model.middle_block.1.transformer_blocks.0.ff.net.2.weight"


@pytest.fixture(scope="module")
def render(tmp_path_factory):
    """render(preload, allocator, *arguments) -> (facts, latent, picture); equal runs are made once."""
    folder = tmp_path_factory.mktemp("pictures")
    checkpoint = comfy_home.cache_folder() / "models" / make_checkpoint.DEFAULT_NAME
    make_checkpoint.make(checkpoint)
    library = os.environ.get("VRAMSPAN_LIBRARY")
    assert library, "VRAMSPAN_LIBRARY names libvramspan.so; `make check` sets it"

    @functools.cache
    def run(preload: bool, allocator: str, *arguments: str):
        environment = dict(os.environ, SIMCUDA_MACHINE="2x24gb", SIMCUDA_COMPUTE="all")
        environment.pop("LD_PRELOAD", None)
        if preload:
            environment |= {"LD_PRELOAD": library, "VRAMSPAN_POLICY": str(POLICY)}
        output = folder / f"{len(list(folder.iterdir()))}.npz"
        command = [sys.executable, str(HERE / "render.py"), "--output", str(output), "--checkpoint", str(checkpoint)]
        command += ["--size", str(SIZE), "--allocator", allocator, *arguments]
        child = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
        assert child.returncode == 0, child.stderr[-4000:]
        saved = numpy.load(output)
        facts = json.loads(child.stdout.splitlines()[-1])
        print(f"{'shim' if preload else 'plain'} {allocator} {arguments}: {facts['seconds']}")
        return facts, saved["latent"], saved["picture"]

    run.checkpoint = checkpoint
    return run


def bits(array: numpy.ndarray) -> bytes:
    return numpy.ascontiguousarray(array).tobytes()


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_every_kernel_of_a_picture_is_computed(render, allocator):
    kernels = render(False, allocator)[0]["kernels"]
    assert kernels["launched"] > 1000
    assert kernels["computed"] == kernels["launched"], kernels
    assert kernels["pointers_judged"] > 0.9 * kernels["pointers"]


@pytest.mark.skipif(SIZE > 128, reason="the limit is for 128 pixels")
def test_a_picture_takes_a_minute_at_most(render):
    seconds = render(False, ALLOCATORS[0])[0]["cpu_seconds"]  # of all threads: other programs do not count
    assert seconds["encode"] + seconds["sample"] + seconds["decode"] <= 60, seconds


def test_a_picture_is_not_one_colour(render):
    _, latent, picture = render(False, ALLOCATORS[0])
    assert numpy.isfinite(latent).all() and numpy.isfinite(picture).all()
    assert latent.shape == (1, 4, SIZE // 8, SIZE // 8) and picture.shape == (SIZE, SIZE, 3)
    assert latent.std() > 0.1
    assert picture.std() > 0.01 and len(numpy.unique(picture)) > 1000


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_under_the_library_the_picture_is_the_same_bit_for_bit(render, allocator):
    facts, latent, picture = render(True, allocator)
    plain, plain_latent, plain_picture = render(False, allocator)
    assert set(facts["weights_at"]) == {"cuda:0", "cuda:1", "host"}
    assert set(plain["weights_at"]) == {"cuda:0"}
    assert bits(latent) == bits(plain_latent)
    assert bits(picture) == bits(plain_picture)


def test_with_a_lora_the_picture_is_another_one_and_the_same_under_the_library(render, tmp_path_factory):
    path = tmp_path_factory.mktemp("lora") / "patterned-lora.safetensors"
    make_lora.make(path)
    facts, latent, picture = render(True, ALLOCATORS[0], "--lora", str(path))
    _, plain_latent, plain_picture = render(False, ALLOCATORS[0], "--lora", str(path))
    assert facts["kernels"]["computed"] == facts["kernels"]["launched"]
    assert bits(latent) == bits(plain_latent)
    assert bits(picture) == bits(plain_picture)
    assert bits(picture) != bits(render(False, ALLOCATORS[0])[2])


def test_over_http_the_pngs_are_the_same_under_the_library(render, tmp_path):
    """ComfyUI's own server and nodes; a picture, and one with LoraLoader. For the latter this ComfyUI takes the model back
    to RAM and sends it again without opening its file, which the library does not place yet."""
    make_lora.make(tmp_path / "patterned-lora.safetensors")
    environment = dict(os.environ, SIMCUDA_MACHINE="2x24gb", SIMCUDA_COMPUTE="all")
    environment.pop("LD_PRELOAD", None)
    library = {"LD_PRELOAD": os.environ["VRAMSPAN_LIBRARY"], "VRAMSPAN_POLICY": str(POLICY)}

    def pictures(extra):
        with server.Server(render.checkpoint, environment=environment | extra, loras=tmp_path) as comfyui:
            pngs = [comfyui.make_picture(size=SIZE)]
            places = server.compare_unet(comfyui.account(), {})["at"]
            pngs.append(comfyui.make_picture(size=SIZE, lora="patterned-lora.safetensors"))
        return [numpy.asarray(PIL.Image.open(io.BytesIO(png))) for png in pngs], places

    pixels, places = pictures(library)
    plain_pixels, plain_places = pictures({})
    assert set(places) == {"cuda:0", "cuda:1", "host"} and set(plain_places) == {"cuda:0"}
    for picture, plain in zip(pixels, plain_pixels):
        assert picture.shape == (SIZE, SIZE, 3) and len(numpy.unique(picture)) > 200
        assert numpy.array_equal(picture, plain)
    assert not numpy.array_equal(*pixels)


def test_one_changed_element_of_one_weight_is_seen_in_the_picture(render):
    changed = render(True, ALLOCATORS[0], "--change", A_WEIGHT)
    assert bits(changed[1]) != bits(render(True, ALLOCATORS[0])[1])
    assert bits(changed[2]) != bits(render(True, ALLOCATORS[0])[2])


def test_values_are_those_of_comfyui_on_the_cpu(render):
    """Not bit for bit: ComfyUI computes in fp32 on the CPU, in fp16 on a GPU."""
    _, latent, _ = render(False, ALLOCATORS[0])
    _, on_cpu, _ = render(False, ALLOCATORS[0], "--cpu")
    assert numpy.corrcoef(latent.ravel(), on_cpu.ravel())[0, 1] > 0.9999
