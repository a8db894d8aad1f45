"""`vramspan plan` where things go wrong or grow: pipes that close, full disks, hostile files, 100,000 tensors."""
import json
import os
import resource
import signal
import struct
import subprocess
import time
import unittest

from models import write_safetensors
from tool import ROOT, ToolTest, VRAMSPAN

TABLE = ROOT / "examples/models/flux_dev.json"
DEEP = b'{"a":' * 100000
HOSTILE = {
    "empty.safetensors": b"",
    "short.safetensors": b"\x10\0\0\0\0\0\0\0{}",
    "huge.safetensors": b"\xff" * 7 + b"\x7f{",
    "deep.json": DEEP,
    "deep.safetensors": struct.pack("<Q", len(DEEP)) + DEEP,
    "deep-table.json": b'{"model": "m", "modules": ' + b"[" * 100000,
    "repeated-table.json": b'{"model": "m", "modules": [{"name": "a", "repeat": 999999999, "modules": ['
                           b'{"name": "b", "repeat": 999999999, "modules": []}]}]}',
    "twice.json": b'{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"a":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}',
    "overlap.json": b'{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}',
    "wrong.json": b'{"a":{"dtype":"F16","shape":[4611686018427387904,4],"data_offsets":[0,2]}}',
    "list.json": b"[1, 2]",
    "array.gguf": b"GGUF\x03\0\0\0" + struct.pack("<QQ", 1 << 62, 1 << 62),
    "model.ckpt": b"PK\x03\x04" + bytes(100),
    "page.safetensors": b"<!DOCTYPE html><html>",
    "escape\x1b[31m.safetensors": b"",
}


def limit_memory():
    if b"__asan_init" in VRAMSPAN.read_bytes():  # which reserves terabytes of addresses
        return
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


class PlanHostile(ToolTest):
    def plan(self, *arguments, **more):
        return self.vramspan("plan", "--virtual-vram", "8gb", *map(str, arguments), **more)

    def test_hostile_files_are_told_about_in_little_time_and_memory(self):
        for name, data in HOSTILE.items():
            with self.subTest(name):
                (self.folder / name).write_bytes(data)
                started = time.monotonic()
                run = self.plan(name, preexec_fn=limit_memory)
                self.assertEqual(run.returncode, 1, run)
                self.assertRegex(run.stderr, r"\.(safetensors|json|gguf|ckpt)(:\d+)*: error: ")
                self.assertIn("\n  hint: ", run.stderr)
                self.assertNotIn("\x1b", run.stderr)
                run = self.plan("--json", name, preexec_fn=limit_memory)
                self.assertEqual((run.returncode, run.stderr), (1, ""))
                document = json.loads(run.stdout)
                self.assertEqual(document["plans"], [])
                self.assertIn("error", [diagnostic["severity"] for diagnostic in document["diagnostics"]])
                self.assertTrue(all("hint" in diagnostic for diagnostic in document["diagnostics"]))
                self.assertLess(time.monotonic() - started, 10)

    def test_a_bad_model_does_not_keep_others_from_being_planned(self):
        (self.folder / "empty.safetensors").write_bytes(b"")
        run = self.plan("empty.safetensors", TABLE)
        self.assertEqual(run.returncode, 1)
        self.assertIn("empty.safetensors: error: the file is empty", run.stderr)
        self.assertIn("flux_dev.json: diffusion", run.stdout)

    def test_a_file_without_tensors_is_an_error(self):
        write_safetensors(self.folder / "none.safetensors", [])
        self.expect(self.plan("none.safetensors"), 1, "", "none.safetensors: error: the file holds no tensor\n"
                    "  hint: check that this is the file that was meant\n")

    def test_names_cannot_command_a_terminal(self):
        write_safetensors(self.folder / "m.safetensors", [("a\x1b]0;x\x07.weight", [1024, 1024], "F16", 2),
                                                          ("line\nbreak.weight", [1024, 1024], "F16", 2)])
        for more in (["--tensors"], ["--explain", "*"]):
            run = self.plan(*more, "m.safetensors")
            self.assertIn("a\\x1b]0;x\\x07.weight", run.stdout)
            self.assertIn("line\\x0abreak.weight", run.stdout)
            self.assertFalse(set(run.stdout) & {"\x1b", "\x07"})

    def test_a_reader_that_goes_ends_it_as_pipes_do(self):
        reader, writer = os.pipe()
        os.close(reader)
        process = subprocess.Popen([VRAMSPAN, "plan", "--virtual-vram", "8gb", "--tensors", TABLE], stdout=writer,
                                   stderr=subprocess.PIPE, env=self.environment,
                                   preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
        os.close(writer)
        self.assertEqual((process.communicate()[1], process.returncode), (b"", -signal.SIGPIPE))

    def test_a_full_disk_is_told(self):
        for more in ([], ["--json"]):
            with open("/dev/full", "w") as full:
                run = self.plan(*more, TABLE, stdout=full, stderr=subprocess.PIPE, capture_output=False)
            self.assertEqual((run.returncode, run.stderr),
                             (1, "vramspan plan: error: the plan could not be written: No space left on device\n"))

    def test_100000_tensors_are_planned_in_seconds(self):
        tensors = [(f"model.layers.{i}.mlp.{kind}.weight", [256, 256], "F16", 2)
                   for i in range(25000) for kind in ("up", "gate", "down", "norm")]
        write_safetensors(self.folder / "big.safetensors", tensors)
        for more, fewest in (([], 20), (["--tensors"], 100000), (["--json", "--tensors"], 100000),
                             (["--explain", "*.down.weight"], 49999)):
            started = time.monotonic()
            run = self.plan(*more, "big.safetensors")
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertGreater(run.stdout.count("\n"), fewest)
            self.assertLess(time.monotonic() - started, 20)
        run = self.vramspan("plan", "--distorch", "cuda:0,50%;cpu,50%", "big.safetensors")
        self.assertIn("approximate: module order unknown", run.stdout)

    def test_a_model_may_be_larger_than_the_machine(self):
        """Bytes are counted in 64 bits, and in text as well."""
        (self.folder / "m.json").write_text(json.dumps(
            {f"a.{i}.weight": {"dtype": "F16", "shape": [1 << 40, 1], "data_offsets": [i << 41, (i + 1) << 41]}
             for i in range(4)}))
        run = self.plan("--machine", "24gb", "m.json")
        self.assertEqual(run.returncode, 1)
        self.assertIn("4 tensors, 8388608.00 MB (F16)", run.stdout)
        self.assertIn("does not fit: ", run.stdout)
        self.assertEqual([line for line in run.stdout.splitlines() if len(line) > 80], [])
        run = self.plan("--dtype", "fp32", "--json", "m.json")
        self.assertEqual(json.loads(run.stdout)["plans"][0]["model"]["bytes"], 1 << 44)


if __name__ == "__main__":
    unittest.main()
