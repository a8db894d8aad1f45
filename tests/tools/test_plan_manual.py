"""The manual page vramspan-plan(1) against the command: every option, every member of the JSON, every key of a machine."""
import json
import re
import subprocess
import unittest

from tool import ROOT, ToolTest

PAGE = ROOT / "tools/vramspan-plan.1"


class PlanManual(ToolTest):
    def setUp(self):
        super().setUp()
        self.source = PAGE.read_text().replace("\\-", "-").replace("\\~", " ")

    def test_is_sound_troff_of_80_columns(self):
        run = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=78n", str(PAGE)], capture_output=True,
                             text=True, check=True)
        self.assertEqual(run.stderr, "")
        self.assertGreater(len(run.stdout.splitlines()), 200)
        self.assertEqual([line for line in run.stdout.splitlines() if len(line) > 80], [])

    def test_every_option_has_a_paragraph_and_no_other(self):
        listed = set(re.findall(r"--[a-z-]+", self.vramspan("plan", "--help").stdout.split("Exit status")[0]))
        headings = "\n".join(re.findall(r"^\.TP\n(\.B.*)$", self.source.split(".SH OUTPUT")[0], re.M))
        self.assertEqual(set(re.findall(r"--[a-z-]+", headings)), listed)

    def test_every_member_of_the_json_is_told(self):
        schema = json.loads((ROOT / "examples/plan.schema.json").read_text())
        section = self.source.split(".SH THE JSON FORM")[1].split(".SH EXIT STATUS")[0]

        def words(node):
            if isinstance(node, dict):
                yield from node.get("properties", {})
                yield from (word for word in node.get("enum", []))
                for value in node.values():
                    yield from words(value)
        known = set(words(schema))
        self.assertGreater(len(known), 50)
        told = section.split() + [word.strip(".,()") for word in section.split()]
        parts = {"any", "diffusion", "text-encoder", "vae", "other", "spread", "listed"}  # of vramspan-policy(5)
        self.assertEqual({word for word in known if word not in told} - parts, set())

    def test_every_key_of_a_machine_is_told(self):
        keys = re.findall(r'^    \{"([a-z0-9-]+)", read_|^    \{"([a-z-]+)", keep_',
                          (ROOT / "policy/machine/machine_file.c").read_text(), re.M)
        keys = {first or second for first, second in keys}
        self.assertGreater(len(keys), 15)
        section = self.source.split(".SH MACHINES")[1].split(".SH THE JSON FORM")[0]
        self.assertEqual({key for key in keys if not re.search(rf"(?m)^\.B.*\b{key}\b", section)}, set())

    def test_the_machine_that_it_shows_is_read(self):
        shown, = re.findall(r"^\.EX\n(.*?)^\.EE$", self.source, re.M | re.S)
        run = self.vramspan("plan", "--virtual-vram", "16gb", "--machine", self.write("m.yaml", shown),
                            ROOT / "examples/models/flux_dev.json")
        self.assertEqual(run.stderr, "")
        self.assertIn(" 12.00 ", run.stdout)

    def test_the_readme_shows_what_is_said(self):
        """Line by line, but for those that it leaves out."""
        section = (ROOT / "README.md").read_text().split("## Ask it first")[1].split("\n## ")[0]
        lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
        words = lines[0].removeprefix("$ build/vramspan ").split()
        said = self.vramspan(*words, cwd=ROOT).stdout.splitlines()
        self.assertGreater(len(lines), 8)
        self.assertEqual([line for line in lines[1:] if line != "…" and line not in said], [])

    def test_figures_of_cards_and_links_are_those_of_the_table(self):
        table = (ROOT / "policy/machine/hardware.c").read_text()
        links = re.findall(r'\{"(pcie\d-x\d+)", ([\d.]+)e9\}', table)
        cards = re.findall(r'\{"(\d+gb)", [^}]*?, (\d+)e12, "(pcie\d-x\d+)"\}', table)
        self.assertEqual((len(links), len(cards)), (5, 5))
        told = " ".join(self.source.split())
        self.assertIn(", ".join(f"{name} {float(rate):g}" for name, rate in links) + ".", told)
        self.assertIn(", ".join(f"{name} {rate}" for name, rate, _ in cards) + ";", told)
        self.assertIn(", ".join(link for *_, link in cards[:-1]) + f" and {cards[-1][2]}.", told)


if __name__ == "__main__":
    unittest.main()
