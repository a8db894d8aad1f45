"""Tests of the launcher simrun and of the sitecustomize that it brings, with a pretended torch and an empty libcuda.so.1.

    python3 -m unittest discover tests/simcuda/stubs
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SIMRUN = pathlib.Path(__file__).resolve().parent.parent / "simrun"

# `enabled` is what the real torch.backends.cudnn.enabled is: True until somebody says otherwise.
TORCH = """
class version: cuda = {cuda!r}
class cudnn: enabled = True
class backends: cudnn = cudnn
"""
SAID = "simcuda: cuDNN is switched off (torch.backends.cudnn.enabled = False): convolutions run as matrix products\n"


class Simrun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.libraries = self.root / "libraries"
        self.libraries.mkdir()
        (self.libraries / "libcuda.so.1").touch()
        self.modules = self.root / "modules"
        self.modules.mkdir()
        (self.modules / "torch.py").write_text(TORCH.format(cuda="13.0"))

    def simrun(self, *arguments, **environment):
        return subprocess.run([SIMRUN, *map(str, arguments)], capture_output=True, text=True, check=False,
                              cwd=self.root, env={"PATH": os.environ["PATH"], "SIMCUDA_LIBS": str(self.libraries),
                                                  "PYTHONPATH": str(self.modules), **environment})

    def python(self, code, *options, **environment):
        done = self.simrun(*options, sys.executable, "-c", code, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_options_become_variables(self):
        (self.root / "machine.yaml").touch()
        done = self.simrun("--machine", "./machine.yaml", "--trace=trace-%p.jsonl", "--order", "random", "--seed", 7,
                           "--fail", "cuMemCreate:17,cuMemMap:1:999", "--", "env")
        variables = dict(line.split("=", 1) for line in done.stdout.splitlines())
        root = self.root.resolve()
        self.assertEqual(variables["SIMCUDA_MACHINE"], f"{root}/machine.yaml")
        self.assertEqual(variables["SIMCUDA_TRACE"], f"{root}/trace-%p.jsonl")
        self.assertEqual(variables["SIMCUDA_ORDER"], "random")
        self.assertEqual(variables["SIMCUDA_SEED"], "7")
        self.assertEqual(variables["SIMCUDA_FAIL"], "cuMemCreate:17,cuMemMap:1:999")
        self.assertEqual(variables["LD_LIBRARY_PATH"], str(self.libraries))

    def test_a_short_form_of_a_machine_stays_as_it_is(self):
        self.assertEqual(self.simrun("--machine", "8gb+24gb", "printenv", "SIMCUDA_MACHINE").stdout, "8gb+24gb\n")

    def test_existing_paths_are_kept_behind(self):
        done = self.simrun("printenv", "LD_LIBRARY_PATH", "PYTHONPATH", LD_LIBRARY_PATH="/elsewhere")
        self.assertEqual(done.stdout, f"{self.libraries}:/elsewhere\n{SIMRUN.parent / 'python'}:{self.modules}\n")

    def test_the_commands_options_and_status_are_its_own(self):
        done = self.simrun("sh", "-c", 'echo "$@"; exit 7', "sh", "--machine", "--x=1")
        self.assertEqual((done.stdout, done.returncode), ("--machine --x=1\n", 7))

    def test_mistakes_are_told_in_a_sentence(self):
        for arguments, message in [
                ((), "no command given"), (("--order", "never", "true"), "choose early, late or random"),
                (("--seed", "x", "true"), "whole number"), (("--fail", "cuInit", "true"), "function:n"),
                (("--machine", "no/such/file", "true"), "there is no such file"), (("--machine",), "needs a value"),
                (("--trace", "no/such/folder/x", "true"), "does not exist"), (("--bogus", "true"), "unknown option")]:
            with self.subTest(arguments=arguments):
                done = self.simrun(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)

    def test_missing_libraries_are_an_error(self):
        (self.libraries / "libcuda.so.1").unlink()
        done = self.simrun("true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no libcuda.so.1", done.stderr)
        self.assertIn("there is no folder /no/such", self.simrun("true", SIMCUDA_LIBS="/no/such").stderr)

    def test_cudnn_is_switched_off_when_torch_was_imported(self):
        done = self.python("import torch; print(torch.backends.cudnn.enabled)")
        self.assertEqual((done.stdout, done.stderr), ("False\n", SAID))

    def test_quiet_switches_off_silently(self):
        done = self.python("import torch; print(torch.backends.cudnn.enabled)", "--quiet")
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))

    def test_looking_for_torch_is_not_importing_it(self):
        done = self.python("import importlib.util, sys\nimportlib.util.find_spec('torch')\nassert 'torch' not in sys.modules\n"
                           "import torch; print(torch.backends.cudnn.enabled)")
        self.assertEqual((done.stdout, done.stderr), ("False\n", SAID))

    def test_a_program_without_torch_notices_nothing(self):
        done = self.python("import sys, json; print('torch' in sys.modules)")
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))

    def test_a_torch_without_cuda_is_left_alone(self):
        (self.modules / "torch.py").write_text(TORCH.format(cuda=None))
        done = self.python("import torch; print(torch.backends.cudnn.enabled)")
        self.assertEqual((done.stdout, done.stderr), ("True\n", ""))

    def test_a_torch_that_fails_fails_as_ever(self):
        (self.modules / "torch.py").write_text("raise RuntimeError('broken')")
        done = self.python("try:\n import torch\nexcept RuntimeError as error: print(error)\n"
                           "open('modules/torch.py', 'w').write(%r)\nimport torch; print(torch.backends.cudnn.enabled)"
                           % TORCH.format(cuda="13.0"), PYTHONDONTWRITEBYTECODE="1")
        self.assertEqual((done.stdout, done.stderr), ("broken\nFalse\n", SAID))

    def test_a_hidden_sitecustomize_runs_under_its_own_name(self):
        (self.modules / "sitecustomize.py").write_text("value = 42; print(__name__)")
        done = self.python("import sitecustomize, torch; print(sitecustomize.value, torch.backends.cudnn.enabled)")
        self.assertEqual(done.stdout, "sitecustomize\n42 False\n")


if __name__ == "__main__":
    unittest.main()
