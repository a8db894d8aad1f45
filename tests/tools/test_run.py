"""`vramspan run`: what it hands down, and how the program takes its place."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

from tool import BAD, GOOD, LIBRARY, VARIABLES, VRAMSPAN, RunTest


class HandedDown(RunTest):
    def test_each_option_becomes_its_variable(self):
        for option, value in (
            ("--virtual-vram", "8gb"),
            ("--virtual-vram", "60%"),
            ("--distorch", "cuda:0,1gb;cpu,*"),
            ("--policy", str(self.policy)),
        ):
            self.assertEqual(self.handed_down(option, value), {"LD_PRELOAD": str(LIBRARY), VARIABLES[option]: value})
        for option, value in (
            ("--devices", "cuda:1,cuda:0"),
            ("--donors", "cuda:1,cpu:48gb"),
            ("--compute-reserve", "1.5gb"),
            ("--host-reserve", "4gb"),
            ("--on-error", "passthrough"),
            ("--backends", "vmm,pinned,-vmm:peer"),
            ("--log", "debug"),
        ):
            self.assertEqual(
                self.handed_down("--virtual-vram", "8gb", f"{option}={value}"),
                {"LD_PRELOAD": str(LIBRARY), "VRAMSPAN_VIRTUAL_VRAM": "8gb", VARIABLES[option]: value},
            )

    def test_the_command_line_wins_over_variables(self):
        other = str(self.write("other.yaml", GOOD))
        said = {
            "VRAMSPAN_DONORS": "cpu",
            "VRAMSPAN_COMPUTE_RESERVE": "1gb",
            "VRAMSPAN_HOST_RESERVE": "3gb",
            "VRAMSPAN_ON_ERROR": "stop",
            "VRAMSPAN_DEVICES": "cuda:0",
            "VRAMSPAN_LOG": "warn",
            "VRAMSPAN_POLICY": other,
        }
        self.assertEqual(self.handed_down(environment=said), {"LD_PRELOAD": str(LIBRARY), **said})
        new = {
            "--donors": "cuda:1",
            "--compute-reserve": "2gb",
            "--host-reserve": "4gb",
            "--on-error": "passthrough",
            "--devices": "cuda:0,cuda:2",
            "--log": "error",
            "--policy": str(self.policy),
        }
        expected = {"LD_PRELOAD": str(LIBRARY), **{VARIABLES[option]: value for option, value in new.items()}}
        self.assertEqual(self.handed_down(*sum(new.items(), ()), environment=said), expected)

    def test_the_last_of_two_equal_options_counts(self):
        seen = self.handed_down("--virtual-vram", "8gb", "--virtual-vram", "9gb")
        self.assertEqual(seen["VRAMSPAN_VIRTUAL_VRAM"], "9gb")

    def test_variables_that_the_command_line_puts_out_of_force_are_taken_away(self):
        for option, value, variable, said in (
            ("--policy", str(self.policy), "VRAMSPAN_VIRTUAL_VRAM", "8gb"),
            ("--policy", str(self.policy), "VRAMSPAN_DISTORCH", "nonsense"),
            ("--virtual-vram", "8gb", "VRAMSPAN_DISTORCH", "cuda:0,1gb;cpu,*"),
            ("--distorch", "cuda:0,1gb;cpu,*", "VRAMSPAN_VIRTUAL_VRAM", "8gb"),
        ):
            seen = self.handed_down(option, value, environment={variable: said})
            self.assertEqual(seen, {"LD_PRELOAD": str(LIBRARY), VARIABLES[option]: value})

    def test_a_policy_that_still_says_something_about_the_machine_stays(self):
        seen = self.handed_down("--virtual-vram", "8gb", environment={"VRAMSPAN_POLICY": str(self.policy)})
        self.assertEqual(seen["VRAMSPAN_POLICY"], str(self.policy))
        self.assertEqual(seen["VRAMSPAN_VIRTUAL_VRAM"], "8gb")

    def test_empty_variables_count_as_not_set(self):
        empty = {name: "" for name in VARIABLES.values() if name != "VRAMSPAN_LOG"}
        self.assertEqual(
            self.handed_down("--virtual-vram", "8gb", environment=empty),
            {"LD_PRELOAD": str(LIBRARY), "VRAMSPAN_VIRTUAL_VRAM": "8gb"},
        )

    def test_a_policy_is_named_from_the_root_on(self):
        """The program may change its folder."""
        for given in ("good.yaml", "./good.yaml", ".//good.yaml"):
            self.assertEqual(os.path.normpath(self.handed_down("--policy", given)["VRAMSPAN_POLICY"]), str(self.policy))
        self.assertEqual(self.handed_down("--policy", "good.yaml")["VRAMSPAN_POLICY"], str(self.policy))
        self.assertEqual(
            self.handed_down(environment={"VRAMSPAN_POLICY": "good.yaml"})["VRAMSPAN_POLICY"], str(self.policy)
        )

    def test_paths_may_hold_anything(self):
        for name in (
            "a blank.yaml",
            'it\'s "quoted".yaml',
            "two\nlines.yaml",
            "$HOME;true.yaml",
            "-n.yaml",
            "ä:b.yaml",
        ):
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
        other = subprocess.run(
            ["gcc", "-print-file-name=libm.so.6"], capture_output=True, text=True, check=True
        ).stdout.strip()
        self.assertTrue(other.startswith("/"))
        seen = self.handed_down("--virtual-vram", "8gb", environment={"LD_PRELOAD": other})
        self.assertEqual(seen["LD_PRELOAD"], f"{LIBRARY}:{other}")

    def test_the_library_is_preloaded_once(self):
        other = "libm.so.6"
        copy = shutil.copy(LIBRARY, self.folder / "libvramspan.so")
        for before, after in (
            (f"{LIBRARY}:{other}", f"{LIBRARY}:{other}"),
            (f"{LIBRARY} {other}", f"{LIBRARY}:{other}"),
            (f"{other}:{LIBRARY}:", f"{LIBRARY}:{other}"),
            (f"{copy}:{other}", f"{LIBRARY}:{other}"),
            (str(LIBRARY), str(LIBRARY)),
        ):
            seen = self.handed_down("--virtual-vram", "8gb", environment={"LD_PRELOAD": before})
            self.assertEqual(seen["LD_PRELOAD"], after, before)

    def test_the_library_is_really_in_the_program(self):
        run = self.run_with("--virtual-vram", "8gb", program=("cat", "/proc/self/maps"))
        self.assertIn(str(LIBRARY), run.stdout)

    def test_other_variables_stay(self):
        run = self.run_with(
            "--virtual-vram", "8gb", program=("env", "-0"), environment={"A": "x\ny", "PATH": os.environ["PATH"]}
        )
        self.assertIn("A=x\ny", run.stdout.split("\0"))


class Program(RunTest):
    def test_arguments_are_untouched(self):
        code = "import sys; print(sys.argv[1:])"
        odd = [
            "",
            " ",
            "a b",
            "--",
            "-n",
            "--help",
            "--policy",
            "x",
            "two\nlines",
            "it's",
            '"',
            "\\",
            "$HOME",
            "ä",
            "*",
        ]
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
        code = (
            "import os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); "
            "print(os.getpid(), flush=True); signal.pause()"
        )
        with subprocess.Popen(
            [VRAMSPAN, "run", "--virtual-vram", "8gb", "--", sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        ) as process:
            self.assertEqual(int(process.stdout.readline()), process.pid)
            process.terminate()
            self.assertEqual(process.wait(60), 7)

    def test_what_is_ignored_stays_ignored_and_input_and_output_are_its_own(self):
        code = (
            "import signal, sys; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, sys.stdin.read()); "
            "print('said', file=sys.stderr)"
        )
        run = self.run_with(
            "--virtual-vram",
            "8gb",
            program=(sys.executable, "-c", code),
            input="text",
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        )
        self.expect(run, 0, "True text\n", "said\n")

    def test_a_program_that_is_not_there(self):
        for program, reason in (
            ("no-such-program", "there is no such program in PATH"),
            ("./no-such-program", "there is no such file"),
            ("", "there is no such program in PATH"),
        ):
            self.expect(
                self.run_with("--virtual-vram", "8gb", program=(program,)),
                127,
                "",
                f"vramspan run: error: cannot start `{program}`: {reason}\n",
            )

    def test_a_program_that_may_not_be_executed(self):
        self.write("plain", "no program")
        self.expect(
            self.run_with("--virtual-vram", "8gb", program=("./plain",)),
            126,
            "",
            "vramspan run: error: cannot start `./plain`: Permission denied\n",
        )
        self.expect(
            self.run_with("--virtual-vram", "8gb", program=("/",)),
            126,
            "",
            "vramspan run: error: cannot start `/`: Permission denied\n",
        )

    def test_path_is_searched_as_by_the_system(self):
        """A file that may not be executed hides none that may; an empty folder in PATH is the working folder."""
        self.write("first/tool", "#!/bin/sh\necho first")
        second = self.write("second/tool", "#!/bin/sh\necho second")
        second.chmod(0o755)
        path = f"{self.folder}/first:{self.folder}/second:{os.environ['PATH']}"
        self.expect(
            self.run_with("--virtual-vram", "8gb", program=("tool",), environment={"PATH": path}), 0, "second\n"
        )
        here = self.write("here", "#!/bin/sh\necho here")
        here.chmod(0o755)
        for path in (f":{os.environ['PATH']}", f"{os.environ['PATH']}:"):
            self.expect(
                self.run_with("--virtual-vram", "8gb", program=("here",), environment={"PATH": path}), 0, "here\n"
            )
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


if __name__ == "__main__":
    unittest.main()
