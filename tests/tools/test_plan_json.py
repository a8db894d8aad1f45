"""`vramspan plan --json`: its schema, the same figures as the text, and DisTorch2's own results (the golden cases)."""
import itertools
import json
import os
import pathlib
import re
import unittest

import jsonschema

from models import GOLDEN, golden_tensors, table_modules, write_safetensors
from tool import ROOT, ToolTest

SCHEMA = json.loads((ROOT / "examples/plan.schema.json").read_text())
TABLES = ("flux_dev", "qwen_image", "sd15_unet", "sdxl_unet", "t5xxl", "wan21_14b")
POLICIES = (["--virtual-vram", "60%", "--donors", "cuda:1,cpu"], ["--virtual-vram", "0"],
            ["--distorch", "cuda:0,20%;cuda:1,30%;cpu,50%"], ["--distorch", "cuda:0,1gb;cpu,*"])


class PlanJson(ToolTest):
    def document(self, *arguments, status=0):
        run = self.vramspan("plan", "--json", *map(str, arguments))
        if status is not None:
            self.assertEqual(run.returncode, status, run.stdout)
        document = json.loads(run.stdout)
        jsonschema.validate(document, SCHEMA, jsonschema.Draft7Validator)
        self.assertEqual(run.stderr, "")
        return document

    def plans(self, *arguments, **more):
        return self.document(*arguments, **more)["plans"]

    def test_what_is_said_is_in_the_document_whatever_fails(self):
        """The same sentences as those of the text form, each with the model that it is about."""
        table, missing, small = ROOT / "examples/models/flux_dev.json", "no/such.gguf", ["--machine", "12gb"]
        self.write("bad.yaml", "version: 1\nmodels:\n  - {match: \"*\", distroch: 1}\n")
        other = self.write("other.yaml", "version: 1\nmodels:\n  - {match: \"other*\", on: cpu}\n")
        for words, models, plans in (
            (["--virtual-vram", "8gbb", "--machine", "3x", "--dtype", "bf17", table], [None] * 3, 0),
            (["--policy", "bad.yaml", table], [None], 0), (["--policy", "none.yaml", table], [None], 0),
            ([table], [None], 0),
            (["--policy", other, table], [str(table)], 0), (["--virtual-vram", "8gb", missing], [missing], 0),
            (["--virtual-vram", "4gb", *small, table, missing, table], [str(table), missing, str(table)], 2),
            (["--virtual-vram", "4gb", "--explain", "nothing", table], [None], 1),
            (["--virtual-vram", "4gb", table], [], 1)):
            with self.subTest(words):
                text = self.vramspan("plan", *map(str, words))
                document = self.document(*words, status=text.returncode)
                said = [":".join([d["file"], *(str(d[k]) for k in ("line", "column") if k in d)])
                        + f": {d['severity']}: {d['message']}" for d in document["diagnostics"]]
                self.assertEqual(said, re.findall(r"^\S.*?: (?:error|warning): .*$", text.stderr, re.M))
                self.assertEqual([d["hint"] for d in document["diagnostics"] if "hint" in d],
                                 re.findall(r"^  hint: (.*)$", text.stderr, re.M))
                self.assertEqual([d["model"] for d in document["diagnostics"]], models)
                self.assertEqual(len(document["plans"]), plans)

    def test_the_schema_is_one_and_names_every_member(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        plan, = self.plans("--virtual-vram", "50%", "--tensors", ROOT / "examples/models/sd15_unet.json")

        def compare(value, schema, path):
            schema = SCHEMA["definitions"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
            if isinstance(value, dict):
                self.assertEqual(set(value), set(schema["properties"]), path)
                for name in value:
                    compare(value[name], schema["properties"][name], f"{path}.{name}")
            elif isinstance(value, list):
                for item in value:
                    compare(item, schema["items"], f"{path}[]")
        compare(plan, SCHEMA["definitions"]["plan"], "plan")

    def test_text_and_json_have_the_same_figures(self):
        for table, policy, machine in itertools.product(TABLES, POLICIES, ([], ["--machine", "8gb+24gb"])):
            words = [*policy, *machine, str(ROOT / f"examples/models/{table}.json")]
            text = self.vramspan("plan", *words)
            plan, = self.plans(*words, status=text.returncode)
            rows = dict(re.findall(r"^(\S+) +(\d+ +[\d.]+ +[\d.]+%)", text.stdout, re.M))
            for device in plan["devices"]:
                count = device["tensors"] if device["layers"] is None else device["layers"]
                share = 100 * device["placed_bytes"] / plan["model"]["bytes"]
                self.assertEqual(rows[device["device"]].split(),
                                 [str(count), f"{device['placed_bytes'] / 2**20:.2f}", f"{share:.1f}%"])
                if machine:
                    quota = re.search(rf"^{device['device']} +([\d.]+) +[\d.]+% +([\d.]+) ", text.stdout, re.M)
                    self.assertEqual(quota.groups(), (f"{device['total_bytes'] / 2**30:.2f}",
                                                      f"{device['quota_bytes'] / 2**30:.2f}"))
            for kind in plan["layer_types"]:
                self.assertEqual(rows[kind["type"]].split()[:2], [str(kind["layers"]), f"{kind['bytes'] / 2**20:.2f}"])
            for link in plan["forecast"]["links"]:
                self.assertRegex(text.stdout, rf"\n{link['from']} to cuda:0 +{link['bytes'] / 2**20:.2f} "
                                              rf"+{link['bytes_per_second'] / 1e9:.1f} +{link['seconds']:.3f} ")
            self.assertEqual("does not fit" in text.stdout, plan["unfit_bytes"] > 0)
            self.assertEqual(text.returncode, int(plan["unfit_bytes"] > 0))

    def test_every_byte_is_somewhere_and_moved_once(self):
        for table, policy in itertools.product(TABLES, POLICIES):
            plan, = self.plans(*policy, "--machine", "2x48gb", "--tensors", ROOT / f"examples/models/{table}.json")
            total = plan["model"]["bytes"]
            by_device = {}
            for tensor in plan["tensors"]:
                by_device[tensor["device"]] = by_device.get(tensor["device"], 0) + tensor["bytes"]
                self.assertTrue(tensor["why"].startswith(tensor["device"] + ": "))
            self.assertEqual(sum(by_device.values()), total)
            for device in plan["devices"]:
                self.assertEqual(by_device.get(device["device"], 0), device["placed_bytes"])
            self.assertEqual(sum(kind["bytes"] for kind in plan["layer_types"]), total)
            off_device = sum(device["placed_bytes"] for device in plan["devices"] if not device["compute"])
            forecast = plan["forecast"]
            self.assertEqual(forecast["copy_bytes"] + forecast["lookup_bytes"], off_device)
            self.assertEqual(sum(link["bytes"] for link in forecast["links"]), forecast["copy_bytes"])
            kinds = {}
            for module in table_modules(table):
                kinds[module["type"]] = kinds.get(module["type"], 0) + bool(module["tensors"])
            self.assertEqual({kind["type"]: kind["layers"] for kind in plan["layer_types"]},
                             {kind: count for kind, count in kinds.items() if count})

    def test_a_learned_order_and_a_glob_choose_what_is_listed(self):
        plan, = self.plans("--virtual-vram", "8gb", "--explain", "*.0.img_mod.lin.*",
                           ROOT / "examples/models/flux_dev.json")
        self.assertEqual([tensor["name"] for tensor in plan["tensors"]],
                         ["double_blocks.0.img_mod.lin.bias", "double_blocks.0.img_mod.lin.weight"])
        plan, = self.plans("--virtual-vram", "8gb", ROOT / "examples/models/flux_dev.json")
        self.assertNotIn("tensors", plan)

    def test_formats_of_models_are_named(self):
        models = ROOT / "tests/policy/models"
        for name, form in (("types.safetensors", "safetensors"), ("types.gguf", "gguf"), ("version2.gguf", "gguf"),
                           ("shards.safetensors.index.json", "index"), ("checkpoint-header.json", "header")):
            plan, = self.plans("--virtual-vram", "50%", models / name)
            self.assertEqual((plan["model"]["name"], plan["model"]["format"]), (name, form))

    def test_what_failed_is_left_out_and_the_status_tells(self):
        plans = self.plans("--virtual-vram", "8gb", "no/such.gguf", ROOT / "examples/models/t5xxl.json", status=1)
        self.assertEqual([plan["model"]["name"] for plan in plans], ["t5xxl.json"])

    def test_names_that_are_no_utf_8_are_shown(self):
        name = os.fsencode(self.folder) + b"/m\xff.safetensors"
        write_safetensors(name, [("a.weight", [256, 256], "F16", 2)])
        plan, = self.plans("--virtual-vram", "8gb", os.fsdecode(name).encode("utf-8", "surrogateescape").decode(
            "utf-8", "surrogateescape"))
        self.assertEqual(plan["model"]["name"], "m\\xff.safetensors")

    def machine_of(self, device_bytes):
        lines = [f"host: {device_bytes['cpu']}", "devices:"]
        lines += [f"  - memory: {size}" for name, size in sorted(device_bytes.items()) if name != "cpu"]
        return self.write("machine.yaml", "\n".join(lines) + "\n")

    def test_distorch_has_computed_the_same(self):
        cases_path = pathlib.Path(os.environ.get("VRAMSPAN_GOLDEN_CASES", GOLDEN / "cases.json"))
        cases, models = json.loads(cases_path.read_text()), {}
        self.assertGreaterEqual(len(cases), 1)
        for case in cases:
            with self.subTest(case["case"]):
                model = case["model"]
                if model not in models:
                    models[model] = write_safetensors(self.folder / f"renamed-{len(models)}.safetensors",
                                                      golden_tensors(model, cases_path.parent))
                allocation = f"{case['allocation']}#{case['compute']}"
                if not case["allocation"]:
                    allocation = f"#{case['compute']};{case['virtual_vram_gb']};{','.join(case['donors'])}"
                known = [] if (ROOT / f"examples/models/{model}.json").exists() else [
                    "--modules", cases_path.parent / f"models/{model}.json"]
                plan, = self.plans("--tensors", "--distorch", allocation, "--machine", self.machine_of(case["device_bytes"]),
                                   *known, models[model], status=None)
                self.assertFalse(plan["approximate"])
                self.assertEqual({device["device"]: {"modules": device["layers"], "bytes": device["placed_bytes"]}
                                  for device in plan["devices"] if device["layers"]}, case["totals"])
                homes = {tensor["name"]: tensor["device"] for tensor in plan["tensors"]}
                modules = json.loads((cases_path.parent / f"models/{model}.json").read_text())["modules"]
                self.assertEqual(len(modules), len(case["assignment"]))
                for module, letter in zip(modules, case["assignment"]):
                    for name, *_ in module["tensors"]:
                        self.assertEqual(homes[f"{module['name']}.{name}"], case["devices"][ord(letter) - ord("a")])


if __name__ == "__main__":
    unittest.main()
