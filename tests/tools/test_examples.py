"""The plans in the comments of examples/*.yaml are what `vramspan plan` says.

A comment holds the command, to be given at the top of the source tree, and what it prints from the last table of
devices on, up to what is assumed:

    #     $ vramspan plan --policy examples/sdxl-8gb.yaml --machine 8gb --as sd_xl_base_1.0.safetensors \\
    #         examples/models/sdxl_unet.json
    #     Device                  Tensors  Memory (MB)  % Total
    ...

UPDATE_STORED=1 brings the comments up to date, to be read before they are kept.
"""
import json
import os
import re
import shlex
import subprocess

from tool import ROOT, VRAMSPAN, ToolTest

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
INDENT = "#     "
BLOCK = re.compile(r"^#     \$ vramspan .*\n(?:#     .*\n|#\n(?=#     ))*", re.MULTILINE)
# The case of every example: what it is for, and the least that a plan for it is to show.
WANTED = {
    "sd15-three-devices": ("sd15_unet", {"cuda:0", "cuda:1", "cpu"}),
    "sdxl-8gb": ("sdxl_unet", {"cuda:0", "cpu"}),
    "flux-12gb-and-ram": ("flux_dev", {"cuda:0", "cpu"}),
    "flux-two-24gb-cards": ("flux_dev", {"cuda:0", "cuda:1"}),
    "wan21-14b-two-cards": ("wan21_14b", {"cuda:0", "cuda:1", "cpu"}),
    "qwen-image-24gb-and-ram": ("qwen_image", {"cuda:0", "cpu"}),
    "t5-on-second-card": ("t5xxl", {"cuda:1"}),
}


def lines_of(block):
    return [line[len(INDENT) :] for line in block.splitlines()]


def split(block):
    """The command, put together from its lines, and the lines under it."""
    command, *rest = lines_of(block)
    while command.endswith("\\"):
        command = command[:-1] + rest.pop(0)
    return shlex.split(command)[2:], rest


def plan(arguments, environment):
    return subprocess.run(
        [VRAMSPAN, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def excerpt(output):
    lines = output.splitlines()
    first = next(i for i, line in enumerate(lines) if re.match(r"Device +(?:Tensors|Layers) ", line))
    last = next((i for i, line in enumerate(lines) if line.startswith("Assumed")), len(lines))
    return lines[first:last]


class Examples(ToolTest):
    def renewed(self, block):
        arguments, _ = split(block.group())
        command = re.match(r"(?:.*\\\n)*.*\n", block.group()).group()
        told = excerpt(plan(arguments, self.environment).stdout)
        return command + "".join(f"{INDENT}{line}".rstrip() + "\n" for line in told)

    def test_each_whose_model_is_larger_than_the_card_tells_the_limit(self):
        larger = set()
        for path in EXAMPLES:
            text = path.read_text(encoding="utf-8")
            arguments, _ = split(BLOCK.search(text).group())
            report = json.loads(plan([*arguments, "--json"], self.environment).stdout)["plans"][0]
            card = next(device["total_bytes"] for device in report["devices"] if device["compute"])
            if report["model"]["bytes"] > card:
                larger.add(path.stem)
                self.assertIn("(vramspan-run(1), LIMITS)", text, path.name)
        self.assertEqual(larger, {"flux-12gb-and-ram", "wan21-14b-two-cards", "qwen-image-24gb-and-ram"})

    def test_each_has_the_plan_that_its_model_gets(self):
        self.assertEqual({path.stem for path in EXAMPLES}, set(WANTED))
        for path in EXAMPLES:
            with self.subTest(example=path.name):
                if os.environ.get("UPDATE_STORED"):
                    path.write_text(BLOCK.sub(self.renewed, path.read_text(encoding="utf-8")), encoding="utf-8")
                blocks = BLOCK.findall(path.read_text(encoding="utf-8"))
                self.assertGreaterEqual(len(blocks), 1)
                for block in blocks:
                    arguments, told = split(block)
                    self.assertEqual(arguments[:3], ["plan", "--policy", f"examples/{path.name}"])
                    run = plan(arguments, self.environment)
                    self.assertEqual((run.returncode, run.stderr), (0, ""))
                    self.assertEqual(told, excerpt(run.stdout))
                model, devices = WANTED[path.stem]
                arguments, told = split(blocks[0])
                self.assertEqual(arguments[-1], f"examples/models/{model}.json")
                holding = {line.split()[0] for line in told[: told.index("")] if re.search(r" [1-9][0-9.]* ", line)}
                self.assertEqual(holding & {"cuda:0", "cuda:1", "cpu"}, devices)
