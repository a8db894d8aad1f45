"""`vramspan check`: exit status, texts, and what it says about a machine."""

import json
import os
import pty
import re
import unittest

from models import write_safetensors
from tool import BAD, GOOD, ROOT, WARNED, ToolTest

CORPUS = ROOT / "tests/policy"


class Check(ToolTest):
    def check(self, *arguments, **more):
        return self.vramspan("check", *map(str, arguments), **more)

    def test_a_good_one_is_told_with_its_number_of_sections(self):
        self.write("a.yaml", GOOD)
        self.write("one.yaml", 'version: 1\nmodels: [{match: "a*", on: cpu}]\n')
        self.write("none.yaml", "version: 1\nmodels: []\n")
        self.expect(self.check("a.yaml"), 0, "a.yaml: ok, 2 model sections\n")
        self.expect(self.check("one.yaml"), 0, "one.yaml: ok, 1 model section\n")
        self.expect(self.check("none.yaml"), 0, "none.yaml: ok, but it names no model: nothing will be placed\n")
        self.expect(self.check("-q", "a.yaml"), 0)
        self.expect(self.check("--quiet", "a.yaml"), 0)

    def test_all_of_several_are_checked_each_on_its_own(self):
        """Together these would contradict each other."""
        self.write("a.yaml", "compute: cuda:0\n" + GOOD)
        self.write("b.yaml", "compute: cuda:1\n" + GOOD)
        self.write("bad.yaml", BAD)
        run = self.check("a.yaml", "bad.yaml", "b.yaml")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stdout, "a.yaml: ok, 2 model sections\nb.yaml: ok, 2 model sections\n")
        self.assertTrue(run.stderr.startswith("bad.yaml:3:31: error: unknown key `distroch`"), run.stderr)

    def test_a_folder_is_one_policy(self):
        self.write("folder/a.yaml", GOOD)
        self.write("folder/b.yaml", 'version: 1\nmodels: [{match: "c*.gguf", on: cpu}]\n')
        self.expect(self.check("folder"), 0, "folder: ok, 3 model sections\n")
        self.write("folder/b.yaml", BAD)
        self.assertIn("folder/b.yaml:3:31: error: ", self.check("folder").stderr)
        (self.folder / "empty").mkdir()
        run = self.check("empty")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("there is no policy in the folder", run.stderr)

    def test_warnings_are_told_and_fail_with_werror_only(self):
        self.write("warned.yaml", WARNED)
        run = self.check("warned.yaml")
        self.assertEqual((run.returncode, run.stdout), (0, "warned.yaml: ok, 3 model sections\n"))
        self.assertIn("warned.yaml:5:14: warning: ", run.stderr)
        strict = self.check("--werror", "warned.yaml")
        self.expect(strict, 1, "", run.stderr)
        self.assertEqual(self.check("-q", "warned.yaml").stderr, run.stderr)

    def test_texts_are_those_stored_with_the_corpus(self):
        for kind, status in (("bad", 1), ("warned", 0)):
            policies = sorted((CORPUS / kind).glob("*.yaml"))
            self.assertGreater(len(policies), 10)
            for policy in policies:
                run = self.check(policy.name, cwd=policy.parent)
                self.assertEqual(
                    (run.returncode, run.stderr), (status, policy.with_suffix(".txt").read_text()), policy.name
                )

    def test_every_example_is_right(self):
        examples = sorted((ROOT / "examples").glob("*.yaml"))
        self.assertGreater(len(examples), 2)
        self.assertEqual(self.check("--werror", *examples).returncode, 0)

    def test_a_file_is_checked_whatever_the_environment_says(self):
        self.write("a.yaml", GOOD)
        said = {"VRAMSPAN_DONORS": "nonsense", "VRAMSPAN_POLICY": "missing.yaml", "VRAMSPAN_VIRTUAL_VRAM": "x"}
        self.expect(self.check("a.yaml", environment=said), 0, "a.yaml: ok, 2 model sections\n")

    def test_without_a_file_it_is_what_is_in_force(self):
        path = self.write("a.yaml", GOOD)
        self.expect(self.check(environment={"VRAMSPAN_POLICY": str(path)}), 0, f"{path}: ok, 2 model sections\n")
        self.expect(
            self.check(environment={"VRAMSPAN_VIRTUAL_VRAM": "8gb"}),
            0,
            "VRAMSPAN_VIRTUAL_VRAM=8gb: ok, 1 model section\n",
        )
        self.expect(
            self.check("--distorch", "cuda:0,1gb;cpu,*"), 0, "--distorch=cuda:0,1gb;cpu,*: ok, 1 model section\n"
        )
        run = self.check(environment={"VRAMSPAN_POLICY": str(path), "VRAMSPAN_DONORS": "gpu:1"})
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertTrue(run.stderr.startswith("VRAMSPAN_DONORS:1:1: error: "), run.stderr)
        own = self.write("home/.config/vramspan/own.yaml", GOOD)
        self.expect(self.check(), 0, f"{own.parent}: ok, 2 model sections\n")
        own.write_text(BAD)
        self.assertTrue(self.check().stderr.startswith(f"{own}:3:31: error: "))

    def test_nothing_to_check_is_a_usage_error(self):
        run = self.check()
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("there is no policy", run.stderr)

    def test_a_file_and_an_option_that_takes_its_place_is_a_usage_error(self):
        self.write("a.yaml", GOOD)
        for option in ("--policy=a.yaml", "--virtual-vram=8gb", "--distorch=cuda:0,1gb;cpu,*"):
            run = self.check("a.yaml", option)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn("give one of them", run.stderr)

    def test_options_about_the_machine_are_checked_with_the_file(self):
        self.write("a.yaml", GOOD)
        for option in ("--devices=gpu:0", "--donors=cuda:0,cuda:0", "--compute-reserve=1.5gbit", "--on-error=stopp"):
            run = self.check("a.yaml", option)
            self.assertEqual((run.returncode, run.stdout), (2, ""), option)
            self.assertTrue(run.stderr.startswith(option.split("=")[0] + ":1:"), run.stderr)

    def test_json_says_the_same(self):
        self.write("a.yaml", WARNED)
        self.write("bad.yaml", BAD)
        text, run = self.check("a.yaml", "bad.yaml"), self.check("--json", "a.yaml", "bad.yaml")
        self.assertEqual((run.returncode, run.stderr), (1, ""))
        first, second = json.loads(run.stdout)
        self.assertEqual((first["policy"], first["ok"], first["model_sections"]), ("a.yaml", True, 3))
        self.assertEqual((second["policy"], second["ok"], second["model_sections"]), ("bad.yaml", False, 0))
        said = [
            f"{d['file']}:{d['line']}:{d['column']}: {d['severity']}: {d['message']}"
            for policy in (first, second)
            for d in policy["diagnostics"]
        ]
        self.assertEqual(said, [line for line in text.stderr.splitlines() if re.match(r"\S+:\d+:\d+: ", line)])
        self.assertIn(f"  hint: {second['diagnostics'][0]['hint']}\n", text.stderr)
        self.assertEqual(json.loads(self.check("--json", "--werror", "a.yaml").stdout)[0]["ok"], False)

    def test_json_is_a_document_whatever_fails(self):
        """The sentences of the text form, with each policy."""
        self.write("a.yaml", GOOD)
        self.write("b.yaml", GOOD)
        for words, policies in (
            (["--machine", "3x", "a.yaml", "b.yaml"], ["a.yaml", "b.yaml"]),
            (["--machine", "none.yaml", "--virtual-vram=8gb"], ["--virtual-vram=8gb"]),
            (["none.yaml"], ["none.yaml"]),
            (["--donors=gpu:0", "a.yaml"], ["a.yaml"]),
        ):
            text, run = self.check(*words), self.check("--json", *words)
            self.assertEqual((run.returncode, run.stderr), (text.returncode, ""))
            self.assertNotEqual(run.returncode, 0)
            document = json.loads(run.stdout)
            self.assertEqual([entry["policy"] for entry in document], policies)
            for entry in document:
                self.assertFalse(entry["ok"])
                (said,) = entry["diagnostics"]
                self.assertIn(f"error: {said['message']}\n", text.stderr)
                self.assertEqual(text.stderr.count("error: "), 1)
        run = self.check("--json")
        self.assertEqual((run.returncode, run.stderr), (2, ""))
        (entry,) = json.loads(run.stdout)
        self.assertEqual((entry["policy"], entry["ok"]), (str(self.home / ".config/vramspan"), False))
        self.assertIn("there is no policy", entry["diagnostics"][0]["message"])

    def on_terminal(self, **environment):
        """What a terminal gets for a policy with an error."""
        self.write("bad.yaml", BAD)
        master, slave = pty.openpty()
        try:
            self.check(
                "bad.yaml",
                stdout=slave,
                stderr=slave,
                capture_output=False,
                text=False,
                environment={"TERM": "xterm"} | environment,
            )
            return os.read(master, 1 << 16).decode().replace("\r\n", "\n")
        finally:
            os.close(slave)
            os.close(master)

    def test_colour_is_for_terminals_that_have_it(self):
        plain = self.check(self.write("bad.yaml", BAD).name).stderr
        self.assertNotIn("\033", plain)
        coloured = self.on_terminal()
        self.assertIn("bad.yaml:3:31: \033[1;31merror:\033[0m unknown key", coloured)
        self.assertEqual(re.sub(r"\033\[[0-9;]*m", "", coloured), plain)
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}):
            self.assertEqual(self.on_terminal(**environment), plain)
        self.assertEqual(self.on_terminal(NO_COLOR=""), coloured)


class Machine(ToolTest):
    """check --machine: what the policy asks for and the machine has not."""

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

    def test_devices_that_are_not_there(self):
        text = self.said("2x24gb", self.section("on: cuda:2"), status=1)
        self.assertIn("p.yaml:3: error: `cuda:2` is not there: the machine has cuda:0, cuda:1, cpu\n", text)
        for machine in ("compute: cuda:5\n", "donors: [cuda:5, cpu]\n"):
            text = self.said("2x24gb", self.section("virtual-vram: 1gb", machine), status=1)
            self.assertRegex(
                text,
                r"^p.yaml: error: `cuda:5` is to (compute|lend memory), and the machine has no such "
                r"device\n  hint: it has `cuda:0` to `cuda:1`, and `cpu`\n$",
            )
        text = self.said("24gb", self.section("virtual-vram: 1gb"), "--devices=cuda:0,cuda:1", status=1)
        self.assertIn(
            "`cuda:1` is to be seen by the program, and the machine has no such device\n  hint: it has `cuda:0` and",
            text,
        )
        for section in ('distorch: "cuda:0,1gb;cuda:7,*"', 'tensors: [{match: "*", on: cuda:7}]'):
            self.assertIn("error: `cuda:7` is not there", self.said("2x24gb", self.section(section), status=1))

    def test_shares_that_cannot_be_mapped_pass_on(self):
        words = "p.yaml:3: warning: `cuda:1` cannot lend memory: `cuda:0` cannot map it; its share passes to `cpu`\n"
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
        self.assertEqual(self.said("2x24gb-no-peer", virtual), words.replace(":3:", ":4:"))
        self.assertEqual(self.said("2x24gb", virtual), "")

    def test_what_is_named_and_cannot_be_mapped_is_an_error(self):
        for section in ("on: cuda:1", 'tensors: [{match: "*", on: cuda:1}]'):
            self.assertIn(
                "error: `on: cuda:1` cannot be had: it cannot lend memory: `cuda:0` cannot map it",
                self.said("2x24gb-no-peer", self.section(section), status=1),
            )

    def test_sizes_beyond_the_memory_there_is(self):
        self.assertIn(
            "`compute-reserve` of 24gb leaves nothing of `cuda:0`, which has 24gb",
            self.said("24gb", self.section("virtual-vram: 1gb", "compute-reserve: 24gb\n"), status=1),
        )
        self.assertIn(
            "warning: the usual `compute-reserve` of 1.5gb leaves nothing of `cuda:0`, which has 1gb",
            self.said("1gb", self.section("virtual-vram: 1gb")),
        )
        self.assertIn(
            "`cpu` is to lend up to 65gb, and has 64gb\n  hint: so much is assumed of the host; 24gb+host:96gb",
            self.said("24gb", self.section("virtual-vram: 1gb", 'donors: "cpu:65gb"\n')),
        )
        self.assertEqual(self.said("24gb+host:65gb", self.section("virtual-vram: 1gb", 'donors: "cpu:65gb"\n')), "")
        self.assertIn(
            "`cpu` is to lend up to 65gb, and has 32gb\n  hint: it lends what it has",
            self.said("24gb+host:32gb", self.section("virtual-vram: 1gb", 'donors: "cpu:65gb"\n')),
        )
        self.assertIn(
            "`cuda:1` is to lend up to 24.5gb, and has 24gb",
            self.said("2x24gb", self.section("virtual-vram: 1gb", 'donors: "cuda:1:24.5gb"\n')),
        )
        self.assertIn(
            "p.yaml:3: warning: 65gb of virtual VRAM are asked for, and the donors lend 64gb\n",
            self.said("24gb", self.section("virtual-vram: 65gb")),
        )
        self.assertIn(
            "`cuda:1` is to lend up to 1gb, and can lend 256mb\n  hint: other devices can map no more of it",
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
        """All that is said, for nothing of it may contradict the rest; `plan` is asked about models of nearly that size."""
        cases = (
            (  # 8 GB less 1.5 GB, and what is lent
                "8gb",
                self.section("virtual-vram: 20gb", 'donors: "cpu:4gb"\n'),
                "p.yaml:4: warning: `cuda:0` has room for 6656 MB of weights, not for 16384 MB: for 9728 MB there is no "
                "room\n"
                "p.yaml:4: warning: 20gb of virtual VRAM are asked for, and the donors lend 4gb\n"
                "  hint: `cuda:0` keeps what it can of the rest: models of up to 10.5gb fit; ask for less, or name more "
                "donors\n",
                10.5,
            ),
            (  # `cpu` takes what passes on, though it is no donor
                "2x24gb",
                self.section("virtual-vram: 20gb", 'donors: "cuda:1:4gb"\n'),
                "p.yaml:4: warning: 20gb of virtual VRAM are asked for, and the donors lend 4gb\n"
                "  hint: `cuda:0` keeps what it can of the rest: models of up to 90.5gb fit; ask for less, or name more "
                "donors\n",
                90.5,
            ),
            (
                "2x24gb",
                self.section('distorch: "cuda:0,60gb;cuda:1,60gb;cpu,*", order: spread'),
                "p.yaml:3: warning: `cuda:0` has room for 23040 MB of weights, not for 61440 MB: 38400 MB pass to `cpu`\n"
                "p.yaml:3: warning: `cuda:1` has room for 24576 MB of weights, not for 61440 MB: 26112 MB pass to `cpu`, "
                "and for 10752 MB there is no room\n"
                "p.yaml:3: warning: a model for which all of this counts has 121gb and does not fit: models of up to "
                "110.5gb do\n"
                "  hint: name more donors, or let them lend more\n",
                110.5,
            ),
        )
        for machine, policy, words, most in cases:
            self.assertEqual(self.said(machine, policy), words)
            for gigabytes, status in ((most - 0.1, 0), (most + 0.1, 1)):
                count = int(gigabytes * 64)
                write_safetensors(self.folder / "a.safetensors",
                                  [(f"blocks.{i}.weight", [4096, 2048], "F16", 2) for i in range(count)])
                run = self.vramspan("plan", "--policy", "p.yaml", "--machine", machine, "--as", "a.gguf", "a.safetensors")
                self.assertEqual(run.returncode, status, f"{machine} {gigabytes} {run.stdout}")

    def test_a_control_groups_limit_is_the_hosts_memory(self):
        self.assertIn(
            "9gb of virtual VRAM are asked for, and the donors lend 8gb\n",
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
