"""`vramspan run`: what it looks at before the program starts, what it refuses, and what it shows instead of starting."""

import os
import pathlib
import shutil
import stat
import subprocess
import sys
import unittest

from tool import BAD, GOOD, LIBRARY, SHOW, VRAMSPAN, WARNED, RunTest


class Unfit(RunTest):
    """Programs into which nothing can be preloaded."""

    STARTED = "nothing is spread in it, only in what it starts\n"

    def build_static(self):
        source = self.write("static.c", '#include <stdio.h>\nint main(void) { puts("static"); return 3; }\n')
        subprocess.run(["gcc", "-static", "-o", self.folder / "static", source], check=True)

    def test_a_statically_linked_one_is_warned_of_and_runs(self):
        self.build_static()
        self.expect(
            self.run_with("--virtual-vram", "8gb", program=("./static",)),
            3,
            "static\n",
            "vramspan run: warning: `./static` is statically linked: " + self.STARTED,
        )

    def test_a_script_is_followed_to_its_interpreter(self):
        self.build_static()
        self.write("script", f"#! {self.folder}/static -x\n").chmod(0o755)
        self.expect(
            self.run_with("--virtual-vram", "8gb", program=("./script",)),
            3,
            "static\n",
            "vramspan run: warning: `./script` is statically linked: " + self.STARTED,
        )

    def test_one_of_another_machine_or_word_size_is_warned_of(self):
        true = pathlib.Path(shutil.which("true")).resolve().read_bytes()
        for at, value in ((18, 183), (4, 1)):  # e_machine: AArch64; EI_CLASS: 32 bit
            changed = bytearray(true)
            changed[at] = value
            path = self.folder / "foreign"
            path.write_bytes(changed)
            path.chmod(0o755)
            run = self.run_with("--virtual-vram", "8gb", "--dry-run", program=("./foreign",))
            self.assertEqual(
                (run.returncode, run.stderr),
                (
                    0,
                    "vramspan run: warning: `./foreign` is a program for "
                    "another machine or word size: " + self.STARTED,
                ),
            )

    def copy_secure(self, path, mode=stat.S_ISUID | 0o755):
        shutil.copy(shutil.which("true"), path)
        os.chown(path, 65534, 65534)
        path.chmod(mode)

    @unittest.skipUnless(os.getuid() == 0, "only root can give files away")
    def test_one_with_rights_of_its_own_is_refused_with_a_hint_that_fits(self):
        for name, hint in (
            ("sudo", "write `sudo vramspan run ...` for `vramspan run sudo ...`; say all by options, because sudo drops"),
            ("su", "write `su USER -c 'vramspan run ...'`"),
            ("ping", "start a copy of it without these rights"),
        ):
            self.copy_secure(self.folder / name)
            run = self.run_with("--virtual-vram", "8gb", program=(f"./{name}",))
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            self.assertIn(f"`./{name}` gets rights of its own", run.stderr)
            self.assertIn(f"\n  hint: {hint}", run.stderr)

    @unittest.skipUnless(os.getuid() == 0, "only root can give files away")
    def test_rights_that_the_kernel_does_not_give_do_not_count(self):
        """There the loader preloads: the program itself shows it."""
        shutil.copy(shutil.which("cat"), self.folder / "secure")
        os.chown(self.folder / "secure", 65534, 65534)
        (self.folder / "secure").chmod(stat.S_ISUID | 0o755)
        command = f"{VRAMSPAN} run --virtual-vram 8gb -- {self.folder}/secure /proc/self/maps"
        nosuid = f"mount -t tmpfs -o nosuid none /mnt && cp -p {self.folder}/secure /mnt && "
        for around in (
            ["setpriv", "--no-new-privs", "sh", "-c", command],
            ["unshare", "-m", "sh", "-c", nosuid + command.replace(str(self.folder), "/mnt")],
        ):
            run = subprocess.run(around, capture_output=True, text=True, env=self.environment, check=False)
            if "unshare" in run.stderr or "mount:" in run.stderr:
                self.skipTest(run.stderr)
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertIn(str(LIBRARY), run.stdout)

    @unittest.skipUnless(os.getuid() == 0, "only root can give files away")
    def test_one_with_rights_of_its_own_is_refused(self):
        path = self.folder / "secure"
        for mode in (stat.S_ISUID | 0o755, stat.S_ISGID | 0o755):
            self.copy_secure(path, mode)
            run = self.run_with("--virtual-vram", "8gb", program=("./secure",))
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            self.assertIn("`./secure` gets rights of its own", run.stderr)
            self.assertIn("hint: ", run.stderr)
        os.chown(path, 0, 0)
        path.chmod(stat.S_ISUID | 0o755)  # of the user who runs it: no other rights
        self.expect(self.run_with("--virtual-vram", "8gb", program=("./secure",)), 0)


class Library(RunTest):
    """Where libvramspan.so is looked for, with copies of both in folders of the test."""

    def place(self, program, library):
        for source, target in ((VRAMSPAN, program), (LIBRARY, library)):
            target = self.folder / target
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        self.placed = self.folder / program

    def preloaded(self, environment=None):
        run = subprocess.run(
            [self.placed, "run", "--virtual-vram", "8gb", "--", sys.executable, "-c", SHOW],
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
            env=self.environment | (environment or {}),
        )
        return run

    def test_it_is_beside_the_program_or_in_lib_of_its_prefix(self):
        for program, library in (
            ("a/vramspan", "a/libvramspan.so"),
            ("b/bin/vramspan", "b/lib/libvramspan.so"),
            ("c/bin/vramspan", "c/lib64/libvramspan.so"),
            ("d/bin/vramspan", "d/lib/x86_64-linux-gnu/libvramspan.so"),
            ("two\nlines/vramspan", "two\nlines/libvramspan.so"),
        ):
            self.place(program, library)
            run = self.preloaded()
            self.assertEqual(run.stderr, "")
            self.assertIn(f"LD_PRELOAD={str(self.folder / library)!r}\n", run.stdout)

    def test_links_to_the_program_are_followed(self):
        self.place("a/vramspan", "a/libvramspan.so")
        link = self.folder / "link"
        link.symlink_to(self.placed)
        self.placed = link
        self.assertIn(f"LD_PRELOAD='{self.folder}/a/libvramspan.so'\n", self.preloaded().stdout)

    def test_a_variable_names_another_one(self):
        self.place("a/vramspan", "a/libvramspan.so")
        shutil.copy(LIBRARY, self.folder / "mine.so")
        for named in ("mine.so", str(self.folder / "mine.so")):
            run = self.preloaded({"VRAMSPAN_LIBRARY": named})
            self.assertIn(f"LD_PRELOAD='{self.folder}/mine.so'\n", run.stdout)
        self.assertIn(f"LD_PRELOAD='{self.folder}/a/libvramspan.so'\n", self.preloaded({"VRAMSPAN_LIBRARY": ""}).stdout)

    def expect_refusal(self, words, environment=None):
        run = self.preloaded(environment)
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn(words, run.stderr)
        self.assertIn("\n  hint: ", run.stderr)

    def test_one_that_is_missing_or_no_library_is_refused(self):
        self.place("a/vramspan", "b/libvramspan.so")
        self.expect_refusal("there is no libvramspan.so beside this program")
        self.expect_refusal("cannot be read: /no/such.so", {"VRAMSPAN_LIBRARY": "/no/such.so"})
        text = self.write("text.so", "no library")
        self.expect_refusal("text.so is no library for this machine", {"VRAMSPAN_LIBRARY": str(text)})

    def test_one_that_the_loader_cannot_name_is_refused(self):
        """Else ld.so says something unclear, and the program runs without it."""
        for folder in ("with blank", "with:colon", "with$ORIGIN"):
            self.place(f"{folder}/vramspan", f"{folder}/libvramspan.so")
            self.expect_refusal("cannot preload a library with a blank, `:` or `$` in its path")
        link = self.folder / "link.so"
        link.symlink_to(self.folder / "with blank" / "libvramspan.so")
        self.assertIn(f"LD_PRELOAD='{link}'\n", self.preloaded({"VRAMSPAN_LIBRARY": str(link)}).stdout)


class Before(RunTest):
    """What is refused before the program starts."""

    def test_no_policy_anywhere(self):
        run = self.run_with()
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("there is no policy", run.stderr)
        self.assertIn(f"{self.home}/.config/vramspan", run.stderr)
        self.assertIn("hint: say `--policy FILE`, or `--virtual-vram 8gb`", run.stderr)
        (self.home / ".config/vramspan").mkdir(parents=True)
        self.assertEqual(self.run_with().returncode, 2)
        self.assertEqual(self.run_with(environment={"VRAMSPAN_DONORS": "cpu"}).returncode, 2)

    def test_no_program(self):
        for arguments in ([], ["--"], ["--virtual-vram", "8gb"]):
            run = self.vramspan("run", *arguments)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn("there is no program to start", run.stderr)

    def test_an_unknown_level(self):
        run = self.run_with("--virtual-vram", "8gb", "--log", "debgu")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("`debgu` is no level: say error, warn, info or debug; did you mean `debug`?", run.stderr)

    def test_errors_are_those_of_check(self):
        self.write("bad.yaml", BAD)
        self.write("folder/a.yaml", BAD)
        self.write("folder/b.yaml", GOOD)
        self.write("--bad.yaml", BAD)
        for status, *arguments in (
            (1, "--policy", "bad.yaml"),
            (1, "--policy=--bad.yaml"),
            (1, "--policy", "folder"),
            (1, "--policy", "missing.yaml"),
            (1, "--policy", ""),
            (2, "--virtual-vram", "8gbit"),
            (2, "--distorch", "cuda:0"),
            (2, "--policy", "good.yaml", "--virtual-vram", "8gb"),
            (2, "--policy", "good.yaml", "--devices", "cuda:0,cuda:0", "--donors", "gpu:1", "--on-error", "x"),
            (2, "--policy", "bad.yaml", "--donors", "gpu:1"),
        ):
            run, check = self.run_with(*arguments), self.vramspan("check", *arguments)
            self.assertEqual((run.returncode, check.returncode), (status, status), arguments)
            self.assertEqual((run.stdout, run.stderr), ("", check.stderr))
            self.assertIn(": error: ", run.stderr)

    def test_variables_are_checked_too(self):
        run = self.run_with("--policy", "good.yaml", environment={"VRAMSPAN_DONORS": "gpu:1"})
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertTrue(run.stderr.startswith("VRAMSPAN_DONORS:1:1: error: "), run.stderr)

    def test_a_level_in_the_environment_is_checked_where_it_counts(self):
        said = {"VRAMSPAN_LOG": "debgu"}
        run = self.run_with("--virtual-vram", "8gb", environment=said)
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertTrue(run.stderr.startswith("VRAMSPAN_LOG:1:1: error: "), run.stderr)
        self.assertIn("did you mean `debug`?", run.stderr)
        seen = self.handed_down("--virtual-vram", "8gb", "--log", "warn", environment=said)
        self.assertEqual(seen["VRAMSPAN_LOG"], "warn")
        self.assertNotIn("VRAMSPAN_LOG", self.handed_down("--virtual-vram", "8gb", environment={"VRAMSPAN_LOG": ""}))

    def test_a_policy_that_can_be_read_only_once_is_refused(self):
        """Else the library finds it empty, and the program runs without it, unheard."""
        os.mkfifo(self.folder / "fifo.yaml")
        policy_file = self.policy.open()
        self.addCleanup(policy_file.close)
        refusal = "error: the program could not read the policy from here again"
        hint = "\n  hint: save it to a file, and name that\n"
        for policy, more in (
            ("fifo.yaml", {}),  # nobody writes there: it must not even be opened
            ("/dev/stdin", {"input": GOOD}),
            ("/dev/stdin", {"stdin": policy_file}),  # a file, but not for the program's children
            ("/dev/fd/0", {"input": GOOD}),
            ("/proc/self/fd/0", {"input": GOOD}),
            ("/dev/null", {}),
        ):
            for how in ({"arguments": ["--policy", policy]}, {"environment": {"VRAMSPAN_POLICY": policy}}):
                run = self.run_with(
                    *how.get("arguments", ()), program=("echo", "x"), environment=how.get("environment"), **more
                )
                self.assertEqual((run.returncode, run.stdout), (1, ""), policy)
                self.assertTrue(run.stderr.startswith(f"{policy}: {refusal}") and run.stderr.endswith(hint), run.stderr)
        script = f'{VRAMSPAN} run "$@" --policy <(cat {self.policy}) -- echo x'
        for option, status, output in (("--on-error=stop", 1, ""), ("--on-error=passthrough", 0, "x\n")):
            run = subprocess.run(
                ["bash", "-c", script, "bash", option],
                capture_output=True,
                text=True,
                env=self.environment,
                check=False,
            )
            self.assertEqual((run.returncode, run.stdout), (status, output))
            self.assertIn(refusal, run.stderr)

    def test_check_may_read_a_policy_that_passes(self):
        self.expect(self.vramspan("check", "/dev/stdin", input=GOOD), 0, "/dev/stdin: ok, 2 model sections\n")

    def test_warnings_are_left_to_the_library(self):
        self.write("warned.yaml", WARNED)
        self.assertIn("warning", self.vramspan("check", "warned.yaml").stderr)
        self.handed_down("--policy", "warned.yaml")


class DryRun(RunTest):
    def test_programs_with_odd_names(self):
        """env(1) takes `a=b` for a variable, and `-p` for an option."""
        for name in ("a=b", "-p"):
            self.write(name, '#!/bin/sh\necho "$0 $VRAMSPAN_VIRTUAL_VRAM:$@"\n').chmod(0o755)
            path = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
            for program in ((f"./{name}", "x y", "c=d"), (name, "-z")):
                for size, aside in (("8gb", []), ("8gbit", ["--on-error=passthrough"])):
                    said = path | ({"VRAMSPAN_DONORS": "cpu"} if aside else {})
                    options = ["--virtual-vram", size, *aside]
                    real = self.run_with(*options, program=program, environment=said)
                    shown = self.run_with(*options, "-n", program=program, environment=said)
                    by_hand = subprocess.run(
                        ["sh", "-c", shown.stdout],
                        capture_output=True,
                        text=True,
                        cwd=self.folder,
                        check=False,
                        env=self.environment | said,
                    )
                    self.assertEqual((by_hand.returncode, by_hand.stdout), (0, real.stdout), shown.stdout)
                    self.assertIn("" if aside else " 8gb:", real.stdout)

    def test_what_it_prints_does_the_same_in_a_shell(self):
        odd = self.write('it\'s a\n$HOME "policy".yaml', GOOD)
        said = {"VRAMSPAN_DISTORCH": "cuda:0,1gb;cpu,*", "LD_PRELOAD": "libm.so.6", "VRAMSPAN_COMPUTE_RESERVE": "1gb"}
        program = ("env", "-0", "A=", "B=it's \\ $HOME\nx")
        for arguments in (["--policy", odd.name, "--log", "warn"], ["--virtual-vram", "60%", "--donors", "cpu:4gb"]):
            real = self.run_with(*arguments, program=program, environment=said)
            shown = self.run_with(*arguments, "-n", program=program, environment=said)
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            by_hand = subprocess.run(
                ["sh", "-c", shown.stdout],
                capture_output=True,
                text=True,
                cwd="/",
                check=False,
                env=self.environment | said,
            )

            def seen(output):
                return sorted(
                    line for line in output.split("\0") if line and not line.startswith(("PWD=", "_=", "OLDPWD="))
                )

            self.assertEqual(seen(by_hand.stdout), seen(real.stdout))
            self.assertIn("B=it's \\ $HOME\nx", real.stdout)

    def test_it_starts_nothing_and_checks_everything(self):
        mark = self.folder / "mark"
        run = self.run_with("--virtual-vram", "8gb", "--dry-run", program=("touch", mark))
        self.expect(
            run, 0, f"env \\\n    LD_PRELOAD={LIBRARY} \\\n    VRAMSPAN_VIRTUAL_VRAM=8gb \\\n    touch {mark}\n"
        )
        self.assertFalse(mark.exists())
        self.assertEqual(self.run_with("--virtual-vram", "x", "-n").returncode, 2)
        self.assertEqual(self.run_with("--virtual-vram", "8gb", "-n", program=("no-such",)).returncode, 127)


if __name__ == "__main__":
    unittest.main()
