"""`vramspan run` with on-error: passthrough: where the library cannot do what was asked, the program runs, and no trace
of the library is in it, whoever has put one there."""

import json
import os
import shutil
import stat
import sys
import unittest

from tool import BAD, GOOD, LIBRARY, VRAMSPAN, RunTest

ASIDE = "vramspan run: the program runs without vramspan, as on-error: passthrough asks\n"
# All of it: what the library remembers of the devices, too.
SHOW_ALL = """import json, os
NAMES = 'VRAMSPAN', 'LD_PRELOAD', 'CUDA_VISIBLE'
kept = {name: value for name, value in os.environ.items() if name.startswith(NAMES)}
print(json.dumps([kept, 'libvramspan' in open('/proc/self/maps').read()]))
"""
SHOWING = (sys.executable, "-c", SHOW_ALL)


class Aside(RunTest):
    def expect_aside(self, run, words, variables=None):
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(words, run.stderr)
        self.assertTrue(run.stderr.endswith(ASIDE), run.stderr)
        self.assertEqual(run.stderr.count(ASIDE), 1)
        self.assertEqual(json.loads(run.stdout), [variables or {}, False])

    def test_a_bad_policy(self):
        self.write("bad.yaml", "on-error: passthrough\n" + BAD)
        for arguments in (["--policy", "bad.yaml"], ["--virtual-vram", "8gbit", "--on-error", "passthrough"]):
            self.expect_aside(self.run_with(*arguments, program=SHOWING), ": error: ")

    def test_what_was_said_before_is_taken_back(self):
        """A policy that is right by itself, and a library that somebody has preloaded, would still act."""
        link = self.folder / "link.so"
        link.symlink_to(LIBRARY)
        renamed = shutil.copy(LIBRARY, self.folder / "renamed.so")
        for preload, left in (
            (str(LIBRARY), None),
            (f"libm.so.6:{LIBRARY}", "libm.so.6"),
            (f"{LIBRARY} libm.so.6", "libm.so.6"),
            (f"{link}:libm.so.6:{LIBRARY}:libdl.so.2", "libm.so.6:libdl.so.2"),
            (f"{renamed}", None),
        ):
            said = {
                "LD_PRELOAD": preload,
                "VRAMSPAN_POLICY": str(self.policy),
                "VRAMSPAN_LOG": "error",
                "VRAMSPAN_COMPUTE_RESERVE": "1gb",
                "VRAMSPAN_LIBRARY": str(renamed),
                **{f"VRAMSPAN_LATER_{n}": "x" for n in range(40)},
            }
            run = self.run_with("--donors", "gpu:1", "--on-error=passthrough", program=SHOWING, environment=said)
            self.expect_aside(run, "--donors:1:1: error: ", {"LD_PRELOAD": left} if left else None)

    def test_the_users_devices_are_given_back(self):
        """Nested, with a donor that the outer run hides by CUDA_VISIBLE_DEVICES."""
        inner = [str(VRAMSPAN), "run", "--virtual-vram", "8gbit", "--on-error=passthrough", "--", *SHOWING]
        for users in (None, "0,1", "1,0"):
            said = {"CUDA_VISIBLE_DEVICES": users} if users else {}
            outer = ["--virtual-vram", "8gb", "--donors", "cuda:1,cpu"]
            seen = self.run_with(*outer, program=SHOWING, environment=said)
            self.assertNotEqual(json.loads(seen.stdout)[0].get("CUDA_VISIBLE_DEVICES"), users)  # else nothing is tested
            self.expect_aside(self.run_with(*outer, program=inner, environment=said), ": error: ", said)

    def test_devices_that_somebody_else_has_set_stay(self):
        said = {
            "CUDA_VISIBLE_DEVICES": "3",
            "VRAMSPAN_USER_VISIBLE_DEVICES": "0,1,2,3",
            "VRAMSPAN_SET_VISIBLE_DEVICES": "0",
        }
        run = self.run_with("--virtual-vram=8gbit", "--on-error=passthrough", program=SHOWING, environment=said)
        self.expect_aside(run, ": error: ", {"CUDA_VISIBLE_DEVICES": "3"})

    def test_a_library_that_cannot_be_had(self):
        text = self.write("text.so", "no library")
        self.write("pass.yaml", GOOD + "on-error: passthrough\n")
        for named, words in (
            ("/no/such.so", "cannot be read: /no/such.so"),
            (str(text), "text.so is no library for this machine"),
        ):
            said = {"VRAMSPAN_LIBRARY": named, "VRAMSPAN_POLICY": str(self.policy)}
            run = self.run_with("--on-error=passthrough", program=SHOWING, environment=said)
            self.expect_aside(run, words)
            self.expect_aside(self.run_with("--policy=pass.yaml", program=SHOWING, environment=said), words)
            run = self.run_with("--on-error=stop", program=SHOWING, environment=said)
            self.assertEqual((run.returncode, run.stdout), (1, ""))

    @unittest.skipUnless(os.getuid() == 0, "only root can give files away")
    def test_a_program_with_rights_of_its_own(self):
        path = self.folder / "secure"
        shutil.copy(shutil.which("env"), path)
        os.chown(path, 65534, 65534)
        path.chmod(stat.S_ISUID | 0o755)
        run = self.run_with("--virtual-vram=8gb", "--on-error=passthrough", program=("./secure",))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("`./secure` gets rights of its own", run.stderr)
        self.assertTrue(run.stderr.endswith(ASIDE))
        self.assertNotIn("VRAMSPAN", run.stdout)
        self.assertNotIn("PRELOAD", run.stdout)

    def test_a_dry_run_shows_what_is_taken_away(self):
        said = {"LD_PRELOAD": str(LIBRARY), "VRAMSPAN_POLICY": str(self.policy)}
        run = self.run_with("--donors=gpu:1", "--on-error=passthrough", "-n", program=("true",), environment=said)
        self.assertEqual(run.stdout, "env -u LD_PRELOAD -u VRAMSPAN_POLICY \\\n    true\n")

    def test_what_is_wrong_with_the_command_line_or_the_program_still_starts_nothing(self):
        for status, arguments in (
            (2, ["--virtual-vram", "8gbit", "--on-error=passthrough", "--log=loud", "--", "true"]),
            (2, ["--on-error=passthrough", "--", "true"]),
            (127, ["--virtual-vram", "8gbit", "--on-error=passthrough", "--", "no-such-program"]),
        ):
            run = self.vramspan("run", *arguments)
            self.assertEqual((run.returncode, run.stdout), (status, ""), arguments)
            self.assertNotIn(ASIDE, run.stderr)


class GoneFolder(RunTest):
    """In a working folder that somebody has removed, nothing can be named from the root on."""

    def run_gone(self, *arguments, environment=None):
        gone = self.folder / "gone"
        gone.mkdir()

        def remove():
            os.chdir(gone)
            gone.rmdir()

        return self.vramspan("run", *arguments, "--", "echo", "x", environment=environment, preexec_fn=remove)

    def test_is_told_as_what_it_is(self):
        for arguments, said, path in (
            (["--policy", "../good.yaml"], {}, "../good.yaml"),
            ([], {"VRAMSPAN_POLICY": "../good.yaml"}, "../good.yaml"),
            (["--virtual-vram", "8gb"], {"VRAMSPAN_LIBRARY": "../x.so"}, "../x.so"),
        ):
            run = self.run_gone(*arguments, environment=said)
            self.expect(
                run,
                1,
                "",
                f"vramspan run: error: cannot tell where `{path}` is, seen from the root: the working folder: "
                "No such file or directory\n"
                "  hint: change to a folder that is there, or name it from the root on (/...)\n",
            )

    def test_does_no_harm_where_nothing_is_named_from_it(self):
        self.expect(self.run_gone("--policy", str(self.policy)), 0, "x\n")
        self.expect(self.run_gone("--virtual-vram", "8gb"), 0, "x\n")


if __name__ == "__main__":
    unittest.main()
