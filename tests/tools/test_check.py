"""`vramspan check`: exit status, texts, JSON."""

import json
import os
import pty
import re
import unittest

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
        for option in ("--devices=gpu:0", "--donors=cuda:0,cuda:0", "--compute-reserve=1.5gbit", "--host-reserve=2gbit", "--on-error=stopp"):
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


if __name__ == "__main__":
    unittest.main()
