"""`vramspan run`: what it hands down, and how the program takes its place."""
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import unittest

from tool import BAD, GOOD, LIBRARY, VRAMSPAN, WARNED, ToolTest

# Not what the library remembers there of the devices: it does so in every process.
SHOW = """import os
for name, value in sorted(os.environ.items()):
    if name.startswith(('VRAMSPAN', 'LD_PRELOAD')) and not name.startswith(('VRAMSPAN_USER_', 'VRAMSPAN_SET_')):
        print(f'{name}={value!r}')
"""
VARIABLES = {"--policy": "VRAMSPAN_POLICY", "--virtual-vram": "VRAMSPAN_VIRTUAL_VRAM", "--distorch": "VRAMSPAN_DISTORCH",
             "--devices": "VRAMSPAN_DEVICES", "--donors": "VRAMSPAN_DONORS",
             "--compute-reserve": "VRAMSPAN_COMPUTE_RESERVE", "--on-error": "VRAMSPAN_ON_ERROR", "--log": "VRAMSPAN_LOG"}


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
        return {name: eval(value) for name, value in (line.split("=", 1) for line in run.stdout.splitlines())}


class HandedDown(RunTest):
    def test_each_option_becomes_its_variable(self):
        for option, value in (("--virtual-vram", "8gb"), ("--virtual-vram", "60%"), ("--distorch", "cuda:0,1gb;cpu,*"),
                              ("--policy", str(self.policy))):
            self.assertEqual(self.handed_down(option, value), {"LD_PRELOAD": str(LIBRARY), VARIABLES[option]: value})
        for option, value in (("--devices", "cuda:1,cuda:0"), ("--donors", "cuda:1,cpu:48gb"),
                              ("--compute-reserve", "1.5gb"), ("--on-error", "passthrough"), ("--log", "debug")):
            self.assertEqual(self.handed_down("--virtual-vram", "8gb", f"{option}={value}"),
                             {"LD_PRELOAD": str(LIBRARY), "VRAMSPAN_VIRTUAL_VRAM": "8gb", VARIABLES[option]: value})

    def test_the_command_line_wins_over_variables(self):
        other = str(self.write("other.yaml", GOOD))
        said = {"VRAMSPAN_DONORS": "cpu", "VRAMSPAN_COMPUTE_RESERVE": "1gb", "VRAMSPAN_ON_ERROR": "stop",
                "VRAMSPAN_DEVICES": "cuda:0", "VRAMSPAN_LOG": "warn", "VRAMSPAN_POLICY": other}
        self.assertEqual(self.handed_down(environment=said), {"LD_PRELOAD": str(LIBRARY), **said})
        new = {"--donors": "cuda:1", "--compute-reserve": "2gb", "--on-error": "passthrough", "--devices": "cuda:0,cuda:2",
               "--log": "error", "--policy": str(self.policy)}
        expected = {"LD_PRELOAD": str(LIBRARY), **{VARIABLES[option]: value for option, value in new.items()}}
        self.assertEqual(self.handed_down(*sum(new.items(), ()), environment=said), expected)

    def test_the_last_of_two_equal_options_counts(self):
        seen = self.handed_down("--virtual-vram", "8gb", "--virtual-vram", "9gb")
        self.assertEqual(seen["VRAMSPAN_VIRTUAL_VRAM"], "9gb")

    def test_variables_that_the_command_line_puts_out_of_force_are_taken_away(self):
        for option, value, variable, said in (("--policy", str(self.policy), "VRAMSPAN_VIRTUAL_VRAM", "8gb"),
                                              ("--policy", str(self.policy), "VRAMSPAN_DISTORCH", "nonsense"),
                                              ("--virtual-vram", "8gb", "VRAMSPAN_DISTORCH", "cuda:0,1gb;cpu,*"),
                                              ("--distorch", "cuda:0,1gb;cpu,*", "VRAMSPAN_VIRTUAL_VRAM", "8gb")):
            seen = self.handed_down(option, value, environment={variable: said})
            self.assertEqual(seen, {"LD_PRELOAD": str(LIBRARY), VARIABLES[option]: value})

    def test_a_policy_that_still_says_something_about_the_machine_stays(self):
        seen = self.handed_down("--virtual-vram", "8gb", environment={"VRAMSPAN_POLICY": str(self.policy)})
        self.assertEqual(seen["VRAMSPAN_POLICY"], str(self.policy))
        self.assertEqual(seen["VRAMSPAN_VIRTUAL_VRAM"], "8gb")

    def test_empty_variables_count_as_not_set(self):
        empty = {name: "" for name in VARIABLES.values() if name != "VRAMSPAN_LOG"}
        self.assertEqual(self.handed_down("--virtual-vram", "8gb", environment=empty),
                         {"LD_PRELOAD": str(LIBRARY), "VRAMSPAN_VIRTUAL_VRAM": "8gb"})

    def test_a_policy_is_named_from_the_root_on(self):
        """The program may change its folder."""
        for given in ("good.yaml", "./good.yaml", ".//good.yaml"):
            self.assertEqual(os.path.normpath(self.handed_down("--policy", given)["VRAMSPAN_POLICY"]), str(self.policy))
        self.assertEqual(self.handed_down("--policy", "good.yaml")["VRAMSPAN_POLICY"], str(self.policy))
        self.assertEqual(self.handed_down(environment={"VRAMSPAN_POLICY": "good.yaml"})["VRAMSPAN_POLICY"],
                         str(self.policy))

    def test_paths_may_hold_anything(self):
        for name in ("a blank.yaml", "it's \"quoted\".yaml", "two\nlines.yaml", "$HOME;true.yaml", "-n.yaml", "ä:b.yaml"):
            path = self.write(name, GOOD)
            self.assertEqual(self.handed_down(f"--policy={name}")["VRAMSPAN_POLICY"], str(path))

    def test_a_folder_of_policies(self):
        self.write("folder/one.yaml", GOOD)
        self.assertEqual(self.handed_down("--policy", "folder")["VRAMSPAN_POLICY"], str(self.folder / "folder"))

    def test_the_users_own_policies_need_no_option(self):
        for variable in ({}, {"XDG_CONFIG_HOME": str(self.folder / "config")}):
            base = pathlib.Path(variable.get("XDG_CONFIG_HOME", self.home / ".config"))
            own = self.write(base / "vramspan" / "own.yaml", GOOD)
            self.assertEqual(self.handed_down(environment=variable), {"LD_PRELOAD": str(LIBRARY)})
            own.write_text(BAD)
            run = self.run_with(environment=variable)
            self.assertEqual((run.returncode, run.stdout), (1, ""))
            self.assertTrue(run.stderr.startswith(f"{own}:3:31: error: unknown key `distroch`"), run.stderr)
            own.unlink()

    def test_other_preloaded_libraries_stay_behind(self):
        other = subprocess.run(["gcc", "-print-file-name=libm.so.6"], capture_output=True, text=True, check=True).stdout.strip()
        self.assertTrue(other.startswith("/"))
        seen = self.handed_down("--virtual-vram", "8gb", environment={"LD_PRELOAD": other})
        self.assertEqual(seen["LD_PRELOAD"], f"{LIBRARY}:{other}")
        for already in (f"{LIBRARY}:{other}", str(LIBRARY), f"{LIBRARY} {other}"):
            seen = self.handed_down("--virtual-vram", "8gb", environment={"LD_PRELOAD": already})
            self.assertEqual(seen["LD_PRELOAD"], already)

    def test_the_library_is_really_in_the_program(self):
        run = self.run_with("--virtual-vram", "8gb", program=("cat", "/proc/self/maps"))
        self.assertIn(str(LIBRARY), run.stdout)

    def test_other_variables_stay(self):
        run = self.run_with("--virtual-vram", "8gb", program=("env", "-0"), environment={"A": "x\ny", "PATH": os.environ["PATH"]})
        self.assertIn("A=x\ny", run.stdout.split("\0"))


class Program(RunTest):
    def test_arguments_are_untouched(self):
        code = "import sys; print(sys.argv[1:])"
        odd = ["", " ", "a b", "--", "-n", "--help", "--policy", "x", "two\nlines", "it's", '"', "\\", "$HOME", "ä", "*"]
        for separator in ([], ["--"]):
            run = self.vramspan("run", "--virtual-vram", "8gb", *separator, sys.executable, "-c", code, *odd)
            self.expect(run, 0, repr(odd) + "\n")

    def test_only_the_first_double_dash_is_taken(self):
        run = self.vramspan("run", "--virtual-vram", "8gb", "--", "echo", "--", "a")
        self.expect(run, 0, "-- a\n")
        run = self.vramspan("run", "--virtual-vram", "8gb", "--", "--help")
        self.assertEqual((run.returncode, run.stdout), (127, ""))

    def test_the_exit_status_is_the_programs(self):
        for status in (0, 1, 2, 3, 77, 126, 127, 255):
            self.expect(self.run_with("--virtual-vram", "8gb", program=("sh", "-c", f"exit {status}")), status)

    def test_death_by_a_signal_is_the_programs(self):
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
            run = self.run_with("--virtual-vram", "8gb", program=("sh", "-c", f"kill -{int(number)} $$"))
            self.assertEqual(run.returncode, -number)

    def test_the_process_stays_the_same_and_gets_its_signals(self):
        code = ("import os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); "
                "print(os.getpid(), flush=True); signal.pause()")
        with subprocess.Popen([VRAMSPAN, "run", "--virtual-vram", "8gb", "--", sys.executable, "-c", code],
                              stdout=subprocess.PIPE, text=True, env=self.environment) as process:
            self.assertEqual(int(process.stdout.readline()), process.pid)
            process.terminate()
            self.assertEqual(process.wait(60), 7)

    def test_what_is_ignored_stays_ignored_and_input_and_output_are_its_own(self):
        code = ("import signal, sys; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, sys.stdin.read()); "
                "print('said', file=sys.stderr)")
        run = self.run_with("--virtual-vram", "8gb", program=(sys.executable, "-c", code), input="text",
                            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.expect(run, 0, "True text\n", "said\n")

    def test_a_program_that_is_not_there(self):
        for program, reason in (("no-such-program", "there is no such program in PATH"),
                                ("./no-such-program", "there is no such file"), ("", "there is no such program in PATH")):
            self.expect(self.run_with("--virtual-vram", "8gb", program=(program,)), 127, "",
                        f"vramspan run: error: cannot start `{program}`: {reason}\n")

    def test_a_program_that_may_not_be_executed(self):
        self.write("plain", "no program")
        self.expect(self.run_with("--virtual-vram", "8gb", program=("./plain",)), 126, "",
                    "vramspan run: error: cannot start `./plain`: Permission denied\n")
        self.expect(self.run_with("--virtual-vram", "8gb", program=("/",)), 126, "",
                    "vramspan run: error: cannot start `/`: Permission denied\n")

    def test_path_is_searched_as_by_the_system(self):
        """A file that may not be executed hides none that may; an empty folder in PATH is the working folder."""
        self.write("first/tool", "#!/bin/sh\necho first")
        second = self.write("second/tool", "#!/bin/sh\necho second")
        second.chmod(0o755)
        path = f"{self.folder}/first:{self.folder}/second:{os.environ['PATH']}"
        self.expect(self.run_with("--virtual-vram", "8gb", program=("tool",), environment={"PATH": path}), 0, "second\n")
        here = self.write("here", "#!/bin/sh\necho here")
        here.chmod(0o755)
        for path in (f":{os.environ['PATH']}", f"{os.environ['PATH']}:"):
            self.expect(self.run_with("--virtual-vram", "8gb", program=("here",), environment={"PATH": path}), 0, "here\n")
        run = self.run_with("--virtual-vram", "8gb", program=("tool",), environment={"PATH": f"{self.folder}/first"})
        self.assertEqual(run.returncode, 126)

    def test_a_script_without_an_interpreter_line_is_the_shells(self):
        self.write("script", "echo from the shell $1").chmod(0o755)
        self.expect(self.run_with("--virtual-vram", "8gb", program=("./script", "x")), 0, "from the shell x\n")

    def test_a_script_whose_interpreter_is_missing(self):
        self.write("script", "#!/no/such/interpreter\n").chmod(0o755)
        run = self.run_with("--virtual-vram", "8gb", program=("./script",))
        self.assertEqual((run.returncode, run.stdout), (127, ""))
        self.assertIn("cannot start `./script`: the interpreter that it names", run.stderr)


class Unfit(RunTest):
    """Programs into which nothing can be preloaded."""

    STARTED = "nothing is spread in it, only in what it starts\n"

    def build_static(self):
        source = self.write("static.c", "#include <stdio.h>\nint main(void) { puts(\"static\"); return 3; }\n")
        subprocess.run(["gcc", "-static", "-o", self.folder / "static", source], check=True)

    def test_a_statically_linked_one_is_warned_of_and_runs(self):
        self.build_static()
        self.expect(self.run_with("--virtual-vram", "8gb", program=("./static",)), 3, "static\n",
                    "vramspan run: warning: `./static` is statically linked: " + self.STARTED)

    def test_a_script_is_followed_to_its_interpreter(self):
        self.build_static()
        self.write("script", f"#! {self.folder}/static -x\n").chmod(0o755)
        self.expect(self.run_with("--virtual-vram", "8gb", program=("./script",)), 3, "static\n",
                    "vramspan run: warning: `./script` is statically linked: " + self.STARTED)

    def test_one_of_another_machine_or_word_size_is_warned_of(self):
        true = pathlib.Path(shutil.which("true")).resolve().read_bytes()
        for at, value in ((18, 183), (4, 1)):  # e_machine: AArch64; EI_CLASS: 32 bit
            changed = bytearray(true)
            changed[at] = value
            path = self.folder / "foreign"
            path.write_bytes(changed)
            path.chmod(0o755)
            run = self.run_with("--virtual-vram", "8gb", "--dry-run", program=("./foreign",))
            self.assertEqual((run.returncode, run.stderr), (0, "vramspan run: warning: `./foreign` is a program for "
                                                               "another machine or word size: " + self.STARTED))

    @unittest.skipUnless(os.getuid() == 0, "only root can give files away")
    def test_one_with_rights_of_its_own_is_refused(self):
        path = self.folder / "secure"
        for mode in (stat.S_ISUID | 0o755, stat.S_ISGID | 0o755):
            shutil.copy(shutil.which("true"), path)
            os.chown(path, 65534, 65534)
            path.chmod(mode)
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
        run = subprocess.run([self.placed, "run", "--virtual-vram", "8gb", "--", sys.executable, "-c", SHOW],
                             capture_output=True, text=True, cwd=self.folder, check=False,
                             env=self.environment | (environment or {}))
        return run

    def test_it_is_beside_the_program_or_in_lib_of_its_prefix(self):
        for program, library in (("a/vramspan", "a/libvramspan.so"), ("b/bin/vramspan", "b/lib/libvramspan.so"),
                                 ("c/bin/vramspan", "c/lib64/libvramspan.so"),
                                 ("d/bin/vramspan", "d/lib/x86_64-linux-gnu/libvramspan.so"),
                                 ("two\nlines/vramspan", "two\nlines/libvramspan.so")):
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
        for arguments in (["--policy", "bad.yaml"], ["--policy", "folder"], ["--policy", "missing.yaml"],
                          ["--virtual-vram", "8gbit"], ["--distorch", "cuda:0"],
                          ["--policy", "good.yaml", "--virtual-vram", "8gb"], ["--policy", ""],
                          ["--policy", "good.yaml", "--devices", "cuda:0,cuda:0", "--donors", "gpu:1", "--on-error", "x"]):
            run, check = self.run_with(*arguments), self.vramspan("check", *arguments)
            self.assertEqual((run.returncode, check.returncode), (1, 1), arguments)
            self.assertEqual((run.stdout, run.stderr), ("", check.stderr))
            self.assertIn(": error: ", run.stderr)

    def test_variables_are_checked_too(self):
        run = self.run_with("--policy", "good.yaml", environment={"VRAMSPAN_DONORS": "gpu:1"})
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertTrue(run.stderr.startswith("VRAMSPAN_DONORS:1:1: error: "), run.stderr)

    def test_warnings_are_left_to_the_library(self):
        self.write("warned.yaml", WARNED)
        self.assertIn("warning", self.vramspan("check", "warned.yaml").stderr)
        self.handed_down("--policy", "warned.yaml")

    def test_with_passthrough_a_bad_policy_starts_the_program_without_the_library(self):
        self.write("bad.yaml", "on-error: passthrough\n" + BAD)
        for arguments in (["--policy", "bad.yaml"], ["--virtual-vram", "8gbit", "--on-error", "passthrough"]):
            run = self.run_with(*arguments)
            self.assertEqual((run.returncode, run.stdout), (0, ""))
            self.assertIn(": error: ", run.stderr)
            self.assertTrue(run.stderr.endswith("the program runs without vramspan, as on-error: passthrough asks\n"))


class DryRun(RunTest):
    def test_what_it_prints_does_the_same_in_a_shell(self):
        odd = self.write("it's a\n$HOME \"policy\".yaml", GOOD)
        said = {"VRAMSPAN_DISTORCH": "cuda:0,1gb;cpu,*", "LD_PRELOAD": "libm.so.6", "VRAMSPAN_COMPUTE_RESERVE": "1gb"}
        program = ("env", "-0", "A=", "B=it's \\ $HOME\nx")
        for arguments in (["--policy", odd.name, "--log", "warn"], ["--virtual-vram", "60%", "--donors", "cpu:4gb"]):
            real = self.run_with(*arguments, program=program, environment=said)
            shown = self.run_with(*arguments, "-n", program=program, environment=said)
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            by_hand = subprocess.run(["sh", "-c", shown.stdout], capture_output=True, text=True, cwd="/", check=False,
                                     env=self.environment | said)

            def seen(output):
                return sorted(line for line in output.split("\0") if line and not line.startswith(("PWD=", "_=", "OLDPWD=")))
            self.assertEqual(seen(by_hand.stdout), seen(real.stdout))
            self.assertIn("B=it's \\ $HOME\nx", real.stdout)

    def test_it_starts_nothing_and_checks_everything(self):
        mark = self.folder / "mark"
        run = self.run_with("--virtual-vram", "8gb", "--dry-run", program=("touch", mark))
        self.expect(run, 0, f"env \\\n    LD_PRELOAD={LIBRARY} \\\n    VRAMSPAN_VIRTUAL_VRAM=8gb \\\n    touch {mark}\n")
        self.assertFalse(mark.exists())
        self.assertEqual(self.run_with("--virtual-vram", "x", "-n").returncode, 1)
        self.assertEqual(self.run_with("--virtual-vram", "8gb", "-n", program=("no-such",)).returncode, 127)


if __name__ == "__main__":
    unittest.main()
