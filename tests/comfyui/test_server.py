"""The real HTTP server of an unmodified ComfyUI makes a picture, unloads, and ends.

tests/simcuda/vramspan-sim --machine 2x24gb python -m pytest tests/comfyui/test_server.py
"""

import os

import pytest

import comfy_home
import hash_checkpoint
import make_checkpoint
import planned_homes
import server


@pytest.fixture(scope="module")
def checkpoint():
    path = comfy_home.cache_folder() / "models" / make_checkpoint.DEFAULT_NAME
    make_checkpoint.make(path)
    return path


def test_picture_over_http(checkpoint):
    expected = hash_checkpoint.hashes_by_child(str(checkpoint), server.UNET_PREFIX)
    with server.Server(checkpoint) as comfyui:
        before = comfyui.account()
        assert before["models"] == []
        assert server.png_size(comfyui.make_picture(size=128, steps=2)) == (128, 128)
        loaded = comfyui.account()
        unet = server.compare_unet(loaded, expected)
        assert unet["different"] == []
        if "libvramspan" in os.environ.get("LD_PRELOAD", ""):  # with examples/sd15-three-devices.yaml
            assert unet["at"] == planned_homes.bytes_at(planned_homes.as_placed(planned_homes.of_the_example()))
        # The same prompt again is answered from ComfyUI's cache; another size is not.
        assert server.png_size(comfyui.make_picture(size=64, steps=1)) == (64, 64)
        assert server.compare_unet(comfyui.account(), expected)["different"] == []
        comfyui.free()
        freed = comfyui.account()
        assert freed["models"] == []
        assert "cuda:1" not in (freed["used"] or {})
        if freed["used"] is not None:
            for location, used in freed["used"].items():
                assert used - before["used"].get(location, 0) <= 512 << 20, location
        process = comfyui.process
        assert process.poll() is None
    assert process.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_prompt_for_a_missing_checkpoint_is_refused_in_a_sentence(tmp_path, checkpoint):
    link = tmp_path / "present.safetensors"
    link.symlink_to(checkpoint)
    with server.Server(link) as comfyui:
        comfyui.checkpoint = tmp_path / "absent.safetensors"
        with pytest.raises(server.ServerError, match="refused the prompt"):
            comfyui.make_picture()


def test_a_server_that_ends_at_once_is_reported_with_its_log(checkpoint):
    with pytest.raises(server.ServerError, match="ended with status"), server.Server(checkpoint, prefix=["false"]):
        pass
    with (
        pytest.raises(server.ServerError, match="cannot start"),
        server.Server(checkpoint, prefix=["/no/such/program"]),
    ):
        pass
