"""`make install` into a folder of the test: what is there works from there, also after a move, and goes again."""

import os
import shutil
import subprocess
import sys
import unittest

from test_main import COMMANDS
from tool import ROOT, VRAMSPAN, ToolTest


class Install(ToolTest):
    def setUp(self):
        super().setUp()
        self.destination = self.folder / "two words"
        self.prefix = self.destination / "opt/span"

    def make(self, *targets):
        environment = {
            name: value for name, value in self.environment.items() if not name.startswith(("MAKE", "MFLAGS"))
        }
        subprocess.run(
            [
                "make",
                "-s",
                *targets,
                f"BUILD={os.path.relpath(VRAMSPAN.parent, ROOT)}",
                "PREFIX=/opt/span",
                f"DESTDIR={self.destination}",
            ],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )

    def installed(self, *arguments, **environment):
        return subprocess.run(
            [self.prefix / "bin/vramspan", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=self.environment | environment,
        )

    def files(self):
        return {str(path.relative_to(self.destination)) for path in self.destination.rglob("*") if not path.is_dir()}

    def expect_working(self):
        library = self.prefix / "lib/libvramspan.so"
        run = self.installed("run", "--virtual-vram", "8gb", "--", "cat", "/proc/self/maps", VRAMSPAN_LIBRARY="")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn(str(library), run.stdout)
        examples = sorted((self.prefix / "share/vramspan/examples").glob("*.yaml"))
        self.assertEqual(len(examples), len(list((ROOT / "examples").glob("*.yaml"))))
        self.assertEqual(self.installed("check", "--machine", "8gb+24gb", *examples).returncode, 0)
        self.assertEqual(self.installed("check", "--machine", "2x24gb-no-peer", examples[0]).returncode, 0)

    def test_it_works_from_there_and_after_a_move(self):
        self.make("install")
        self.make("install")  # over itself
        # The loader wants no blank in the library's path.
        for name in ("here", "there"):
            moved = self.folder / name
            shutil.move(self.destination, moved)
            self.destination, self.prefix = moved, moved / "opt/span"
            self.expect_working()

    def test_programs_pages_and_completion_are_where_systems_look(self):
        self.make("install")
        self.assertEqual(
            {path.name for path in (self.prefix / "share/man/man1").iterdir()},
            {"vramspan.1", *(f"vramspan-{command}.1" for command in COMMANDS)},
        )
        self.assertTrue((self.prefix / "share/man/man5/vramspan-policy.5").exists())
        completion = self.prefix / "share/bash-completion/completions/vramspan"
        self.assertEqual(completion.read_text(), (ROOT / "tools/completion.bash").read_text())
        self.assertEqual({path.stat().st_mode & 0o777 for path in self.prefix.rglob("*") if path.is_dir()}, {0o755})
        self.assertEqual((self.prefix / "bin/vramspan").stat().st_mode & 0o777, 0o755)
        self.assertEqual(completion.stat().st_mode & 0o777, 0o644)

    def test_nothing_knows_where_it_was_installed_or_built(self):
        self.make("install")
        for path in self.prefix.rglob("*"):
            if path.is_file() and path.suffix not in (".so",) and path.name != "vramspan":
                self.assertNotIn(str(ROOT).encode(), path.read_bytes(), path)

    def test_the_simulated_cuda_comes_with_a_target_of_its_own(self):
        self.make("install")
        self.destination = self.destination.rename(self.folder / "moved")
        self.prefix = self.destination / "opt/span"
        run = self.installed("run", "--simulate", "2x24gb", "--virtual-vram", "1gb", "true")
        self.assertEqual(run.returncode, 1)
        self.assertIn("install-simcuda", run.stderr)
        self.make("install-simcuda")
        run = self.installed(
            "run",
            "--simulate",
            "3x8gb",
            "--distorch",
            "cuda:0,1gb;cpu,*",
            "--",
            VRAMSPAN.parent / "tests/programs/places",
            "/dev/null",
            "4096",
            "1",
            LD_LIBRARY_PATH="",
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("devices 3\n", run.stdout)
        run = self.installed(
            "run",
            "--simulate",
            "24gb",
            "--virtual-vram",
            "1gb",
            "--",
            sys.executable,
            "-c",
            "import os; print(os.environ['PYTHONPATH'], os.environ['SIMCUDA_HOME'])",
            PYTHONPATH="",
        )
        own = self.prefix / "libexec/vramspan"
        self.assertEqual(run.stdout, f"{own}/python {own}/simcuda\n", run.stderr)
        self.assertTrue((own / "python/sitecustomize.py").exists() and (own / "stubs/generate.py").exists())

    def test_uninstall_takes_away_all_of_it_and_nothing_else(self):
        other = self.prefix / "share/man/man1/other.1"
        other.parent.mkdir(parents=True)
        other.touch()
        self.make("install", "install-simcuda")
        self.assertGreater(len(self.files()), 40)
        self.make("uninstall")
        self.assertEqual(self.files(), {"opt/span/share/man/man1/other.1"})
        other.unlink()
        self.make("install")
        self.make("uninstall")
        self.assertEqual([path for path in self.prefix.iterdir() if path.name != "share"], [])
        self.make("uninstall")  # of what is not there


if __name__ == "__main__":
    unittest.main()
