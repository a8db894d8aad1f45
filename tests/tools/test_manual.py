"""The manual pages against the commands: options, statuses, and what they show."""

import re
import shlex
import subprocess
import unittest

from test_main import COMMANDS
from tool import ROOT, ToolTest

PAGES = sorted((ROOT / "tools").glob("*.1"))


def plain(troff):
    """A line of troff without its escapes and requests."""
    return re.sub(r"^\.(B|BR|BI|I|RI|TP) ?", "", troff).replace("\\-", "-").replace('"', "")


class Manual(ToolTest):
    def options_in_help(self, *command):
        shown = self.vramspan(*command, "--help").stdout
        lines = re.findall(r"^ {2}((?:-., | {4})--.*)$", shown, re.M)
        return {option for line in lines for option in re.findall(r"(?:^|, | {4})(--?[a-zA-Z?-]+)", line)}

    def options_in_page(self, page):
        """Those of the paragraphs in OPTIONS, from their headings."""
        text = page.read_text().split(".SH OPTIONS\n")[1].split("\n.SH ")[0]
        headings = re.findall(r"^\.T[PQ]\n(.*)$", text, re.M)
        return {
            option
            for heading in headings
            for option in re.findall(r"(?:^| )(--?[a-zA-Z?-]+)", plain(heading).replace(",", " "))
        }

    def test_every_command_has_a_page(self):
        self.assertEqual({page.stem for page in PAGES}, {"vramspan", *(f"vramspan-{command}" for command in COMMANDS)})

    def test_each_is_sound_troff_of_80_columns(self):
        for page in PAGES:
            run = subprocess.run(
                ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=78n", str(page)],
                capture_output=True,
                text=True,
                check=True,
            )
            self.assertEqual(run.stderr, "")
            self.assertGreater(len(run.stdout.splitlines()), 50)
            self.assertEqual([line for line in run.stdout.splitlines() if len(line) > 80], [])

    def test_each_has_the_options_of_the_help_and_no_others(self):
        for page in PAGES:
            command = page.stem.split("-")[1:]
            self.assertEqual(self.options_in_page(page), self.options_in_help(*command) | {"-h"}, page.name)

    def test_every_status_is_told(self):
        for page in PAGES:
            text = page.read_text().split(".SH EXIT STATUS\n")[1].split("\n.SH ")[0]
            expected = ["1", "2", "126", "127"] if page.stem == "vramspan-run" else ["0", "1", "2"]
            self.assertEqual(re.findall(r"^\.TP\n\.B (\d+)$", text, re.M), expected, page.name)

    def test_the_commands_of_the_first_page_are_those_that_there_are(self):
        text = (ROOT / "tools/vramspan.1").read_text().split(".SH COMMANDS\n")[1].split(".SH ")[0]
        self.assertEqual(re.findall(r"^\.TP\n\.BR? (\w+)", text, re.M), [*COMMANDS, "help"])
        summaries = dict(re.findall(r"^  ([a-z]+)  +(.*)$", self.vramspan("--help").stdout, re.M))
        for command in COMMANDS:
            name = (ROOT / f"tools/vramspan-{command}.1").read_text().split(".SH NAME\n")[1].splitlines()[0]
            verb, rest = summaries[command].split(" ", 1)
            self.assertEqual(name, f"vramspan-{command} \\- {verb}s {rest}")

    def test_the_commands_that_they_show_are_understood(self):
        """`run` and `check` with the files that are named; programs are not started."""
        for name in ("flux.yaml", "home/.config/vramspan/own.yaml"):
            self.write(name, 'version: 1\nmodels: [{match: "a*.gguf", virtual-vram: 8gb}]\n')
        self.write("main.py", "")
        shown = []
        for page in PAGES:
            for line in page.read_text().replace("\\e\n", "").splitlines():
                line = re.sub(r"^\.B ", "", line).replace("\\-", "-")
                if re.match(r"vramspan (run|check) [^(]*$", line) and not line.startswith("vramspan run ["):
                    shown.append(line)
        self.assertGreater(len(shown), 7)
        for line in shown:
            words = [word.replace("*.yaml", "flux.yaml").replace("python", "true") for word in shlex.split(line)[1:]]
            if words[0] == "run":
                words.insert(1, "-n")
            run = self.vramspan(*words)
            self.assertEqual((run.returncode, run.stderr), (0, ""), line)

    def test_each_command_that_starts_comfyui_has_the_option_that_it_needs_yet(self):
        """Without it nothing is placed, and nothing says so. Also in what is no manual page."""
        places = ["README.md", "CONTRIBUTING.md", "tests/simcuda/vramspan-sim", "tests/simcuda/README.md"]
        paths = [ROOT / place for place in places]
        for folder in ("tools", "policy", "examples"):
            paths += [path for path in (ROOT / folder).iterdir() if path.is_file()]
        found = set()
        for path in paths:
            text = re.sub(r"\\e?\n", " ", path.read_text(errors="replace")).replace("\\-", "-")
            for line in text.splitlines():
                if re.search(r"python3? \S*main\.py", line):
                    self.assertRegex(line, r"main\.py --disable-dynamic-vram\b", path)
                    found.add(path.name)
        self.assertLessEqual(
            {"README.md", "vramspan-sim", "vramspan.1", "vramspan-run.1", "sd15-three-devices.yaml"}, found
        )
        limits = (ROOT / "tools/vramspan-run.1").read_text().split(".SH LIMITS\n")[1].split("\n.SH ")[0]
        for word in ("DynamicVRAM", "expandable_segments", "\\-\\-disable\\-dynamic\\-vram", "loaded in part"):
            self.assertIn(word, limits)

    def test_the_message_that_it_shows_is_the_real_one(self):
        shown = re.search(
            r"^\.EX\n\$ vramspan check flux\.yaml\n(.*?)^\.EE$",
            (ROOT / "tools/vramspan-check.1").read_text(),
            re.S | re.M,
        )[1]
        self.write(
            "flux.yaml", 'version: 1\nmodels:\n  - match: "flux*.safetensors"\n    distroch: "cuda:0,8gb;cpu,*"\n'
        )
        self.expect(self.vramspan("check", "flux.yaml"), 1, "", shown)

    def test_the_variables_that_it_names_are_those_that_are_read(self):
        sources = "".join(path.read_text() for path in (ROOT / "tools").glob("*.c"))
        named = set(re.findall(r"^\.B (VRAMSPAN_\w+)$", (ROOT / "tools/vramspan-run.1").read_text(), re.M))
        known = set(re.findall(r"VRAMSPAN_[A-Z]+\b", sources)) - {"VRAMSPAN_POLICY"}
        library = "".join(path.read_text() for path in (ROOT / "shim").glob("*.c"))
        known |= set(re.findall(r'getenv\("(VRAMSPAN_\w+)"\)', library))
        self.assertEqual(named, known)


if __name__ == "__main__":
    unittest.main()
