"""`vramspan plan` as people read it: stored texts, columns, colours, reasons, policies in force, parts of checkpoints."""
import fcntl
import glob
import itertools
import os
import pathlib
import pty
import re
import shlex
import struct
import termios
import unittest

from models import write_safetensors
from tool import ROOT, ToolTest, VRAMSPAN

STORED = ROOT / "tests/tools/plan"
MODELS = sorted(glob.glob(str(ROOT / "examples/models/*.json")))
TABLE = "examples/models/flux_dev.json"
CHECKPOINT = [("model.diffusion_model.input_blocks.0.0.weight", [320, 4, 3, 3], "F16", 2),
              ("model.diffusion_model.out.0.weight", [1024, 1024], "F16", 2),
              ("first_stage_model.decoder.conv_in.weight", [512, 512], "F32", 4),
              ("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight", [4096, 768], "F32", 4)]


class Plan(ToolTest):
    def plan(self, *arguments, **more):
        return self.vramspan("plan", *map(str, arguments), **({"cwd": ROOT} | more))

    def test_stored_texts(self):
        """Each file of tests/tools/plan is a command line, behind `$`, and everything that it says, with the status
        behind `?` where that is not 0. UPDATE_STORED=1 writes them anew, to be read before they are kept."""
        files = sorted(STORED.glob("*.txt"))
        self.assertGreater(len(files), 10)
        for file in files:
            with self.subTest(file.name):
                line = file.read_text().splitlines()[0]
                words = shlex.split(line.removeprefix("$ vramspan plan "))
                run = self.plan(*words)
                said = f"{line}\n{run.stdout}{run.stderr}" + (f"? {run.returncode}\n" if run.returncode else "")
                if os.environ.get("UPDATE_STORED"):
                    file.write_text(said)
                self.assertEqual(said, file.read_text())

    def test_a_line_of_tensors_that_takes_nothing_is_told(self):
        path = self.write("p.yaml", "version: 1\nmodels:\n- match: \"*\"\n  tensors:\n"
                                    "  - {match: \"double_blocks.0\", on: cpu}\n  - {match: \"*img_in*\", on: cpu}\n")
        run = self.plan("--policy", path, "--as", "flux.gguf", ROOT / "examples/models/flux_dev.json")
        self.assertEqual(run.stderr, f"{path}:5: warning: `double_blocks.0` fits no tensor of the model\n"
                                     "  hint: a glob must fit the whole name: did you mean `double_blocks.0*`?\n")

    def test_80_columns_are_enough_for_every_model_and_policy(self):
        """Each policy of examples/ for each file name that it is for."""
        policies = [["--policy", path, "--as", re.sub(r"\[(.)[^]]*\]", r"\1", name).replace("*", "x")]
                    for path in glob.glob(str(ROOT / "examples/*.yaml"))
                    for name in re.findall(r'"([^"]*\.(?:safetensors|gguf|sft))"', pathlib.Path(path).read_text())]
        self.assertGreaterEqual(len(policies), len(glob.glob(str(ROOT / "examples/*.yaml"))))
        policies += [
            ["--virtual-vram", "40%"], ["--virtual-vram", "100gb", "--donors", "cuda:1,cpu"],
            ["--distorch", "cuda:0,3%;cuda:1,30%;cpu,67%"], ["--distorch", "cuda:0,0.1;cpu,0.5"]]
        planned = set()
        for policy, model in itertools.product(policies, MODELS):
            run = self.plan(*policy, "--machine", "8gb+3x24gb", "--part", "text-encoder" if "t5" in model else "diffusion",
                            model)
            self.assertEqual([line for line in run.stdout.splitlines() if len(line) > 80], [], f"{policy} {model}")
            self.assertNotIn("nan", run.stdout)
            self.assertNotIn("inf", run.stdout)
            if "Memory (MB)" in run.stdout:
                planned.add(tuple(policy))
        self.assertEqual(planned, {tuple(policy) for policy in policies})

    def on_terminal(self, columns=80, **variables):
        """What a terminal of so many columns gets."""
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.plan("--virtual-vram", "8gb", TABLE, stdout=child, capture_output=False,
                  environment={"TERM": "xterm"} | variables)
        os.close(child)
        said = b""
        try:
            while part := os.read(parent, 65536):
                said += part
        except OSError: # the other end is closed
            pass
        os.close(parent)
        return said.decode().replace("\r\n", "\n")

    def test_colours_are_for_terminals_without_no_color(self):
        piped = self.plan("--virtual-vram", "8gb", TABLE).stdout
        self.assertNotIn("\x1b", piped)
        self.assertEqual(self.on_terminal(NO_COLOR="1"), piped)
        coloured = self.on_terminal()
        self.assertIn("\x1b[1m", coloured)
        self.assertEqual(re.sub(r"\x1b\[[0-9;]*m", "", coloured), piped)

    def test_a_narrow_terminal_is_not_overrun_and_a_wide_one_not_filled(self):
        for columns, most in ((40, 40), (49, 49), (54, 54), (60, 60), (200, 80)):
            text = self.on_terminal(columns, NO_COLOR="1")
            lines = text.splitlines()
            self.assertEqual(max(map(len, lines)), most, text)
            self.assertEqual(any("█" in line for line in lines), columns > 40)
            # Figures are those of any width; only the rate of a link has no room.
            self.assertRegex(text, r"\ncpu +- +- +8\.00 +36\.1% *\S*\n")
            self.assertRegex(text, r"\nLinear +314 +22700\.10 +100\.0%")
            rate = r"25\.0 +" if columns > 54 else ""
            self.assertRegex(text, rf"\ncpu to cuda:0 +8215\.50 +{rate}0\.345")

    def test_bars_are_blocks_in_utf_8_and_hashes_elsewhere(self):
        blocks = self.plan("--virtual-vram", "50%", TABLE, environment={"LC_ALL": "C.UTF-8"}).stdout
        hashes = self.plan("--virtual-vram", "50%", TABLE, environment={"LC_ALL": "C"}).stdout
        self.assertIn("█", blocks)
        self.assertTrue(hashes.isascii())
        half = re.search(r"^cpu .* 50.0%  (#+)$", hashes, re.M).group(1)
        self.assertIn(len(half), (14, 15)) # half of the columns that the table leaves

    def test_tensors_come_in_the_order_of_execution_each_once(self):
        run = self.plan("--virtual-vram", "8gb", "--tensors", TABLE)
        lines = re.findall(r"^ +(\d+) (cuda:0|cpu) +([a-z-]+) +(\S+)$", run.stdout, re.M)
        self.assertEqual(len(lines), 780)
        self.assertEqual(len({name for _, _, _, name in lines}), 780)
        self.assertEqual(sum(int(size) for size, *_ in lines), 23802816640)
        names = [name for *_, name in lines]
        self.assertLess(names.index("double_blocks.2.img_mod.lin.weight"),
                        names.index("double_blocks.10.img_mod.lin.weight"))

    def test_a_reason_names_the_line_of_the_policy(self):
        self.write("p.yaml", "version: 1\nmodels:\n  - match: \"*\"\n    virtual-vram: 8gb\n    tensors:\n"
                   "      - {match: \"img_in*\", on: cpu}\n")
        run = self.plan("--policy", "p.yaml", "--explain", "img_in.weight", ROOT / TABLE, cwd=self.folder)
        self.expect(run, 0, "img_in.weight (0.38 MB)\n  cpu: the rule `img_in*` (p.yaml:6) puts it there\n")
        run = self.plan("--policy", "p.yaml", "--explain", "single_blocks.3[0-1].linear2.weight", ROOT / TABLE,
                        cwd=self.folder)
        self.assertEqual(len(re.findall(r"^single_blocks\.3[01]\.linear2\.weight \(90\.00 MB\)\n  \S+: .*\(p.yaml:3\)$",
                                        run.stdout, re.M)), 2, run.stdout)

    def test_a_glob_that_fits_nothing_is_an_error(self):
        run = self.plan("--virtual-vram", "8gb", "--explain", "img_inn", TABLE)
        self.expect(run, 1, "", "vramspan plan: error: no tensor's name fits `img_inn`\n"
                    "  hint: see the names with --tensors\n")

    def test_what_is_in_force_is_used_and_told(self):
        run = self.plan(TABLE)
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("there is no policy", run.stderr)
        run = self.plan(TABLE, environment={"VRAMSPAN_VIRTUAL_VRAM": "8gb"})
        self.assertIn("\nPolicy: VRAMSPAN_VIRTUAL_VRAM: virtual VRAM, order spread; cuda:0 computes\n", run.stdout)
        own = self.home / ".config/vramspan"
        own.mkdir(parents=True)
        (own / "a.yaml").write_text("version: 1\nmodels:\n  - {match: \"*\", virtual-vram: 8gb}\n")
        run = self.plan(TABLE)
        self.assertIn("a.yaml:3 (your own, in force where no policy is named)", " ".join(run.stdout.split()))
        run = self.plan(TABLE, environment={"VRAMSPAN_POLICY": str(own / "a.yaml")})
        self.assertIn("a.yaml:3 (VRAMSPAN_POLICY)", " ".join(run.stdout.split()))
        run = self.plan("--virtual-vram", "1gb", TABLE, environment={"VRAMSPAN_VIRTUAL_VRAM": "8gb"})
        self.assertRegex(run.stdout, r"\ncpu +- +- +1\.00 ")

    def test_the_hosts_memory_is_told_or_told_to_be_assumed(self):
        self.write("open.yaml", "devices: [{memory: 24gb}]\n")
        self.write("said.yaml", "devices: [{memory: 24gb}]\nhost: 32gb\n")
        for machine, words, size in (("24gb", "24gb (host 64 GB assumed)", "64.00"), ("24gb+host:32gb", None, "32.00"),
                                     ("./open.yaml", "./open.yaml (host 64 GB assumed)", "64.00"),
                                     ("./said.yaml", None, "32.00"), ("host:4gb+12gb", None, "4.00")):
            run = self.plan("--virtual-vram", "40%", "--machine", machine, ROOT / TABLE, cwd=self.folder)
            self.assertIn(f"\nMachine: {words or machine}\n", run.stdout)
            self.assertRegex(run.stdout, rf"\ncpu +{size} ")
            self.assertEqual(run.returncode, int(size == "4.00"))

    def test_what_is_wrong_is_said_of_the_option_that_says_it(self):
        for words, said in (
            ("--virtual-vram 8gb --devices cuda:1 --machine 24gb", "--devices:1:1: error: `cuda:1` is to compute"),
            ("--virtual-vram 8gb --donors cpu,cuda:1 --machine 24gb", "--donors:1:5: error: `cuda:1` is to lend"),
            ("--virtual-vram 8gb --modules examples/models/t5xxl.json", "--modules: error: the table of modules"),
            ("--distorch cuda:0,1gb;cuda:2,* --machine 24gb", "--distorch: error: `cuda:2` is not there")):
            run = self.plan(*words.split(), TABLE)
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            self.assertTrue(run.stderr.startswith(said), run.stderr)

    def test_a_small_bar1_is_told_beside_the_memory_that_is_there(self):
        """DisTorch's fractions are of the card's memory, as DisTorch has them, whatever of it can be mapped."""
        words = "cuda:1 lends 0.25 GB at most: other devices can map no more of it (bar1)\n"
        run = self.plan("--virtual-vram", "8gb", "--donors", "cuda:1,cpu", "--machine", "2x24gb-small-bar1", TABLE)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertRegex(run.stdout, r"\ncuda:1 +24\.00 +1\.0% +0\.25 ")
        self.assertRegex(run.stdout, r"\ncpu +64\.00 +12\.1% +7\.75 ")
        self.assertEqual(run.stdout.count(words), 1)
        run = self.plan("--distorch", "cuda:0,0.5;cuda:1,0.25", "--machine", "2x24gb-small-bar1", TABLE)
        self.assertRegex(run.stdout, r"\ncuda:1 +24\.00 +25\.0% +6\.00 ")
        self.assertIn("does not fit: cuda:1 has room for 256.00 MB", run.stdout)
        self.assertEqual(run.returncode, 1)
        self.assertNotIn("(bar1)", self.plan("--virtual-vram", "8gb", "--machine", "2x24gb-small-bar1", TABLE).stdout)

    def test_parts_of_a_checkpoint_are_planned_by_the_sections_that_name_them(self):
        write_safetensors(self.folder / "sd.safetensors", CHECKPOINT)
        policy = ('version: 1\nmodels:\n  - {match: "sd*", part: vae, on: cpu}\n'
                  '  - {match: "sd*", virtual-vram: 50%}\n')
        self.write("p.yaml", policy)
        run = self.plan("--policy", "p.yaml", "sd.safetensors", cwd=self.folder)
        self.assertEqual(re.findall(r"^sd\.safetensors: (.*?), (\d+) tensors", run.stdout, re.M),
                         [("diffusion", "2"), ("vae", "1")])
        self.write("p.yaml", policy.replace("part: vae", "part: text-encoder"))
        run = self.plan("--policy", "p.yaml", "--part", "text-encoder", "sd.safetensors", cwd=self.folder)
        self.assertEqual(re.findall(r"^sd\.safetensors: (.*?), ", run.stdout, re.M), ["text-encoder"])
        run = self.plan("--policy", "p.yaml", "--part", "vae", "sd.safetensors", cwd=self.folder)
        self.assertEqual(re.findall(r"^sd\.safetensors: (.*?), ", run.stdout, re.M), ["vae"])
        run = self.plan("--policy", "p.yaml", "--part", "other", "sd.safetensors", cwd=self.folder)
        self.expect(run, 1, "", "sd.safetensors: error: the file holds no part `other`: it holds diffusion, "
                    "text-encoder, vae\n  hint: leave --part out, or name one that is there\n")

    def test_formats_that_the_program_loads_are_counted(self):
        write_safetensors(self.folder / "m.safetensors", [("a.weight", [512, 512], "F32", 4), ("a.ids", [1024], "I64", 8)])
        for dtype, expected in (("fp32", 1.01), ("fp16", 0.51), ("fp8_e4m3fn", 0.26)):
            run = self.plan("--virtual-vram", "1gb", "--dtype", dtype, "m.safetensors", cwd=self.folder)
            self.assertIn(f" tensors, {expected} MB ({dtype})", run.stdout)

    def test_a_learned_order_is_followed(self):
        write_safetensors(self.folder / "m.safetensors",
                          [(f"blocks.{i}.weight", [1024, 1024], "F16", 2) for i in range(4)])
        self.write("order.txt", "# as of a run\nblocks.3.weight\nblocks.1.weight\r\n\nblocks.0.weight\nblocks.2.weight\n")
        for option in ("--learned", "--execution-order"):
            run = self.plan("--virtual-vram", "50%", "--tensors", option, "order.txt", "m.safetensors", cwd=self.folder)
            self.assertEqual(re.findall(r"blocks\.(\d)\.weight$", run.stdout, re.M), ["3", "1", "0", "2"])
            self.assertIn("Order of execution: as learned, for 4 of 4 tensors\n", run.stdout)
        run = self.plan("--virtual-vram", "50%", "--tensors", "m.safetensors", cwd=self.folder)
        self.assertEqual(re.findall(r"blocks\.(\d)\.weight$", run.stdout, re.M), ["0", "1", "2", "3"])

    def test_an_order_of_another_model_is_told_and_one_of_a_part_counted(self):
        self.write("order.txt", "blocks.0.weight\nblocks.1.weight\n")
        run = self.plan("--virtual-vram", "8gb", "--learned", self.folder / "order.txt", TABLE)
        self.assertEqual((run.returncode, run.stderr), (0, f"{self.folder}/order.txt: warning: it names no tensor of "
                         "flux_dev.json: the order is not used\n  hint: write the names as they are in the file, one a "
                         "line\n"))
        self.assertIn("\nOrder of execution: of the module table flux_dev\n", run.stdout)
        self.write("order.txt", "img_in.weight\ntxt_in.weight\nelsewhere.weight\nimg_in.weight\n")
        run = self.plan("--virtual-vram", "8gb", "--learned", self.folder / "order.txt", TABLE)
        self.assertIn("\nOrder of execution: as learned, for 2 of 780 tensors\n", run.stdout)

    def test_every_mistake_of_the_command_line_is_told_at_once(self):
        run = self.plan("--virtual-vram", "8gbb", "--dtype", "bf61", "--card", "25gb", "--link", "pcie4x16",
                        "--compute-ms", "-1", "--part", "vea", "--machine", "2x24", TABLE)
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        for option, hint in (("--virtual-vram", ""), ("--dtype", "did you mean `bf16`?"),
                             ("--card", "did you mean `24gb`?"), ("--link", "did you mean `pcie4-x16`?"),
                             ("--compute-ms", "--compute-ms 660"), ("--part", "did you mean `vae`?"),
                             ("--machine", "2x24gb")):
            self.assertRegex(run.stderr, rf"(?m)^{option}:1:\d+: error: ")
            self.assertIn(hint, run.stderr)

    def test_no_model_is_a_usage_error(self):
        run = self.plan("--virtual-vram", "8gb")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("name a MODEL", run.stderr)

    def test_machines_are_found_by_name_from_anywhere(self):
        link = self.folder / "link"
        link.symlink_to(VRAMSPAN)
        for program in (VRAMSPAN, link):
            run = self.vramspan("plan", "--machine", "2x24gb-no-peer", "--virtual-vram", "8gb", "--donors", "cuda:1",
                                ROOT / TABLE, executable=program)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("`cuda:1` cannot lend memory: `cuda:0` cannot map it; its share passes to `cpu`", run.stderr)
            self.assertRegex(run.stdout, r"\ncpu +64\.00 +12\.5% +8\.00 ")


if __name__ == "__main__":
    unittest.main()
