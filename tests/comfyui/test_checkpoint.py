"""The patterned checkpoint is what it claims to be. Needs no CUDA and no PyTorch.

python -m pytest tests/comfyui
"""

import json
import math
import struct

import numpy
import pytest

import comfy_home
import hash_checkpoint
import make_checkpoint

TENSORS = make_checkpoint.tensor_list()
SMALL = {name: shape for name, shape in TENSORS.items() if math.prod(shape) <= 1 << 20}


@pytest.fixture
def small_file(tmp_path, monkeypatch):
    """A checkpoint of the first tensors only, made as the whole one is."""
    some = dict(list(SMALL.items())[:25])
    monkeypatch.setattr(make_checkpoint, "tensor_list", lambda: some)
    path = tmp_path / "small.safetensors"
    assert make_checkpoint.make(path)
    return path, some


def test_comfyui_is_unmodified():
    assert comfy_home.modified_files() == []


def test_number_of_tensors_and_bytes():
    """1130 tensors, 1066235307 parameters: SD 1.5. The UNet alone: 686 tensors, 1719041928 bytes in fp16."""
    assert len(TENSORS) == 1130
    assert sum(math.prod(shape) for shape in TENSORS.values()) == 1066235307
    unet = [shape for name, shape in TENSORS.items() if name.startswith("model.diffusion_model.")]
    assert (len(unet), sum(2 * math.prod(shape) for shape in unet)) == (686, 1719041928)


def test_values_are_finite_and_not_subnormal():
    for name, shape in SMALL.items():
        values = make_checkpoint.tensor_bytes(name, shape).view(numpy.float16)
        assert numpy.isfinite(values).all(), name
        assert (numpy.abs(values) >= 2.0**-14).all(), name


def test_no_two_tensors_are_equal():
    seen = {}
    for name, shape in SMALL.items():
        content = make_checkpoint.tensor_bytes(name, shape).tobytes()
        assert content not in seen, (name, seen.get(content))
        seen[content] = name


def test_no_two_pages_of_a_tensor_are_equal():
    """The largest tensor, page by page as small as an allocator's 64 KiB."""
    name = max(TENSORS, key=lambda name: math.prod(TENSORS[name]))
    content = make_checkpoint.tensor_bytes(name, TENSORS[name]).tobytes()
    pages = [content[n : n + 65536] for n in range(0, len(content) - 65536, 65536)]
    assert len(pages) > 1000 and len(set(pages)) == len(pages)


def test_bytes_follow_from_the_name_alone():
    name = "model.diffusion_model.input_blocks.0.0.weight"
    first = make_checkpoint.tensor_bytes(name, TENSORS[name])
    assert numpy.array_equal(first, make_checkpoint.tensor_bytes(name, TENSORS[name]))
    assert not numpy.array_equal(first, make_checkpoint.tensor_bytes(name + "x", TENSORS[name]))


def test_file_is_laid_out_as_the_library_writes_it(small_file, tmp_path):
    import safetensors.numpy

    path, tensors = small_file
    arrays = {
        name: make_checkpoint.tensor_bytes(name, shape).view(numpy.float16).reshape(shape)
        for name, shape in tensors.items()
    }
    by_library = tmp_path / "by-library.safetensors"
    metadata = {"format": "pt", "pattern": make_checkpoint.PATTERN_VERSION}
    safetensors.numpy.save_file(arrays, by_library, metadata=metadata)

    def header_and_data(file):
        content = file.read_bytes()
        (size,) = struct.unpack("<Q", content[:8])
        return json.loads(content[8 : 8 + size]), content[8 + size :]

    assert header_and_data(path) == header_and_data(by_library)


def test_complete_file_is_left_alone_and_another_is_replaced(small_file):
    path, _ = small_file
    content = path.read_bytes()
    assert make_checkpoint.make(path) is False
    path.write_bytes(content[:-1])
    assert make_checkpoint.make(path) is True
    assert path.read_bytes() == content
    assert not path.with_name(path.name + ".partial").exists()


def test_hashes_are_those_of_the_tensors_bytes(small_file):
    import xxhash

    path, tensors = small_file
    hashes = hash_checkpoint.hashes_by_child(str(path))
    assert hashes == {
        name: xxhash.xxh3_64_hexdigest(make_checkpoint.tensor_bytes(name, shape)) for name, shape in tensors.items()
    }
    only = hash_checkpoint.hashes_by_child(str(path), "cond_stage_model.transformer.text_model.embeddings.")
    assert 0 < len(only) < len(hashes)
