"""What the tests of the command share: VRAMSPAN names it (build/vramspan), each test has a folder of its own, and an
environment in which nothing is said about policies.

    VRAMSPAN=build/vramspan /usr/bin/python3 -m unittest discover tests/tools
"""

import ast
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VRAMSPAN = pathlib.Path(os.environ.get("VRAMSPAN", ROOT / "build/vramspan")).resolve()
LIBRARY = VRAMSPAN.parent / "libvramspan.so"

GOOD = """version: 1
models:
  - {match: "a*.safetensors", distorch: "cuda:0,1gb;cpu,*"}
  - {match: "b*.safetensors", on: cpu}
"""
WARNED = GOOD + '  - {match: "ab*.safetensors", on: cpu}\n'
BAD = 'version: 1\nmodels:\n  - {match: "a*.safetensors", distroch: "cpu,*"}\n'


class ToolTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        self.home = self.folder / "home"
        self.home.mkdir()
        others = (
            "VRAMSPAN",
            "SIMCUDA",
            "CUDA_VISIBLE_DEVICES",
            "CUDA_DEVICE_ORDER",
            "LD_PRELOAD",
            "XDG_CONFIG_HOME",
            "NO_COLOR",
        )
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        self.environment.update(HOME=str(self.home), LC_ALL="C.UTF-8")

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def vramspan(self, *arguments, environment=None, **more):
        """Runs the command in the test's folder. A variable that is None is taken away."""
        variables = self.environment | (environment or {})
        variables = {name: value for name, value in variables.items() if value is not None}
        options = {"capture_output": True, "text": True, "cwd": self.folder, "timeout": 120} | more
        return subprocess.run([VRAMSPAN, *arguments], env=variables, check=False, **options)

    def expect(self, run, status, stdout="", stderr=""):
        self.assertEqual((run.returncode, run.stdout, run.stderr), (status, stdout, stderr))


# Not what the library remembers there of the devices: it does so in every process.
SHOW = """import os
for name, value in sorted(os.environ.items()):
    if name.startswith(('VRAMSPAN', 'LD_PRELOAD')) and not name.startswith(('VRAMSPAN_USER_', 'VRAMSPAN_SET_')):
        print(f'{name}={value!r}')
"""
VARIABLES = {
    "--policy": "VRAMSPAN_POLICY",
    "--virtual-vram": "VRAMSPAN_VIRTUAL_VRAM",
    "--distorch": "VRAMSPAN_DISTORCH",
    "--devices": "VRAMSPAN_DEVICES",
    "--donors": "VRAMSPAN_DONORS",
    "--compute-reserve": "VRAMSPAN_COMPUTE_RESERVE",
    "--host-reserve": "VRAMSPAN_HOST_RESERVE",
    "--on-error": "VRAMSPAN_ON_ERROR",
    "--backends": "VRAMSPAN_BACKENDS",
    "--log": "VRAMSPAN_LOG",
}


class RunTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.policy = self.write("good.yaml", GOOD)

    def run_with(self, *arguments, program=(sys.executable, "-c", SHOW), **more):
        return self.vramspan("run", *map(str, arguments), "--", *map(str, program), **more)

    def handed_down(self, *arguments, **more):
        """The variables that the program sees."""
        run = self.run_with(*arguments, **more)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return {name: ast.literal_eval(value) for name, value in (line.split("=", 1) for line in run.stdout.splitlines())}
