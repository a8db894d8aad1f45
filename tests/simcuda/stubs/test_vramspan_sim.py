"""Tests of vramspan-sim and of the sitecustomize that it brings, with a pretended torch, pretended NVIDIA wheels and a
pretended simulated CUDA, and of the machines that it lists, with the real ones (from $BUILD, else build).

    python3 -m unittest discover tests/simcuda/stubs
"""
import os
import re
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest

SIM = pathlib.Path(__file__).resolve().parent.parent / "vramspan-sim"
TREE = SIM.parent.parent.parent

# `enabled` is what the real torch.backends.cudnn.enabled is: True until somebody says otherwise.
TORCH = """
class version: cuda = {cuda!r}
class cudnn: enabled = True
class backends: cudnn = cudnn
"""
SAID = "simcuda: cuDNN is switched off (torch.backends.cudnn.enabled = False): convolutions run as matrix products\n"
NOBODY = 65534
DESCRIBE = """#!/bin/sh
case $1 in bad) echo "bad is no machine" >&2; exit 1 ;; esac
echo "a pretended machine"
"""


class Pretended(unittest.TestCase):
    """A build folder with a pretended simulated CUDA, and a folder of Python modules with a pretended torch."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name).resolve()
        self.libraries = self.root / "build" / "simcuda"
        self.libraries.mkdir(parents=True)
        (self.libraries / "libcuda.so.1").touch()
        (self.libraries / "describe-machine").write_text(DESCRIBE)
        (self.libraries / "describe-machine").chmod(0o755)
        self.modules = self.root / "modules"
        self.modules.mkdir()
        (self.modules / "torch.py").write_text(TORCH.format(cuda="13.0"))

    def sim(self, *arguments, user=None, **environment):
        environment = {"PATH": os.environ["PATH"], "BUILD": str(self.root / "build"), "PYTHONPATH": str(self.modules),
                       "SIMCUDA_QUIET": "1", **environment}
        return subprocess.run([SIM, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=self.root,
                              user=user, env={name: value for name, value in environment.items() if value is not None})

    def python(self, code, *options, **environment):
        done = self.sim(*options, sys.executable, "-c", code, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done


class CommandLine(Pretended):
    def test_options_become_variables(self):
        (self.root / "machine.yaml").touch()
        done = self.sim("--machine", "./machine.yaml", "--trace=trace-%p.jsonl", "--order", "random", "--seed", 7,
                        "--fail", "cuMemCreate:17,cuMemMap:1:999", "--compute", "gemm", "--", "env")
        variables = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.assertEqual(variables["SIMCUDA_MACHINE"], f"{self.root}/machine.yaml")
        self.assertEqual(variables["SIMCUDA_TRACE"], f"{self.root}/trace-%p.jsonl")
        self.assertEqual(variables["SIMCUDA_ORDER"], "random")
        self.assertEqual(variables["SIMCUDA_SEED"], "7")
        self.assertEqual(variables["SIMCUDA_FAIL"], "cuMemCreate:17,cuMemMap:1:999")
        self.assertEqual(variables["SIMCUDA_COMPUTE"], "gemm")
        self.assertEqual(variables["LD_LIBRARY_PATH"], str(self.libraries))
        self.assertNotIn("LD_PRELOAD", variables)

    def test_without_options_the_variables_are_the_users(self):
        done = self.sim("printenv", "SIMCUDA_COMPUTE", "SIMCUDA_SEED", SIMCUDA_COMPUTE="none", SIMCUDA_SEED="3")
        self.assertEqual(done.stdout, "none\n3\n")
        self.assertEqual(self.sim("printenv", "SIMCUDA_COMPUTE", "SIMCUDA_SEED", "SIMCUDA_MACHINE").stdout, "")

    def test_the_hosts_files_are_where_programs_look_for_them(self):
        both = ("printenv", "SIMCUDA_PROC_ROOT", "VRAMSPAN_PROC_ROOT")
        folder = f"{self.root}/vramspan-sim-{os.getuid()}-"
        own, handed_on = self.sim(*both, TMPDIR=str(self.root)).stdout.split()
        self.assertRegex(own, rf"^{re.escape(folder)}\d+$")
        self.assertEqual(handed_on, own)
        self.assertEqual(self.sim(*both, SIMCUDA_PROC_ROOT="/a").stdout, "/a\n/a\n")
        self.assertEqual(self.sim(*both, SIMCUDA_PROC_ROOT="/a", VRAMSPAN_PROC_ROOT="/b").stdout, "/a\n/b\n")
        self.assertEqual(self.sim(*both, SIMCUDA_PROC_ROOT="").stdout, "\n", "none are wanted")
        self.assertEqual(self.sim(*both, VRAMSPAN_PROC_ROOT="/b").stdout, "/b\n")
        self.assertEqual(self.sim(*both, TMPDIR="/no/such").stdout, "")

    def test_what_killed_processes_left_of_the_hosts_files_is_removed(self):
        folder = f"{self.root}/vramspan-sim-{os.getuid()}-"
        for number in (os.getpid(), 99999999):  # of which the second cannot be a process
            os.makedirs(f"{folder}{number}/proc")
        self.sim("true", TMPDIR=str(self.root))
        self.assertTrue(os.path.exists(f"{folder}{os.getpid()}/proc"))
        self.assertFalse(os.path.exists(f"{folder}99999999"))

    def test_paths_that_look_like_options(self):
        (self.root / "-m.yaml").touch()
        (self.root / "-traces").mkdir()
        moved = self.libraries.rename(self.root / "-home")
        done = self.sim("--machine=-m.yaml", "--trace=-traces/x", "--home=-home", "env", BUILD="/no/such")
        variables = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(variables["SIMCUDA_MACHINE"], f"{self.root}/-m.yaml")
        self.assertEqual(variables["SIMCUDA_TRACE"], f"{self.root}/-traces/x")
        self.assertEqual(variables["SIMCUDA_HOME"], str(moved))

    def test_a_machine_whose_path_cannot_be_told_is_not_replaced_by_another(self):
        (self.root / "machine.yaml").touch()
        tools = self.root / "tools"
        tools.mkdir()
        (tools / "readlink").write_text('#!/bin/sh\ncase $* in *machine.yaml) exit 1 ;; esac\nexec /usr/bin/readlink "$@"\n')
        (tools / "readlink").chmod(0o755)
        done = self.sim("--machine", "machine.yaml", "true", PATH=f"{tools}:{os.environ['PATH']}")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--machine machine.yaml: its path cannot be told", done.stderr)

    def test_a_short_form_of_a_machine_stays_as_it_is(self):
        self.assertEqual(self.sim("--machine", "8gb+24gb", "printenv", "SIMCUDA_MACHINE").stdout, "8gb+24gb\n")

    def test_existing_paths_are_kept_behind(self):
        done = self.sim("printenv", "LD_LIBRARY_PATH", "PYTHONPATH", LD_LIBRARY_PATH="/elsewhere")
        self.assertEqual(done.stdout, f"{self.libraries}:/elsewhere\n{SIM.parent / 'python'}:{self.modules}\n")

    def test_the_commands_options_and_status_are_its_own(self):
        done = self.sim("sh", "-c", 'echo "$@"; exit 7', "sh", "--machine", "--x=1")
        self.assertEqual((done.stdout, done.returncode), ("--machine --x=1\n", 7))

    def test_an_interrupt_reaches_the_command_and_is_its_status(self):
        child = subprocess.Popen([SIM, sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                                 env={**os.environ, "BUILD": str(self.root / "build")})
        child.stdout.readline()
        os.killpg(child.pid, signal.SIGINT)  # as the terminal does
        self.assertIn("KeyboardInterrupt", child.communicate(timeout=30)[1])
        self.assertEqual(child.returncode, -signal.SIGINT)

    def test_mistakes_are_told_in_a_sentence(self):
        for arguments, message in [
                ((), "no command given"), (("--order", "never", "true"), "choose early, late or random"),
                (("--seed", "x", "true"), "whole number"), (("--fail", "cuInit", "true"), "function:n"),
                (("--compute", "some", "true"), "choose none, gemm or all"),
                (("--machine", "no/such/file", "true"), "there is no such file"), (("--machine",), "needs a value"),
                (("--machine", "bad", "true"), "bad is no machine; vramspan-sim --list"),
                (("--trace", "no/such/folder/x", "true"), "does not exist"), (("--bogus", "true"), "unknown option")]:
            with self.subTest(arguments=arguments):
                done = self.sim(*arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)

    def test_a_command_that_does_not_exist_is_told_as_by_a_shell(self):
        done = self.sim("no-such-command")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (127, 1))
        self.assertIn("no command 'no-such-command'", done.stderr)

    def test_a_build_folder_without_the_libraries_is_an_error(self):
        (self.libraries / "libcuda.so.1").unlink()
        done = self.sim("true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("has no libcuda.so.1: build the simulated CUDA (make simcuda)", done.stderr)
        self.assertIn("/no/such/simcuda has no", self.sim("true", BUILD="/no/such").stderr)

    def test_the_folder_of_the_libraries_can_be_named(self):
        moved = self.libraries.rename(self.root / "two words")
        for home in (moved, "two words"):
            done = self.sim("--home", home, "sh", "-c", "echo $LD_LIBRARY_PATH", BUILD="/no/such", LD_LIBRARY_PATH=None)
            self.assertEqual((done.returncode, done.stdout), (0, f"{moved}\n"), done.stderr)
        done = self.sim("--home", "/no/such", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/no/such has no libcuda.so.1: --home names the folder", done.stderr)

    def test_help_needs_no_build(self):
        done = self.sim("--help", BUILD="/no/such")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("--machine", "--list", "--compute", "--preload", "--seed", "LD_PRELOAD=build/libvramspan.so"):
            self.assertIn(word, done.stdout)

    def test_what_is_computed_is_said_at_the_start(self):
        for compute, sentence in [("none", "nothing is computed"), ("gemm", "kernels are not (--compute gemm)"),
                                  ("all", "so are the kernels that are known")]:
            with self.subTest(compute=compute):
                done = self.sim("--compute", compute, "echo", "x", SIMCUDA_QUIET=None)
                self.assertEqual(done.stdout, "x\n")
                self.assertIn("on no GPU: a pretended machine", done.stderr)
                self.assertIn(sentence, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 2)
        self.assertEqual(self.sim("--quiet", "echo", "x", SIMCUDA_QUIET=None).stderr, "")


class ImportOfTorch(Pretended):
    def test_cudnn_is_switched_off_when_torch_was_imported(self):
        done = self.python("import torch; print(torch.backends.cudnn.enabled)", SIMCUDA_QUIET="")
        self.assertEqual(done.stdout, "False\n")
        self.assertEqual(done.stderr.splitlines(keepends=True)[2:], [SAID])

    def test_quiet_switches_off_silently(self):
        done = self.python("import torch; print(torch.backends.cudnn.enabled)", "--quiet")
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))

    def test_looking_for_torch_is_not_importing_it(self):
        done = self.python("import importlib.util, sys\nimportlib.util.find_spec('torch')\nassert 'torch' not in sys.modules\n"
                           "import torch; print(torch.backends.cudnn.enabled)")
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))

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
        self.assertEqual((done.stdout, done.stderr), ("broken\nFalse\n", ""))

    def test_a_hidden_sitecustomize_runs_under_its_own_name(self):
        (self.modules / "sitecustomize.py").write_text("value = 42; print(__name__)")
        done = self.python("import sitecustomize, torch; print(sitecustomize.value, torch.backends.cudnn.enabled)")
        self.assertEqual(done.stdout, "sitecustomize\n42 False\n")


def compile_library(path, source, *options):
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", path, f"-Wl,-soname,{path.name}", "-x", "none",
                    *map(str, options)],
                   input=textwrap.dedent(source), text=True, check=True)


class NvidiaWheels(Pretended):
    """An environment as pip makes it: torch with a run path to the libraries of NVIDIA's wheels, which are there."""

    def setUp(self):
        super().setUp()
        (self.modules / "torch.py").unlink()
        self.lib = self.modules / "torch" / "lib"
        wheel = self.modules / "nvidia" / "cu13" / "lib"
        for folder, name in ((self.libraries, "simulated"), (wheel, "wheel's")):
            compile_library(folder / "libcudart.so.13", f'const char *cudart(void) {{ return "{name}"; }}')
        compile_library(wheel / "libcudnn.so.9", 'const char *cudnnGetErrorString(int s) { return s ? "wheel\'s" : 0; }')
        # A library, not an empty file: --preload hands it to the linker.
        compile_library(self.libraries / "libcuda.so.1", "int cuInit(unsigned f) { return f != 0; }")
        compile_library(self.lib / "libtorch_cuda.so", """
            const char *cudart(void), *cudnnGetErrorString(int);
            const char *used_cudart(void) { return cudart(); }
            const char *used_cudnn(void) { return cudnnGetErrorString(1); }
            """, wheel / "libcudart.so.13", wheel / "libcudnn.so.9", "-Wl,--disable-new-dtags",
            "-Wl,-rpath,$ORIGIN/../../nvidia/cu13/lib")
        (self.lib.parent / "version.py").write_text("__version__ = '2.11.0'\n")
        (self.lib.parent / "__init__.py").write_text(TORCH.format(cuda="13.0") + textwrap.dedent("""
            import ctypes, pathlib
            library = ctypes.CDLL(pathlib.Path(__file__).parent / "lib" / "libtorch_cuda.so")
            for function in (library.used_cudart, library.used_cudnn):
                function.restype = ctypes.c_char_p
                print(function().decode())
            """))

    def test_the_simulated_libraries_and_the_stand_ins_count(self):
        self.assertEqual(self.python("import torch").stdout, "simulated\nlibcudnn.so.9 is not simulated\n")

    def test_and_without_the_import_hook_the_wheels_would(self):
        code = "import sys; sys.path.insert(0, 'modules'); import torch"
        self.assertEqual(self.sim(sys.executable, "-I", "-c", code).stdout, "wheel's\nwheel's\n")

    def test_a_python_that_no_hook_reaches_is_told_of(self):
        for options in (("-I",), ("-B", "-S"), ("-bE",)):
            done = self.sim(sys.executable, *options, "-c", "")
            self.assertEqual((done.returncode, done.stderr.count("--preload prevents it")), (0, 1), options)
        for command in ((sys.executable, "-c", "-I"), ("echo", "-I"), ("--preload", sys.executable, "-I", "-c", "")):
            self.assertNotIn("--preload prevents it", self.sim(*command).stderr, command)

    def test_preload_serves_programs_that_no_hook_reaches(self):
        code = "import os, sys; sys.path.insert(0, 'modules'); import torch; print(os.environ['LD_PRELOAD'])"
        done = self.sim("--preload", sys.executable, "-I", "-c", code, LD_PRELOAD="libc.so.6")
        self.assertEqual(done.stdout, "simulated\nwheel's\nlibc.so.6:libcuda.so.1:libcudart.so.13\n", done.stderr)

    def another_users_python(self):
        """A Python for a user who owns nothing, where there is one, and the tree is theirs to read."""
        if os.getuid() != 0 or subprocess.run([SIM, "--help"], user=NOBODY, capture_output=True, check=False).returncode:
            self.skipTest("only root can be another user, in a tree that all may read")
        return "/usr/bin/python3"

    def test_stand_ins_are_in_the_cache_of_a_user_who_cannot_write_beside_the_libraries(self):
        python = self.another_users_python()
        self.root.chmod(0o755)
        cache = self.root / "cache"
        cache.mkdir()
        os.chown(cache, NOBODY, NOBODY)
        done = self.sim(python, "-B", "-c", "import torch", user=NOBODY, XDG_CACHE_HOME=str(cache))
        self.assertEqual(done.stdout, "simulated\nlibcudnn.so.9 is not simulated\n", done.stderr)
        self.assertFalse((self.root / "build/simcuda-nvidia").exists())
        self.assertEqual(len(list((cache / "vramspan/simcuda-nvidia").iterdir())), 1)
        self.python("import torch", XDG_CACHE_HOME=str(cache))
        self.assertTrue((self.root / "build/simcuda-nvidia").exists())

    def test_stand_ins_that_cannot_be_made_are_an_import_error_in_a_sentence(self):
        done = self.sim(sys.executable, "-c", "import torch", CC="no-such-compiler")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ImportError: simcuda: no stand-ins for the NVIDIA libraries that this PyTorch needs: generate.py: "
                      "no-such-compiler is needed and was not found", done.stderr)


class Machines(unittest.TestCase):
    """The machines of this tree, with the real describe-machine."""

    build = pathlib.Path(os.environ.get("BUILD", TREE / "build"))

    def sim(self, *arguments):
        return subprocess.run([SIM, *arguments], capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"], "BUILD": str(self.build)})

    def test_list_tells_each_with_its_devices_and_what_it_is_for(self):
        done = self.sim("--list")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for file in (SIM.parent / "machines").glob("*.yaml"):
            self.assertRegex(done.stdout, rf"(?m)^{file.stem.replace('+', '[+]')} +\d x ")
            self.assertIn(file.read_text().splitlines()[0].removeprefix("# "), done.stdout)
        self.assertRegex(done.stdout, r"(?m)^2x24gb  .*2 x Simulated GPU 24 GB \(24 GiB, capability 8.6\), "
                                      r"peer access between all, host 64 GiB$")
        self.assertRegex(done.stdout, r"(?m)^2x24gb-no-peer  .*no peer access")
        self.assertRegex(done.stdout, r"(?m)^no-vmm  .*no VMM\), host 64 GiB")
        self.assertRegex(done.stdout, r"(?m)^8gb\+24gb  .*1 x .*\(8 GiB.* \+ 1 x .*\(24 GiB")

    def test_a_short_form_is_a_machine_and_a_bad_one_is_refused_before_the_start(self):
        self.assertIn("3 x Simulated GPU 16 GB", self.sim("--machine", "3x16gb", "true").stderr)
        done = self.sim("--machine", "3x16", "echo", "started")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("`3x16` is neither", done.stderr)


if __name__ == "__main__":
    unittest.main()
