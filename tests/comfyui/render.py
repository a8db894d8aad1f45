"""Makes one picture with an unmodified ComfyUI in this process: checkpoint, perhaps a LoRA, sampler, VAE.

    python render.py --output picture.npz [--size 128] [--lora FILE] [--change TENSOR] ...

The latent (fp32) and the picture (fp32, 0 to 1, height x width x 3) are saved as arrays `latent` and `picture`; two
runs can be compared bit for bit. Prints one JSON object: how the time went (also that of all processors), where the
UNet's weights lay when the sampler had ended, and how many kernels the simulated CUDA computed and did not (null
elsewhere).

--change names a tensor of the UNet of which one element is changed after the load: the picture must then be another
one, which is how a test of equal pictures proves that it looks.
"""

import json
import pathlib
import sys
import time

import drive


class Render(drive.Drive):
    cpu_weights_as_in_file = False  # on the CPU the picture is made in fp32, to compare values with

    def open_lora(self) -> None:
        import comfy.utils

        lora = comfy.utils.load_torch_file(str(self.options.lora), safe_load=True)
        self.model, self.clip = self.comfy.sd.load_lora_for_models(self.model, self.clip, lora, 1.0, 1.0)

    def change_weight(self, name: str) -> None:
        """Negates the first element of a weight, where it lies."""
        weight = dict(self.model.model.diffusion_model.named_parameters())[name.removeprefix(drive.UNET_PREFIX)]
        weight.view(-1)[:1].neg_()

    def places(self) -> dict[str, int] | None:
        if self.account is None:
            return None
        at: dict[str, int] = {}
        for tensor in self.model.model.diffusion_model.state_dict().values():
            size = tensor.numel() * tensor.element_size()
            for location, count in self.account.bytes_at(tensor.data_ptr(), size).items():
                at[location] = at.get(location, 0) + count
        return at

    def run(self) -> int:
        import numpy

        seconds, began = {}, time.monotonic()
        cpu_seconds, cpu_began = {}, time.process_time()

        def timed(name: str) -> None:
            nonlocal began, cpu_began
            if not self.options.cpu:
                self.torch.cuda.synchronize()
            seconds[name] = round(time.monotonic() - began, 2)
            cpu_seconds[name] = round(time.process_time() - cpu_began, 2)
            began, cpu_began = time.monotonic(), time.process_time()

        self.import_comfy()
        with self.torch.inference_mode():
            self.open_checkpoint()
            if self.options.lora:
                self.open_lora()
            self.load()
            if self.options.change:
                self.change_weight(self.options.change)
            timed("load")
            self.encode()
            timed("encode")
            sampled = self.sample()
            timed("sample")
            places = self.places()
            picture = self.vae.decode(self.latent)[0]
            timed("decode")
        numpy.savez(self.options.output, latent=self.latent.numpy(), picture=picture.cpu().float().numpy())
        facts = sampled | {"seconds": seconds, "cpu_seconds": cpu_seconds, "weights_at": places}
        facts["kernels"] = self.account.kernels() if self.account else None
        print(json.dumps(facts), flush=True)
        return 0


def parse_command_line():
    parser = drive.command_line(__doc__)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="the .npz file to write")
    parser.add_argument("--lora", type=pathlib.Path, help="a LoRA file, applied to UNet and text encoder")
    parser.add_argument("--change", metavar="TENSOR", help="change one element of this UNet tensor after the load")
    return drive.parse(parser)


if __name__ == "__main__":
    sys.exit(Render(parse_command_line()).run())
