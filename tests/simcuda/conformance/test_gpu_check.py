"""gpu_check.py on the simulated CUDA: what a report holds, in which order it is told, and when there is none.

BUILD names the build folder. The simulated run has one rule switched off, so that its check fails."""
import getpass
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import gpu_check_proofs

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(HERE, "../../../build")))
PROGRAM = os.path.join(BUILD, "tests/conformance")

# A cost of the simulator is a positive number, and none of these can be true of any machine.
LIMITS = {"us": 1e6, "gb/s": 1e4, "s/gib": 100, "mib": 1e5}
# What costs.md of the virtual clock is made of.
COSTS = {"kernel_launch", "async_copy_call", "event_record", "stream_wait_event", "synchronize_idle",
         "synchronize_wakeup", "host_callback", "vmm_create_2_mib", "vmm_map_2_mib", "vmm_unmap_2_mib",
         "vmm_release_2_mib", "vmm_create_32_mib", "vmm_map_32_mib", "vmm_unmap_32_mib", "vmm_release_32_mib",
         "pinned_allocation", "pinning", "host_located_pages", "pageable_to_device", "device_to_pageable",
         "pinned_to_device", "device_to_pinned", "within_device", "copy_start_alone", "copy_start_queued",
         "peer_with_access", "peer_without_access", "context_memory", "kernel_reads_local", "kernel_reads_peer",
         "kernel_reads_host", "kernel_reads_pinned", "copy_from_peer", "copy_from_host"}


def gpu_check(out, *options, **variables):
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "LD_PRELOAD")}
    return subprocess.run([sys.executable, os.path.join(HERE, "gpu_check.py"), "--programs", BUILD + "/tests",
                           "--out", out, *options], env=dict(environment, **variables), capture_output=True, text=True)


def has_driver():
    return subprocess.run([sys.executable, "-c", "import ctypes; ctypes.CDLL('libcuda.so.1')"], capture_output=True,
                          env={"PATH": os.environ["PATH"]}).returncode == 0


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.done = gpu_check(cls.folder.name, "--on-simulated", BUILD + "/simcuda", "--release", "1.2.3",
                             "--control", BUILD + "/tests/libvramspan_control.so", "--move-mebibytes", "64",
                             "--library", BUILD + "/libvramspan.so",
                             SIMCUDA_WEAK="map_offset", SIMCUDA_MACHINE="2x24gb")
        with open(cls.folder.name + "/report.json", encoding="utf-8") as file:
            cls.text = file.read()
        with open(cls.folder.name + "/report.md", encoding="utf-8") as file:
            cls.page = file.read()
        cls.report = json.loads(cls.text)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_says_everywhere_that_cuda_is_simulated(self):
        self.assertEqual(self.report["cuda"], "simulated CUDA")
        self.assertIn("SIMULATED CUDA", self.page.splitlines()[0])
        self.assertIn("simulated CUDA:", self.done.stdout.splitlines()[-1])

    def test_holds_every_check_for_both_runtimes(self):
        listed = subprocess.run([PROGRAM, "--list"], env={"LD_LIBRARY_PATH": BUILD + "/simcuda"}, text=True,
                                capture_output=True, check=True).stdout.splitlines()
        for runtime in (12, 13):
            checks = [c for c in self.report["checks"] if c["runtime"] == runtime]
            self.assertEqual([c["id"] for c in checks], [line.split()[0] for line in listed])
            for check in checks:
                self.assertIn(f"| {check['id']} | {runtime} |", self.page)

    def test_tells_the_check_that_fails_and_why(self):
        self.assertEqual(self.done.returncode, 1)
        failed = [c for c in self.report["checks"] if c["result"] == "fail"]
        self.assertEqual({c["id"] for c in failed}, {"vmm_offset"})
        self.assertIn("CUDA_ERROR_INVALID_VALUE", failed[0]["reason"])

    def test_tells_assumed_checks_then_failures_then_the_rest(self):
        lines = [line for line in self.done.stdout.splitlines() if "  cudart 1" in line]
        kinds = [0 if "assumed" in line else 1 if line.startswith("fail") else 2 for line in lines]
        self.assertEqual(kinds, sorted(kinds))
        self.assertEqual(set(kinds), {0, 1, 2})
        heads = [self.page.index(head) for head in ("## What was assumed", "## Other failures", "## The other checks")]
        self.assertLess(heads[0], self.page.index("| launch_freed_memory |"))
        self.assertLess(heads[1], self.page.index("| vmm_offset |"))
        self.assertLess(self.page.index("| vmm_offset |"), heads[2])

    def test_describes_the_machine(self):
        machine = self.report["machine"]
        self.assertEqual([d["memory_bytes"] for d in machine["devices"]], [24 << 30] * 2)
        self.assertEqual(machine["peer_access"], [[1, 1], [1, 1]])
        self.assertEqual(machine["driver_cuda_version"], 13000)
        self.assertEqual([r["runtime_version"] // 1000 for r in self.report["runtimes"]], [13, 12])
        self.assertIn(platform.release(), machine["kernel"])
        self.assertEqual(self.report["vramspan"], "1.2.3")

    def test_measures_every_cost(self):
        self.assertEqual({cost["id"] for cost in self.report["costs"]}, COSTS)
        for cost in self.report["costs"]:
            self.assertGreater(cost["median"], 0, cost)
            self.assertLess(cost["median"], LIMITS[cost["unit"]], cost)
            self.assertGreaterEqual(cost["median"], cost["smallest"], cost)
        self.assertEqual([(c["device"], c["peer"]) for c in self.report["costs"] if c["id"] == "peer_with_access"],
                         [(0, 1), (1, 0)])

    def test_moves_weights_under_kernels(self):
        self.assertEqual([m["holds"] for m in self.report["moves"]], [True] * 5, self.report["moves"])
        self.assertIn("| yes | every bit is what it was |", self.page)

    def test_proves_all_memory_for_each_device(self):
        self.assertEqual(sorted((p["device"], p["backing"], p["place"], p.get("peer")) for p in self.report["proofs"]
                                if p["device"] == 0),
                         [(0, "pinned", "host", None), (0, "vmm", "host", None), (0, "vmm", "local", None),
                          (0, "vmm", "peer", 1)])
        self.assertEqual(len(self.report["proofs"]), 8)
        self.assertEqual({p["outcome"] for p in self.report["proofs"]}, {"works"}, self.report["proofs"])
        self.assertIn("| vmm | peer | 1 | 0 | works |", self.page)

    def test_names_no_user_and_no_host(self):
        secrets = {platform.node(), os.path.expanduser("~"), BUILD, HERE}
        if getpass.getuser() != "root":
            secrets.add(getpass.getuser())
        for secret in secrets:
            word = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(secret)}(?![A-Za-z0-9_])")
            self.assertIsNone(word.search(self.text), secret)
            self.assertIsNone(word.search(self.page), secret)


class BrokenPeers(unittest.TestCase):
    def test_are_told_with_the_step_that_shows_it(self):
        outcomes = {}
        for kind in ("lies", "faults"):
            environment = dict(os.environ, SIMCUDA_MACHINE=f"2x24gb-peer-{kind}")
            with unittest.mock.patch.dict(os.environ, environment):
                found = gpu_check_proofs.proofs(BUILD + "/libvramspan.so", [BUILD + "/simcuda"])
            outcomes[kind] = {(p["place"], p["outcome"], p["step"], p["detail"]) for p in found}
        fine = {(place, "works", "give-back", "") for place in ("local", "host")}
        self.assertEqual(outcomes["lies"], fine | {("peer", "wrong", "kernel-read", "")})
        self.assertEqual(outcomes["faults"], fine | {("peer", "failed", "kernel-read", "CUDA_ERROR_ILLEGAL_ADDRESS")})


class NoReport(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def expect_refusal(self, done, sentence):
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertIn(sentence, done.stderr)
        self.assertFalse(os.path.exists(self.folder + "/report.json"))

    @unittest.skipIf(has_driver(), "this machine has a driver")
    def test_without_a_driver(self):
        self.expect_refusal(gpu_check(self.folder), "install the driver")

    def test_where_the_simulated_library_would_be_taken_for_a_driver(self):
        self.expect_refusal(gpu_check(self.folder, LD_LIBRARY_PATH=BUILD + "/simcuda"), "is the simulated one")

    def test_with_a_driver_that_has_no_device(self):
        source = ("int cuInit(unsigned f) { return f ? 1 : 100; } int cuDriverGetVersion(int *v) { *v = 13000; return 0; }"
                  "int cuDeviceGetCount(int *n) { *n = 0; return 3; }")
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", self.folder + "/libcuda.so.1"], check=True,
                       input=source.encode())
        done = gpu_check(self.folder, LD_LIBRARY_PATH=self.folder)
        self.expect_refusal(done, "offers no device (cuInit says 100)")


if __name__ == "__main__":
    unittest.main()
