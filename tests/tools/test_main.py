"""`vramspan` itself: its commands, help, version, and what it says where the command line is wrong."""

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

    def test_is_called_by_any_path(self):
        link = self.folder / "another name"
        link.symlink_to(VRAMSPAN)
        run = subprocess.run([link, "chekc"], capture_output=True, text=True, env=self.environment, check=False)
        self.assertEqual(run.returncode, 2)
        self.assertTrue(run.stderr.startswith("vramspan: "), run.stderr)


if __name__ == "__main__":
    unittest.main()
