"""`vramspan check --machine`: what the policy asks for and the machine has not, and where that is said."""

import unittest

from models import write_safetensors
from tool import ToolTest


class Machine(ToolTest):
    def said(self, machine, policy, *options, status=0):
        path = self.write("p.yaml", policy)
        run = self.vramspan("check", path.name, "--machine", machine, *options)
        self.assertEqual(run.returncode, status, run.stderr)
        self.assertEqual(run.stdout != "", status == 0)
        self.idle = run.stdout.partition("\n")[2]
        return run.stderr

    def section(self, section, machine=""):
        return f'version: 1\n{machine}models:\n  - {{match: "a*.gguf", {section}}}\n'

    def test_nothing_is_said_of_what_can_be_honoured(self):
        for section in (
            'distorch: "cuda:0,20gb;cuda:1,24gb;cpu,*"',
            "virtual-vram: 20gb",
            "virtual-vram: 60%",
            "on: cuda:1",
            'distorch: "cuda:0,0.5;cuda:1,1;cpu,1"',
            'distorch: "cuda:0,8%;cuda:1,8%;cpu,4%"',
            'distorch: "#cuda:0;20;cuda:1,cpu"',
            'tensors: [{match: "*", on: cuda:1}]',
        ):
            self.assertEqual(
                self.said(
                    "2x24gb",
                    self.section(
                        section, "compute-reserve: 23gb\ndonors: [cuda:1, cpu]\n" if "virtual" in section else ""
                    ),
                ),
                "",
            )

    def test_a_part_of_a_model_that_is_not_known_is_never_too_much(self):
        self.assertEqual(self.said("8gb", self.section("virtual-vram: 60%", 'donors: "cpu:512mb"\n')), "")

    def test_devices_that_are_not_there(self):
        text = self.said("2x24gb", self.section("on: cuda:2"), status=1)
        self.assertIn("p.yaml:3:28: error: `cuda:2` is not there: the machine has cuda:0, cuda:1, cpu\n", text)
        for machine, place in (("compute: cuda:5\n", "2:10"), ("donors: [cpu, cuda:5]\n", "2:15")):
            text = self.said("2x24gb", self.section("virtual-vram: 1gb", machine), status=1)
            self.assertRegex(
                text,
                rf"^p.yaml:{place}: error: `cuda:5` is to (compute|lend memory), and the machine has no such "
                r"device\n  hint: it has `cuda:0` to `cuda:1`, and `cpu`\n$",
            )
        text = self.said("24gb", self.section("virtual-vram: 1gb"), "--devices=cuda:0,cuda:1", status=1)
        self.assertIn(
            "--devices:1:8: error: `cuda:1` is to be seen by the program, and the machine has no such device\n"
            "  hint: it has `cuda:0` and",
            text,
        )
        for section in ('distorch: "cuda:0,1gb;cuda:7,*"', 'tensors: [{match: "*", on: cuda:7}]'):
            self.assertIn("error: `cuda:7` is not there", self.said("2x24gb", self.section(section), status=1))

    def test_what_is_wrong_is_pointed_at_where_it_is_said(self):
        """In a folder the file counts, outside of files the option or the variable, and its part."""
        self.write("folder/a.yaml", "version: 1\ncompute-reserve: 1gb\ndonors:\n  - cpu\n  - cuda:4\n")
        self.write("folder/b.yaml", self.section("on: cpu"))
        run = self.vramspan("check", "folder", "--machine", "8gb")
        self.assertIn("folder/a.yaml:5:5: error: `cuda:4` is to", run.stderr)
        self.assertIn(
            "--donors:1:5: error: `cuda:2` is to lend",
            self.said("24gb", self.section("on: cpu"), "--donors=cpu,cuda:2", status=1),
        )
        self.assertIn(
            "--compute-reserve:1:1: error: `compute-reserve` of 30gb leaves nothing",
            self.said("24gb", self.section("on: cpu", "compute-reserve: 1gb\n"), "--compute-reserve=30gb", status=1),
        )
        said = {"VRAMSPAN_VIRTUAL_VRAM": "1gb", "VRAMSPAN_DEVICES": "cuda:1"}
        run = self.vramspan("check", "--machine", "24gb", environment=said)
        self.assertTrue(run.stderr.startswith("VRAMSPAN_DEVICES:1:1: error: `cuda:1` is to compute, and"), run.stderr)
        spread = 'version: 1\nmodels:\n  - match: "a*"\n    order: spread\n'
        spread += '    distorch: "cuda:0,1gb;cuda:1,25gb;cpu,*"\n'
        self.assertIn("p.yaml:5:16: warning: `cuda:1` has room for 24576 MB", self.said("2x24gb", spread))

    def test_shares_that_cannot_be_mapped_pass_on(self):
        words = "p.yaml:3:35: warning: `cuda:1` cannot lend memory: `cuda:0` cannot map it; its share passes to `cpu`\n"
        for machine in ("2x24gb-no-peer", "2x24gb-peer-lies"):
            for section in (
                'distorch: "cuda:0,1gb;cuda:1,1gb;cpu,*"',
                'distorch: "cuda:0,1gb;cuda:1,*"',
                'distorch: "cuda:0,10%;cuda:1,90%"',
                'distorch: "cuda:0,0.1;cuda:1,0.5"',
                'distorch: "cuda:0,1gb;cuda:1,1gb;cpu,*", order: spread',
            ):
                self.assertEqual(self.said(machine, self.section(section)), words)
        virtual = self.section("virtual-vram: 8gb", "donors: [cuda:1, cpu]\n")
        self.assertEqual(self.said("2x24gb-no-peer", virtual), words.replace(":3:35:", ":4:38:"))
        self.assertEqual(self.said("2x24gb", virtual), "")

    def test_what_is_named_and_cannot_be_mapped_is_an_error(self):
        for section in ("on: cuda:1", 'tensors: [{match: "*", on: cuda:1}]'):
            self.assertIn(
                "error: `on: cuda:1` cannot be had: it cannot lend memory: `cuda:0` cannot map it",
                self.said("2x24gb-no-peer", self.section(section), status=1),
            )

    def test_sizes_beyond_the_memory_there_is(self):
        self.assertIn(
            "p.yaml:2:18: error: `compute-reserve` of 24gb leaves nothing of `cuda:0`, which has 24gb",
            self.said("24gb", self.section("virtual-vram: 1gb", "compute-reserve: 24gb\n"), status=1),
        )
        self.assertIn(
            "p.yaml:2:15: error: `host-reserve` of 64gb leaves nothing of `cpu`, which has 64gb, to weights",
            self.said("24gb", self.section("virtual-vram: 1gb", "host-reserve: 64gb\n"), status=1),
        )
        self.assertIn(
            "p.yaml: warning: the usual `host-reserve` of 2gb leaves nothing of `cpu`, which has 2gb",
            self.said("24gb+host:2gb", self.section("virtual-vram: 1gb")),
        )
        self.assertIn(
            "p.yaml: warning: the usual `compute-reserve` of 1.5gb leaves nothing of `cuda:0`, which has 1gb",
            self.said("1gb", self.section("virtual-vram: 1gb")),
        )
        self.assertIn(
            "p.yaml:2:10: warning: `cpu` is to lend up to 63gb, and can lend 62gb\n"
            "  hint: 64gb are assumed of the host, of which `host-reserve` keeps 2gb; 24gb+host:96gb",
            self.said("24gb", self.section("virtual-vram: 1gb", 'donors: "cpu:63gb"\n')),
        )
        self.assertEqual(self.said("24gb+host:67gb", self.section("virtual-vram: 1gb", 'donors: "cpu:65gb"\n')), "")
        self.assertEqual(
            self.said("24gb+host:65gb", self.section("virtual-vram: 1gb", 'donors: "cpu:65gb"\n'), "--host-reserve=0b"), ""
        )
        self.assertIn(
            "`cpu` is to lend up to 65gb, and can lend 30gb\n"
            "  hint: of 32gb, `host-reserve` keeps 2gb for the program itself and what else runs there\n",
            self.said("24gb+host:32gb", self.section("virtual-vram: 1gb", 'donors: "cpu:65gb"\n')),
        )
        self.assertIn(
            "`cuda:1` is to lend up to 24.5gb, and has 24gb",
            self.said("2x24gb", self.section("virtual-vram: 1gb", 'donors: "cuda:1:24.5gb"\n')),
        )
        self.assertIn(
            "p.yaml:3:38: warning: 65gb of virtual VRAM are asked for, and the donors lend 62gb\n",
            self.said("24gb", self.section("virtual-vram: 65gb")),
        )
        self.assertIn(
            "p.yaml:2:11: warning: `cuda:1` is to lend up to 1gb, and can lend 256mb\n"
            "  hint: other devices can map no more of it",
            self.said("2x24gb-small-bar1", self.section("virtual-vram: 1gb", 'donors: ["cuda:1:1gb", cpu]\n')),
        )
        self.assertIn(
            "9gb of virtual VRAM are asked for, and the donors lend 8.25gb\n",
            self.said("2x24gb-small-bar1", self.section("virtual-vram: 9gb", 'donors: [cuda:1, "cpu:8gb"]\n')),
        )
        self.assertIn(
            "`cuda:0` is to take 14gb, and has 12gb\n",
            self.said("1x12gb", self.section('distorch: "cuda:0,14gb;cpu,*"')),
        )
        self.assertIn(
            "`cuda:1` has room for 24576 MB of weights, not for 25600 MB: 1024 MB pass to `cpu`\n",
            self.said("2x24gb", self.section('distorch: "cuda:0,1gb;cuda:1,25gb;cpu,*", order: spread')),
        )

    def test_what_fits_nowhere_is_told_with_the_largest_model_that_fits(self):
        """All that is said, for nothing may contradict the rest; `plan` is asked about models of nearly that size."""
        cases = (
            (  # 8 GB less 1.5 GB, and what is lent
                "8gb",
                self.section("virtual-vram: 20gb", 'donors: "cpu:4gb"\n'),
                "p.yaml:4:38: warning: `cuda:0` has room for 6656 MB of weights (`compute-reserve` keeps 1536 MB "
                "free), not for 16384 MB: for 9728 MB there is no room\n"
                "  hint: name more donors, or let them lend more\n"
                "p.yaml:4:38: warning: 20gb of virtual VRAM are asked for, and the donors lend 4gb\n"
                "  hint: `cuda:0` keeps what it can of the rest: models of up to 10.5gb fit; ask for less, or name "
                "more donors\n",
                10.5,
            ),
            (  # `cpu` takes what passes on, though it is no donor
                "2x24gb",
                self.section("virtual-vram: 20gb", 'donors: "cuda:1:4gb"\n'),
                "p.yaml:4:38: warning: 20gb of virtual VRAM are asked for, and the donors lend 4gb\n"
                "  hint: `cuda:0` keeps what it can of the rest: models of up to 88.5gb fit; ask for less, or name "
                "more donors\n",
                88.5,
            ),
            (
                "2x24gb",
                self.section('distorch: "cuda:0,60gb;cuda:1,60gb;cpu,*", order: spread'),
                "p.yaml:3:35: warning: `cuda:0` has room for 23040 MB of weights (`compute-reserve` keeps 1536 MB "
                "free), not for 61440 MB: 38400 MB pass to `cpu`\n"
                "  hint: let more leave it, or lower `compute-reserve`, if passing on is not meant\n"
                "p.yaml:3:35: warning: `cuda:1` has room for 24576 MB of weights, not for 61440 MB: 24064 MB pass to "
                "`cpu`, and for 12800 MB there is no room\n"
                "  hint: name more donors, or let them lend more\n"
                "p.yaml:3:35: warning: a model for which all of this counts has 121gb and does not fit: models of "
                "up to 108.5gb do\n"
                "  hint: name more donors, or let them lend more\n",
                108.5,
            ),
        )
        for machine, policy, text, most in cases:
            self.assertEqual(self.said(machine, policy), text)
            for gigabytes, status in ((most - 0.1, 0), (most + 0.1, 1)):
                count = int(gigabytes * 64)
                write_safetensors(self.folder / "a.safetensors",
                                  [(f"blocks.{i}.weight", [4096, 2048], "F16", 2) for i in range(count)])
                words = ("--policy", "p.yaml", "--machine", machine, "--as", "a.gguf", "a.safetensors")
                run = self.vramspan("plan", *words)
                self.assertEqual(run.returncode, status, f"{machine} {gigabytes} {run.stdout}")

    def test_a_control_groups_limit_is_the_hosts_memory(self):
        self.assertIn(
            "9gb of virtual VRAM are asked for, and the donors lend 6gb\n",
            self.said("host-limit", self.section("virtual-vram: 9gb")),
        )

    def test_what_is_wrong_on_the_machine_fails_with_werror_too(self):
        self.said("24gb", self.section("virtual-vram: 65gb"), "--werror", status=1)

    def test_an_idle_gpu_is_told_once_donors_are_asked_for_and_none_is_named(self):
        self.said("2x24gb", self.section("virtual-vram: 1gb"))
        self.assertEqual(self.idle, "  `cuda:1` is idle: `donors: [cuda:1, cpu]` lets it lend memory\n")
        self.said("2x24gb", self.section("virtual-vram: 1gb", "compute: cuda:1\n"))
        self.assertIn("`cuda:0` is idle", self.idle)
        for machine, policy in (
            ("2x24gb", self.section("virtual-vram: 1gb", "donors: cpu\n")),
            ("2x24gb-no-peer", self.section("virtual-vram: 1gb")),
            ("24gb", self.section("virtual-vram: 1gb")),
            ("2x24gb", self.section("on: cpu")),
            ("2x24gb", self.section('virtual-vram: 1gb, tensors: [{match: "*", on: cuda:1}]')),
        ):
            self.said(machine, policy)
            self.assertEqual(self.idle, "")

    def test_a_machine_that_is_none(self):
        self.write("p.yaml", self.section("on: cpu"))
        run = self.vramspan("check", "p.yaml", "--machine", "2x24gbit")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertTrue(run.stderr.startswith("--machine:1:1: error: `2x24gbit` is neither"), run.stderr)
        self.write("m.yaml", "devices: [{memory: 24gb}, {memory: 24gb}]\npeer-access: none\n")
        run = self.vramspan("check", "p.yaml", "--machine", "m.yaml")
        self.assertEqual(run.returncode, 0)


if __name__ == "__main__":
    unittest.main()
