"""The JSON Schema of the policy language, which editors use: it accepts whatever the parser accepts, and refuses the
structural errors of the corpus (those that begin with a line `# structural`).

    VRAMSPAN_POLICY_CHECK=build/tests/programs/policy_check python3 -m unittest discover tests/policy/language

The parser speaks through the program policy_check. YAML is read as editors read it: by the core schema of YAML 1.2, in
which `on` is a word.
"""
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import unittest

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHECK = os.environ["VRAMSPAN_POLICY_CHECK"]
CORPUS = ROOT / "tests/policy"
SCHEMA = json.loads((ROOT / "examples/policy.schema.json").read_text())
WORD = r"\"[^\"\n]*\"|'[^'\n]*'|[^\s,\[\]{}\"']+"
MUTANTS = int(os.environ.get("SCHEMA_MUTANTS", "4000"))


class Loader(yaml.SafeLoader):
    """Aliases and merge keys are followed: a schema cannot see them."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"[-+]?(?:(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF|nan|NaN|NAN))$",
     list("-+.0123456789")),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), first)


def integer(loader, node):
    text = node.value
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


Loader.add_constructor("tag:yaml.org,2002:int", integer)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def load(text):
    return yaml.load(text, Loader)


def verdicts(paths):
    """Whether the parser accepts each of the files."""
    lines = []
    paths = [str(path) for path in paths]
    for at in range(0, len(paths), 500):
        answer = subprocess.run([CHECK, "--verdicts", *paths[at:at + 500]], capture_output=True, text=True, check=True)
        lines += answer.stdout.split()
    assert len(lines) == len(paths)
    return [line == "accepted" for line in lines]


def objections(document):
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in VALIDATOR.iter_errors(document)]


# Each key of the language once, each value a word.
EVERY_KEY = """
version: 1
compute: cuda:0
compute-reserve: 1gb
host-reserve: 2gb
donors: cuda:1
on-error: stop
models:
  - match: "a*"
    part: vae
    virtual-vram: 1gb
    order: listed
    dtype: fp16
    tensors: [{match: "a*", on: cuda:1}]
  - {match: "b*", distorch: "cpu,*"}
  - {match: "c*", on: cuda:1}
"""


class Schema(unittest.TestCase):
    def test_is_a_schema(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)

    def test_accepts_the_examples_and_what_the_corpus_accepts(self):
        paths = [path for folder in ("good", "warned") for path in sorted((CORPUS / folder).glob("*.yaml"))]
        paths += sorted((ROOT / "examples").glob("*.yaml"))
        self.assertGreater(len(paths), 25)
        for path, accepted in zip(paths, verdicts(paths)):
            with self.subTest(path.name):
                self.assertTrue(accepted)
                self.assertEqual(objections(load(path.read_bytes())), [])

    def test_refuses_the_structural_errors_of_the_corpus(self):
        refused, unreadable = 0, []
        for path in sorted((CORPUS / "bad").glob("*.yaml")):
            text = path.read_bytes()
            if b"# structural\n" not in text:
                continue
            with self.subTest(path.name):
                try:
                    document = load(text)
                except yaml.YAMLError:  # an editor shows that by itself
                    unreadable.append(path.name[:2])
                    continue
                self.assertNotEqual(objections(document), [])
                refused += 1
        self.assertEqual(unreadable, ["17", "20", "24"])
        self.assertGreater(refused, 50)

    def test_accepts_whatever_the_parser_accepts(self):
        """Every word behind every key once; then policies with some of their text replaced by text of others."""
        rng = random.Random(int(os.environ.get("SCHEMA_SEED", "5")))
        seeds, words, values = [], set(), {}
        for folder in ("good", "warned", "bad"):
            for path in sorted((CORPUS / folder).glob("*.yaml")):
                text = path.read_bytes().decode("utf-8-sig", "replace")
                seeds += [text] * (1 if folder == "bad" else 20)
                words |= set(re.findall(WORD, text))
                for key, value in re.findall(rf"([a-z-]+): +({WORD})", text):
                    values.setdefault(key, set()).add(value)
        words, values = sorted(words), {key: sorted(those) for key, those in values.items()}
        # What YAML takes for something else than text, and what sizes and names may look like.
        words += ["~", "null", "true", "0", "-1", "1.5", "1e3", "0x10", "0o7", ".inf", "yes", "8 gb", "8 GiB", "08gb",
                  "1.gb", "1.5b", "100%", "100.1%", "5 %", "[]", "{}", "\"\"", "cuda:1:8gb", "cpu :8gb", "\"cpu: 8 gb\"",
                  "\"cpu:8gb \"", "\"cpu \"", "\" cpu\"",
                  "\"cuda:1 \"", "\"\\tcuda:1\"", "\"\\ncuda:1\\n: 8gb\\n\"", "\" 8gb\"", "\"8gb \"", "\" 40%\"", "cuda:256", "cuda:007", "compute", "a/b", "a b", "\"a\\tb\"", "12_000", "2026-01-01"]
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for pair in re.finditer(rf"[a-z-]+: +(?P<value>{WORD})", EVERY_KEY):
                begin, end = pair.span("value")
                for word in words:
                    paths.append(pathlib.Path(folder, f"once-{len(paths)}.yaml"))
                    paths[-1].write_text(EVERY_KEY[:begin] + word + EVERY_KEY[end:])
            once = len(paths)
            for i in range(MUTANTS):
                text = rng.choice(seeds)
                for _ in range(rng.randint(1, 3)):
                    # A value by one that stands behind the same key somewhere, or by anything; or any word by anything.
                    pairs = list(re.finditer(rf"(?P<key>[a-z-]+): +(?P<value>{WORD})", text))
                    pair = rng.choice(pairs) if pairs and rng.random() < 0.9 else None
                    place = rng.choice(list(re.finditer(f"(?P<value>{WORD})", text)) or [None])
                    if not pair and not place:
                        break
                    begin, end = (pair or place).span("value")
                    choice = values.get(pair["key"], words) if pair and rng.random() < 0.7 else words
                    text = text[:begin] + rng.choice(choice) + text[end:]
                paths.append(pathlib.Path(folder, f"{i}.yaml"))
                paths[-1].write_text(text)
            accepted = [path for path, verdict in zip(paths, verdicts(paths)) if verdict]
            by_chance = sum(not path.name.startswith("once-") for path in accepted)
            self.assertGreater(len(accepted) - by_chance, once // 50)
            self.assertGreater(by_chance, MUTANTS // 10)
            self.assertGreater(MUTANTS - by_chance, MUTANTS // 4)
            for path in accepted:
                text = path.read_text()
                self.assertEqual(objections(load(text)), [], text)

    def test_knows_the_keys_that_the_parser_knows(self):
        """The parser lists them when it meets one that is far from all of them."""
        definitions = SCHEMA["definitions"]
        cases = {
            "version: 1\nqqqqqqqqqqqq: 1\n": SCHEMA["properties"],
            "version: 1\nmodels: [{qqqqqqqqqqqq: 1}]\n": definitions["section"]["properties"],
            "version: 1\nmodels: [{tensors: [{qqqqqqqqqqqq: 1}]}]\n": definitions["tensor-line"]["properties"],
        }
        for text, properties in cases.items():
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(text)
                file.flush()
                said = subprocess.run([CHECK, file.name], capture_output=True, text=True, check=True).stdout
            known = re.search(r"hint: known here: (.*)", said).group(1)
            self.assertEqual(re.findall(r"`([^`]+)`", known), list(properties))


if __name__ == "__main__":
    unittest.main()
