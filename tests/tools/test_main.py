"""`vramspan` itself: its commands, help, version, and what it says where the command line is wrong."""

import os
import re
import subprocess
import unittest

from tool import GOOD, ROOT, VRAMSPAN, ToolTest

COMMANDS = re.findall(r'^    \{"([a-z]+)", "', (ROOT / "tools/main.c").read_text(), re.M)


class Main(ToolTest):
    def test_help_lists_every_command_in_80_columns(self):
        self.assertIn("check", COMMANDS)
        for arguments in (["--help"], ["-h"], ["help"]):
            run = self.vramspan(*arguments)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertEqual(re.findall(r"^  ([a-z]+)  +\w", run.stdout, re.M), COMMANDS)
            self.assertEqual([line for line in run.stdout.splitlines() if len(line) > 80], [])

    def test_help_of_a_command_is_the_same_in_every_way_it_is_asked_for(self):
        for command in COMMANDS:
            first = self.vramspan(command, "--help")
            self.assertEqual((first.returncode, first.stderr), (0, ""))
            self.assertTrue(first.stdout.startswith(f"Usage: vramspan {command} "), first.stdout)
            self.assertEqual([line for line in first.stdout.splitlines() if len(line) > 80], [])
            for arguments in ([command, "-h"], ["help", command]):
                self.expect(self.vramspan(*arguments), 0, first.stdout)

    def test_version_is_the_makefiles_in_every_command(self):
        version = re.search(r"^VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1)
        for arguments in (["--version"], ["-V"], *([command, "--version"] for command in COMMANDS)):
            self.expect(self.vramspan(*arguments), 0, f"vramspan {version}\n")

    def test_no_command_is_a_usage_error(self):
        run = self.vramspan()
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("Usage: vramspan [OPTION...] COMMAND", run.stderr)

    def test_an_unknown_command_is_a_usage_error_with_a_guess(self):
        for arguments in (["chekc"], ["help", "chekc"]):
            self.expect(
                self.vramspan(*arguments),
                2,
                "",
                "vramspan: there is no command `chekc`; did you mean `check`?\n"
                "Try `vramspan --help' for more information.\n",
            )
        self.expect(
            self.vramspan("frobnicate\n"),
            2,
            "",
            "vramspan: there is no command `frobnicate\\x0a`\n" "Try `vramspan --help' for more information.\n",
        )

    def test_an_unknown_option_is_a_usage_error(self):
        for arguments in (["--polcy"], *([command, "--polcy"] for command in COMMANDS)):
            run = self.vramspan(*arguments)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn("unrecognized option '--polcy'", run.stderr)
            self.assertIn(" ".join(["Try `vramspan", *arguments[:-1], "--help'"]), run.stderr)

    def test_output_that_does_not_arrive_is_an_error(self):
        policy = self.write("a.yaml", GOOD)
        with open("/dev/full", "w", encoding="ascii") as full:
            for arguments in (
                ["check", policy],
                ["check", "--json", policy],
                ["run", "-n", "--policy", policy, "true"],
            ):
                run = self.vramspan(*arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
                self.assertEqual(run.returncode, 1)
                self.assertEqual(run.stderr, "vramspan: cannot write to standard output: No space left on device\n")

    def test_nor_does_help_that_does_not_arrive_succeed(self):
        """argp ends the process itself."""
        asked = [["--help"], ["--usage"], ["--version"], ["help"]]
        for command in COMMANDS:
            asked += [[command, "--help"], [command, "-h"], [command, "--usage"], [command, "-V"], ["help", command]]
        with open("/dev/full", "w", encoding="ascii") as full:
            for arguments in asked:
                run = self.vramspan(*arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
                self.assertEqual(run.returncode, 1, arguments)
                self.assertEqual(run.stderr, "vramspan: cannot write to standard output: No space left on device\n")
                run = self.vramspan(*arguments, preexec_fn=lambda: os.close(1))
                self.assertEqual(run.returncode, 1, arguments)
                self.assertEqual(run.stderr, "vramspan: cannot write to standard output: Bad file descriptor\n")

    def test_a_bad_value_of_an_option_is_the_command_lines_fault_and_a_bad_file_is_not(self):
        table = ROOT / "examples/models/sd15_unet.json"
        self.write("policy.yaml", GOOD)
        self.write("bad.yaml", "devices: nonsense\n")
        rest = {"check": [], "plan": [str(table)], "run": ["true"]}
        settings = ["--virtual-vram=8gbit", "--distorch=cuda", "--devices=x", "--donors=x", "--compute-reserve=x",
                    "--host-reserve=x"]
        for command, more in (
            ("check", ["--machine=3x"]),
            ("run", ["--simulate=3x", "--log=loud"]),
            ("plan", ["--machine=3x", "--dtype=bf17", "--card=48gb", "--part=vea", "--link=x", "--compute-ms=x"]),
        ):
            for option in [*settings, "--on-error=x", "--backends=x", *more]:
                source = [] if option.startswith(("--virtual", "--distorch")) else ["--virtual-vram=1gb"]
                run = self.vramspan(command, *source, option, *rest[command])
                self.assertEqual((run.returncode, run.stdout), (2, ""), (command, option, run.stderr))
        for command, option in (
            ("check", "--policy=no.yaml"),
            ("run", "--policy=bad.yaml"),
            ("plan", "--policy=bad.yaml"),
            ("check", "--machine=./no.yaml"),
            ("run", "--simulate=bad.yaml"),
            ("plan", "--machine=bad.yaml"),
            ("plan", "--modules=no.json"),
            ("plan", "--learned=no.txt"),
        ):
            source = [] if option.startswith("--policy") else ["--virtual-vram=1gb"]
            run = self.vramspan(command, *source, option, *rest[command])
            self.assertEqual((run.returncode, run.stdout), (1, ""), (command, option, run.stderr))
        self.assertEqual(self.vramspan("check", "--donors=x", "policy.yaml", "bad.yaml").returncode, 2)
        self.assertEqual(self.vramspan("check", "policy.yaml", "bad.yaml").returncode, 1)

    def test_is_called_by_any_path(self):
        link = self.folder / "another name"
        link.symlink_to(VRAMSPAN)
        run = subprocess.run([link, "chekc"], capture_output=True, text=True, env=self.environment, check=False)
        self.assertEqual(run.returncode, 2)
        self.assertTrue(run.stderr.startswith("vramspan: "), run.stderr)


if __name__ == "__main__":
    unittest.main()
