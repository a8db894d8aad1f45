"""`vramspan run --simulate`, with a program that loads a model and asks the machine where its bytes are; and what the
library itself says about a policy.

The simulated CUDA is beside the command (`make simcuda`), the program in VRAMSPAN_TEST_PROGRAMS (build/tests/programs).
"""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

from tool import BAD, LIBRARY, VRAMSPAN, WARNED, ToolTest

PLACES = pathlib.Path(os.environ.get("VRAMSPAN_TEST_PROGRAMS", VRAMSPAN.parent / "tests/programs")).resolve() / "places"
MIB = 1 << 20
TENSOR = 24 * MIB
COUNT = 5
# In the order of the list: two tensors, one, and the rest. DisTorch2 goes from the last to the first: two to cuda:0, one
# to cuda:1, one to cpu (which is to take 40 MiB), and what no share has room for stays on the compute device.
QUOTAS = "cuda:0,50mb;cuda:1,30mb;cpu,*"


class Simulated(ToolTest):
    def setUp(self):
        super().setUp()
        header = {
            f"layer.{n}.weight": {
                "dtype": "F32",
                "shape": [TENSOR // 4],
                "data_offsets": [n * TENSOR, (n + 1) * TENSOR],
            }
            for n in range(COUNT)
        }
        text = json.dumps(header).encode()
        self.model = self.folder / "a model.safetensors"
        with self.model.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + COUNT * TENSOR)
        self.policy = self.write(
            "a policy.yaml", f'version: 1\nmodels: [{{match: "a*.safetensors", distorch: "{QUOTAS}", order: listed}}]\n'
        )
        self.environment["SIMCUDA_QUIET"] = "1"

    def run_places(self, *options, **more):
        return self.vramspan("run", *options, "--", str(PLACES), self.model.name, str(TENSOR), str(COUNT), **more)

    def places(self, *options, **more):
        run = self.run_places(*options, **more)
        self.assertEqual(run.returncode, 0, run.stderr)
        return {name: int(count) for name, count in (line.split() for line in run.stdout.splitlines())}

    LISTED = {"cuda:0": 2 * TENSOR, "cuda:1": TENSOR, "host": 2 * TENSOR, "devices": 2}
    DISTORCH = {"cuda:0": 3 * TENSOR, "cuda:1": TENSOR, "host": TENSOR, "devices": 2}

    def test_a_policy_places_weights(self):
        self.assertEqual(self.places("--simulate", "2x24gb", "--policy", self.policy.name), self.LISTED)
        self.assertEqual(
            self.places("--simulate=2x24gb", environment={"VRAMSPAN_POLICY": self.policy.name}), self.LISTED
        )

    def test_an_allocation_places_weights_without_a_file(self):
        self.assertEqual(self.places("--simulate", "2x24gb", "--distorch", QUOTAS), self.DISTORCH)
        virtual = self.places("--simulate", "2x24gb", "--virtual-vram", "50mb", "--donors", "cuda:1:25mb,cpu")
        self.assertEqual(virtual, {"cuda:0": 3 * TENSOR, "cuda:1": TENSOR, "host": TENSOR, "devices": 1})
        run = self.run_places("--simulate", "2x24gb", "--distorch", "cuda:0,1gb;cpu,*")
        self.assertIn(f"cuda:0 {COUNT * TENSOR}\n", run.stdout)

    def test_the_users_own_policies_place_weights(self):
        (self.home / ".config/vramspan").mkdir(parents=True)
        shutil.copy(self.policy, self.home / ".config/vramspan")
        self.assertEqual(self.places("--simulate", "2x24gb"), self.LISTED)

    def test_the_machine_is_the_one_that_was_asked_for(self):
        for machine, devices in (("24gb", 1), ("8gb+24gb", 2), ("3x8gb", 3), ("1x12gb", 1)):
            seen = self.places("--simulate", machine, "--distorch", "cuda:0,1gb;cpu,*")
            self.assertEqual(seen["devices"], devices, machine)
        self.write("my machine.yaml", "devices: [{memory: 4gb}, {memory: 4gb}, {memory: 4gb}, {memory: 4gb}]\n")
        shutil.copy(self.folder / "my machine.yaml", self.folder / "-m.yaml")
        for name in ("./my machine.yaml", "-m.yaml"):
            seen = self.places(f"--simulate={name}", "--distorch", "cuda:0,1gb;cpu,*")
            self.assertEqual(seen["devices"], 4, name)

    def test_the_hosts_memory_is_that_of_the_machine(self):
        """Not this one's: of 4 GB, 50 MB are left beside the reserve, which DisTorch's plan does not know."""
        self.environment["TMPDIR"] = str(self.folder)
        run = self.run_places("--simulate", "24gb+host:4gb", "--host-reserve", "4046mb", "--distorch", "cpu,*")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(f"host {2 * TENSOR}\n", run.stdout)
        self.assertIn(f"cuda:0 {(COUNT - 2) * TENSOR}\n", run.stdout)
        self.assertIn("warning: host memory is full: ", run.stderr)
        self.assertEqual(list(self.folder.glob("vramspan-sim-*")), [])

    def test_a_machine_that_is_none_starts_nothing(self):
        for option in ("--on-error=stop", "--on-error=passthrough"):
            run = self.run_places("--simulate", "2x24gbit", "--distorch", QUOTAS, option)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertTrue(
                run.stderr.startswith("--simulate:1:1: error: `2x24gbit` is neither a short form"), run.stderr
            )
            self.assertNotIn("passthrough", run.stderr)

    def test_what_cannot_be_honoured_on_the_machine_starts_nothing(self):
        run = self.run_places("--simulate", "24gb", "--policy", self.policy.name)
        check = self.vramspan("check", self.policy.name, "--machine", "24gb")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (1, "", check.stderr))
        self.assertIn("`cuda:1` is not there", run.stderr)

    def test_what_is_renumbered_by_the_user_is_left_to_the_library(self):
        """cuda:1 of the policy is then not the machine's."""
        run = self.run_places("--simulate", "2x24gb", "--distorch", "cuda:0,50mb;cpu,*", "--devices", "cuda:0", "-n")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        for variable, value in (("CUDA_VISIBLE_DEVICES", "1"), ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")):
            run = self.run_places(
                "--simulate", "24gb", "--policy", self.policy.name, "-n", environment={variable: value}
            )
            self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_levels_of_the_log(self):
        said = {
            level: self.run_places("--simulate", "2x24gb", "--distorch", QUOTAS, "--log", level).stderr
            for level in ("warn", "info", "debug")
        }
        self.assertEqual(said["warn"], "")
        self.assertIn("vramspan: ", said["info"])
        self.assertGreater(len(said["debug"]), len(said["info"]))

    def test_exit_status_and_arguments_pass_the_simulator(self):
        run = self.vramspan(
            "run",
            "--simulate",
            "2x24gb",
            "--virtual-vram",
            "1gb",
            "--",
            "sh",
            "-c",
            'printf "%s|" "$@"; exit 77',
            "sh",
            "",
            "a b",
            "--machine",
            "it's\nx",
        )
        self.expect(run, 77, "|a b|--machine|it's\nx|")
        self.assertEqual(
            self.vramspan("run", "--simulate", "2x24gb", "--virtual-vram", "1gb", "--", "no-such").returncode, 127
        )

    def test_the_process_stays_the_same(self):
        with subprocess.Popen(
            [VRAMSPAN, "run", "--simulate", "2x24gb", "--virtual-vram", "1gb", "--", "sh", "-c", "echo $$"],
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        ) as process:
            self.assertEqual(int(process.communicate()[0]), process.pid)

    def test_where_it_was_not_built_it_says_what_to_do(self):
        copy = self.folder / "vramspan"
        shutil.copy(VRAMSPAN, copy)
        shutil.copy(LIBRARY, self.folder)
        for step in (None, "vramspan-sim"):
            if step:
                (self.folder / step).symlink_to(VRAMSPAN.parent / step)
            run = subprocess.run(
                [copy, "run", "--simulate", "2x24gb", "--virtual-vram", "1gb", "true"],
                capture_output=True,
                text=True,
                env=self.environment,
                check=False,
            )
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            self.assertIn(
                "there is no simulated CUDA beside this program\n  hint: build it with `make simcuda`", run.stderr
            )

    def by_hand(self, **variables):
        return subprocess.run(
            [
                VRAMSPAN.parent / "vramspan-sim",
                "--home",
                VRAMSPAN.parent / "simcuda",
                "--machine",
                "2x24gb",
                PLACES,
                self.model.name,
                str(TENSOR),
                str(COUNT),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self.environment | {"LD_PRELOAD": str(LIBRARY)} | variables,
        )

    def test_the_library_says_the_same_about_a_policy(self):
        """Whoever starts a program without `vramspan run` reads the same text."""
        bad, warned = self.write("bad.yaml", BAD), self.write("warned.yaml", WARNED)
        run, check = self.by_hand(VRAMSPAN_POLICY=str(bad)), self.vramspan("check", str(bad))
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(": error: ", check.stderr)
        self.assertTrue(run.stderr.startswith(check.stderr), run.stderr)
        self.assertEqual(self.run_places("--policy", str(bad)).stderr, check.stderr)
        run, check = self.by_hand(VRAMSPAN_POLICY=str(warned)), self.vramspan("check", str(warned))
        self.assertIn(": warning: ", check.stderr)
        self.assertTrue(run.stderr.startswith(check.stderr), run.stderr)

    def test_by_hand_weights_go_where_run_puts_them(self):
        self.assertEqual(
            self.by_hand(VRAMSPAN_POLICY=str(self.policy)).stdout,
            self.run_places("--simulate", "2x24gb", "--policy", self.policy.name).stdout,
        )


if __name__ == "__main__":
    unittest.main()
