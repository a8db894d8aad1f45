"""The manual page vramspan-policy(5) against the language: every key and variable has its paragraph, every value its
mention, and what it shows as policies are read without a word.

    VRAMSPAN_POLICY_CHECK=build/tests/programs/policy_check python3 -m unittest discover tests/policy/language
"""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHECK = os.environ["VRAMSPAN_POLICY_CHECK"]
PAGE = ROOT / "policy/vramspan-policy.5"
SCHEMA = json.loads((ROOT / "examples/policy.schema.json").read_text())


def said_about(policy):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(policy)
        file.flush()
        return subprocess.run([CHECK, file.name], capture_output=True, text=True, check=True).stdout


class Manual(unittest.TestCase):
    def setUp(self):
        self.source = PAGE.read_text()

    def test_is_sound_troff_of_80_columns(self):
        run = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=78n", str(PAGE)], capture_output=True,
                             text=True, check=True)
        self.assertEqual(run.stderr, "")
        self.assertGreater(len(run.stdout.splitlines()), 100)
        self.assertEqual([line for line in run.stdout.splitlines() if len(line) > 80], [])

    def test_every_key_has_a_paragraph(self):
        headings = re.findall(r"^\.TP\n\.B (\S+)$", self.source, re.M)
        for properties in (SCHEMA["properties"], SCHEMA["definitions"]["section"]["properties"]):
            for key in properties:
                self.assertIn(key, headings)

    def test_every_value_is_mentioned(self):
        section = SCHEMA["definitions"]["section"]["properties"]
        words = section["part"]["enum"] + section["order"]["enum"] + section["dtype"]["enum"][:6]
        words += SCHEMA["properties"]["on-error"]["enum"] + ["compute", "cpu", "xpu:N", "directml:N"]
        for word in words:
            self.assertTrue(re.search(rf"(?m)^\.R?BR? .*\b{re.escape(word)}\b", self.source), word)

    def test_every_variable_has_a_paragraph_and_no_other(self):
        known = re.findall(r'"(VRAMSPAN_\w+)"', (ROOT / "policy/language/settings.c").read_text())
        self.assertGreater(len(known), 5)
        self.assertEqual(re.findall(r"^\.TP\n\.B (VRAMSPAN_\w+)$", self.source, re.M), known)

    def test_what_it_shows_is_read_without_a_word(self):
        shown = [text for text in re.findall(r"^\.EX\n(.*?)^\.EE$", self.source, re.M | re.S) if "version:" in text]
        self.assertEqual(len(shown), 1)
        for policy in shown:
            self.assertEqual(said_about(policy), "")
            for key in SCHEMA["properties"]:
                self.assertTrue(re.search(f"(?m)^{key}:", policy), key)

    def test_the_allocation_strings_and_sizes_that_it_shows_are_read(self):
        strings = re.findall(r"^\.TP\n\.B (\S*[;#]\S*)$", self.source, re.M)
        self.assertEqual(len(strings), 5)
        for string in strings:
            self.assertEqual(said_about(f'version: 1\nmodels: [{{match: "a*", distorch: "{string}"}}]\n'), "")
        sizes = re.search(r"\.SH SIZES\n(.*?)\.SH", self.source, re.S).group(1)
        sizes = re.findall(r"^\.BR (\d\S*) [,;.]$", sizes, re.M)
        self.assertEqual(len(sizes), 6)
        for size in sizes:
            self.assertEqual(said_about(f'version: 1\nmodels: [{{match: "a*", virtual-vram: {size}}}]\n'), "")


if __name__ == "__main__":
    unittest.main()
