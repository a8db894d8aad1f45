"""Completion for bash, asked as bash asks (complete.sh) and in a bash with a terminal; its options and values against
what the command itself and the language of policies know."""

import json
import os
import pathlib
import pty
import re
import select
import subprocess
import time
import unittest

from test_main import COMMANDS
from tool import GOOD, ROOT, VRAMSPAN, ToolTest

SCRIPT = ROOT / "tools/completion.bash"
HELPER = pathlib.Path(__file__).resolve().parent / "complete.sh"


class Completion(ToolTest):
    def complete(self, *words, program=VRAMSPAN):
        run = subprocess.run(
            [HELPER, program, *words],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            check=False,
        )
        self.assertEqual((run.returncode, run.stderr), (0, ""), words)
        return [line for line in run.stdout.splitlines() if line]

    def options_of(self, *command):
        """From the help as a reader finds them, not as the script does."""
        shown = self.vramspan(*command, "--help").stdout
        lines = re.findall(r"^ {2}(?:-., | {4})(--.*)$", shown, re.M)
        return sorted(option for line in lines for option in re.findall(r"(?:^|, )(--[a-z-]+=?)", line))

    def test_commands(self):
        self.assertEqual(sorted(self.complete("")), sorted([*COMMANDS, "help"]))
        self.assertEqual(self.complete("ch"), ["check"])
        self.assertEqual(sorted(self.complete("help", "")), sorted(COMMANDS))
        self.assertEqual(self.complete("nonsense", ""), [])

    def test_options_are_those_of_the_help(self):
        self.assertIn("--version", self.options_of())
        self.assertEqual(sorted(self.complete("--")), self.options_of())
        for command in COMMANDS:
            options = self.options_of(command)
            self.assertIn("--policy=", options)
            self.assertGreater(len(options), 10)
            self.assertEqual(sorted(self.complete(command, "--")), options)
            self.assertEqual(sorted(self.complete(command, "-")), options)

    def test_each_option_with_a_value_has_a_rule_or_is_known_to_have_none(self):
        ruled = set(
            re.findall(r"--[a-z-]+", re.search(r"_vramspan_value\(\) \{(.*?)^\}", SCRIPT.read_text(), re.S | re.M)[1])
        )
        wanted = {
            option.rstrip("=") for command in COMMANDS for option in self.options_of(command) if option.endswith("=")
        }
        self.assertEqual(ruled - wanted, set())
        self.assertEqual(wanted - ruled, {"--distorch", "--as", "--compute-ms", "--explain"})

    def test_values_are_those_that_are_understood(self):
        schema = json.loads((ROOT / "examples/policy.schema.json").read_text())
        self.assertEqual(
            sorted(self.complete("run", "--on-error", "")), sorted(schema["properties"]["on-error"]["enum"])
        )
        self.assertEqual(self.complete("run", "--on-error=p"), ["passthrough"])
        for option in ("--devices", "--donors", "--virtual-vram", "--compute-reserve", "--host-reserve"):
            words = self.complete("check", option, "")
            self.assertGreater(len(words), 2)
            for word in words:
                source = [] if option == "--virtual-vram" else ["--virtual-vram", "1gb"]
                self.assertEqual(self.vramspan("check", *source, option, word).returncode, 0, (option, word))
        for level in self.complete("run", "--log", ""):
            self.assertEqual(self.vramspan("run", "--virtual-vram", "1gb", "--log", level, "true").returncode, 0)

    def test_values_of_plan_are_those_that_are_understood(self):
        model = ROOT / "examples/models/sd15_unet.json"
        for option in ("--dtype", "--part", "--card", "--link"):
            words = self.complete("plan", option, "")
            self.assertGreater(len(words), 3)
            for word in words:
                run = self.vramspan("plan", "--virtual-vram", "1gb", option, word, model)
                self.assertNotIn(f"{option}:1:1: error", run.stderr)
                self.assertNotEqual(run.returncode, 2, run.stderr)
            self.assertIn(
                f"{option}:1:1: error", self.vramspan("plan", "--virtual-vram", "1gb", option, "x", model).stderr
            )

    def test_machines_are_those_that_are_known(self):
        self.home.rmdir()
        words = self.complete("check", "--machine", "")
        names = {path.stem for path in (VRAMSPAN.parent / "simcuda/machines").glob("*.yaml")}
        self.assertGreater(len(names), 5)
        self.assertLessEqual(names, set(words))
        for word in words:
            self.assertEqual(self.vramspan("check", "--virtual-vram", "1gb", "--machine", word).returncode, 0, word)
        self.assertEqual(sorted(self.complete("run", "--simulate", "")), sorted(words))
        self.write("mine.yaml", "")
        self.assertEqual(self.complete("run", "--simulate=mi"), ["mine.yaml"])

    def test_files(self):
        for name in ("a.yaml", "a.yml", "b.safetensors", "b.gguf", "b.pt", "folder/x.yaml", "two words.yaml"):
            self.write(name, GOOD)
        everything = ["folder", "home"]
        self.assertEqual(self.complete("check", ""), sorted(["a.yaml", "two words.yaml", *everything]))
        self.assertEqual(self.complete("check", "a.yaml", "fol"), ["folder"])
        self.assertEqual(self.complete("run", "--policy", "folder/"), ["folder/x.yaml"])
        self.assertEqual(self.complete("run", "--policy=folder/"), ["folder/x.yaml"])
        self.assertEqual(self.complete("plan", ""), sorted(["b.safetensors", "b.gguf", *everything]))
        self.assertEqual(self.complete("plan", "--modules", ""), everything)
        self.assertIn("b.pt", self.complete("plan", "--learned", ""))

    def test_lists_of_devices_grow(self):
        """Bash puts in what is behind the last colon."""
        self.assertIn("cuda:0,cuda:1", ["cuda:" + word for word in self.complete("run", "--donors", "cuda:0,")])
        self.assertEqual(self.complete("run", "--donors=cuda:0,cp"), ["0,cpu"])
        self.assertEqual(self.complete("run", "--devices", "cuda:1,cuda:"), ["0", "2", "3"])

    def test_nothing_that_was_typed_is_executed(self):
        self.write("mark", "").unlink()
        for text in ("$(touch mark)", "`touch mark`", "${x[$(touch mark)]}"):
            lists = [f"{text},c", f"cuda:0,{text},"]
            for words in (
                *(["run", option, value] for option in ("--donors", "--devices") for value in lists),
                *(["run", f"{option}={value}"] for option in ("--donors", "--devices") for value in lists),
                *(["plan", option, text] for option in ("--dtype", "--part", "--machine", "--policy", "--learned")),
                *(["plan", option, f"{text}/"] for option in ("--machine", "--policy", "--modules")),
                *([command, text] for command in (*COMMANDS, "help")),
                *([command, f"{text}/"] for command in (*COMMANDS, "help")),
                *([command, text, ""] for command in COMMANDS),
                ["run", "--donors", text, ""],
                ["run", "--", "ls", text],
                ["run", text, "--"],
                [text],
                [text, ""],
                [f"--{text}", ""],
            ):
                self.complete(*words)
                self.assertFalse((self.folder / "mark").exists(), words)
        self.write("cuda:0,x", "")
        self.assertEqual(self.complete("run", "--donors", "*,c"), [*(f"*,cuda:{n}" for n in range(4)), "*,cpu"])

    def test_the_command_by_a_path_from_home(self):
        (self.home / "vramspan").symlink_to(VRAMSPAN)
        self.assertEqual(self.complete("che", program="~/vramspan"), ["check"])
        self.assertIn("2x24gb-no-peer", self.complete("check", "--machine", "2x24gb-n", program="~/vramspan"))

    def test_the_program_of_run(self):
        for words in (["run"], ["run", "--"], ["run", "--virtual-vram", "8gb"], ["run", "-n", "--policy=x", "--"]):
            self.assertIn("bash", self.complete(*words, "bas"))
            self.assertNotIn("--policy=", self.complete(*words, "bash", "--"))
        self.write("script.py", "")
        for words in (["run", "python3"], ["run", "--", "python3"], ["run", "--virtual-vram", "8gb", "python3", "-x"]):
            self.assertEqual(self.complete(*words, "scr"), ["script.py"])
        self.assertEqual(self.complete("run", "python3", "--pol"), [])
        self.assertEqual(self.complete("run", "--distorch", "--pol"), [])

    def type_into_bash(self, text, answer):
        """What bash with a terminal shows once `answer` stands there."""
        shown = ""
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(self.folder)
            environment = self.environment | {
                "PS1": "$ ",
                "TERM": "dumb",
                "INPUTRC": "/dev/null",
                "PATH": f"{VRAMSPAN.parent}:{os.environ['PATH']}",
            }
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        try:
            os.write(terminal, f"bind 'set enable-bracketed-paste off'; source {SCRIPT}; echo r''eady\n".encode())
            deadline, typed = time.monotonic() + 60, False
            while time.monotonic() < deadline and answer not in shown:
                if select.select([terminal], [], [], 0.5)[0]:
                    shown += os.read(terminal, 4096).decode()
                if not typed and "ready\r\n" in shown:
                    os.write(terminal, text.encode())
                    typed = True
            return shown
        finally:
            os.close(terminal)
            os.waitpid(process, 0)

    def test_in_a_real_bash(self):
        self.write("only one.yaml", GOOD)
        for text, answer in (
            ("vramspan che\ton\t", "vramspan check only\\ one.yaml "),
            ("vramspan run --on-e\tpa\t-- ls", "--on-error=passthrough -- ls"),
            ("vramspan run --donors cuda:1,cp\t", "--donors cuda:1,cpu"),
            ("vramspan run --donors $(touch mark),cp\t", "$(touch mark),cpu"),
            ("vramspan check --machine=2x24gb-no\t", "--machine=2x24gb-no-peer"),
        ):
            self.assertIn(answer, self.type_into_bash(text, answer))
            self.assertFalse((self.folder / "mark").exists())


if __name__ == "__main__":
    unittest.main()
