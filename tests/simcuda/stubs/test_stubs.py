"""Tests of generate.py on a small stand-in for PyTorch's libraries, made here with gcc. Needs no PyTorch.

    python3 -m unittest discover tests/simcuda/stubs
"""
import ctypes
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent

# What the pretended libtorch_cuda.so refers to: cuFFT by version node, cusparseLt and NCCL without, one weakly.
TORCH_SOURCE = """
int cufftCreate(void *);
int cusparseLtInit(void *);
int ncclGetVersion(int *);
const char *ncclGetErrorString(int);
long cuFileRead(void *);
int ncclOptional(void) __attribute__((weak));
extern int ncclTable[];
int use(void) {
    int version;
    return cufftCreate(0) + cusparseLtInit(0) + ncclGetVersion(&version)
        + (ncclGetErrorString(0) != 0) + (int)cuFileRead(0) + (ncclOptional ? ncclOptional() : 0) + ncclTable[0];
}
"""
REAL = {
    "libcufft.so.12": ("int cufftCreate(void *p){return p!=0;}", "libcufft.so.12"),
    "libcusparseLt.so.0": ("int cusparseLtInit(void *p){return p!=0;}", None),
    "libnccl.so.2": ("int ncclGetVersion(int*p){return *p;} const char*ncclGetErrorString(int i){return i?0:\"\";}"
                     "int ncclOptional(void){return 1;} int ncclTable[4]={1};", None),
    "libcufile.so.0": ("long cuFileRead(void *p){return p!=0;}", None),
}


def gcc(*arguments):
    subprocess.run(["gcc", "-shared", "-fPIC", *map(str, arguments)], check=True)


def symbols(library):
    output = subprocess.run(["readelf", "--dyn-syms", "-W", library], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in output.splitlines()]
    return {row[7]: row[3] for row in rows if len(row) == 8 and row[6] not in ("UND", "Ndx")}


def soname(library):
    output = subprocess.run(["readelf", "-dW", library], check=True, capture_output=True, text=True).stdout
    return next(line.split("[")[1].rstrip("]") for line in output.splitlines() if "SONAME" in line)


class Stubs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        real, cls.lib = root / "real", root / "site" / "torch" / "lib"
        real.mkdir()
        cls.lib.mkdir(parents=True)
        for name, (source, node) in REAL.items():
            (real / "source.c").write_text(source)
            extra = []
            if node:
                (real / "map").write_text(f"{node} {{ global: *; }};")
                extra = [f"-Wl,--version-script={real / 'map'}"]
            gcc(real / "source.c", "-o", real / name, f"-Wl,-soname,{name}", *extra)
        (root / "torch.c").write_text(TORCH_SOURCE)
        cls.torch_library = cls.lib / "libtorch_cuda.so"
        gcc(root / "torch.c", "-o", cls.torch_library, *(real / name for name in REAL))
        (cls.lib.parent / "version.py").write_text("__version__ = '2.11.0+pretended'\n")
        metadata = root / "site" / "torch-2.11.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            'Requires-Dist: cuda-toolkit[cublas,cudart]==13.0.2; platform_system == "Linux"\n'
            'Requires-Dist: nvidia-cudnn-cu13 (==9.26.0.51) ; platform_system == "Linux"\n'
            'Requires-Dist: nvidia-nccl-cu13==2.28.9; platform_system == "Linux"\n')
        cls.root, cls.simulated = root, root / "simulated"
        cls.simulated.mkdir()
        cls.out = cls.generate(cls.simulated)

    @classmethod
    def generate(cls, simulated):
        """Returns the folder of the stand-ins."""
        done = subprocess.run([sys.executable, HERE / "generate.py", cls.lib, simulated, cls.root / "out"],
                              check=True, capture_output=True, text=True)
        return pathlib.Path(done.stdout.strip())

    def call(self, code):
        """Runs Python code in a process of its own, with `out` as the folder; returns what it printed on both."""
        done = subprocess.run([sys.executable, "-c", f"import ctypes\nout = {str(self.out)!r}\n{code}"],
                              check=True, capture_output=True, text=True)
        return done.stdout.split(), done.stderr

    def test_each_needed_library_exists_under_its_soname(self):
        made = {path.name for path in self.out.glob("*.so.*") if path.suffix not in (".c", ".map")}
        self.assertEqual(made, set(REAL))
        for name in made:
            self.assertEqual(soname(self.out / name), name)

    def test_symbols_carry_the_version_that_the_reference_asks_for(self):
        self.assertIn("cufftCreate@@libcufft.so.12", symbols(self.out / "libcufft.so.12"))
        self.assertIn("cusparseLtInit", symbols(self.out / "libcusparseLt.so.0"))

    def test_a_weak_reference_stays_undefined(self):
        self.assertNotIn("ncclOptional", symbols(self.out / "libnccl.so.2"))

    def test_a_variable_is_a_variable(self):
        self.assertEqual(symbols(self.out / "libnccl.so.2").get("ncclTable"), "OBJECT")

    def test_the_dynamic_linker_is_content(self):
        """With every reference bound at once, as LD_BIND_NOW does."""
        code = "import os; ctypes.CDLL(%r, mode=os.RTLD_NOW)" % str(self.torch_library)
        subprocess.run([sys.executable, "-c", "import ctypes\n" + code], check=True,
                       env={"LD_LIBRARY_PATH": str(self.out), "LD_BIND_NOW": "1"})

    def test_a_call_fails_and_says_its_name_once(self):
        printed, said = self.call("cufft = ctypes.CDLL(out + '/libcufft.so.12')\n"
                                  "print(cufft.cufftCreate(None), cufft.cufftCreate(None))")
        self.assertEqual(printed, ["16", "16"])
        self.assertEqual(said, "simcuda: libcufft.so.12: cufftCreate was called and is not simulated\n")

    def test_a_count_is_negative(self):
        printed, _ = self.call("file = ctypes.CDLL(out + '/libcufile.so.0')\n"
                               "file.cuFileRead.restype = ctypes.c_long\nprint(file.cuFileRead(None))")
        self.assertEqual(printed, ["-1"])

    def test_versions_are_those_that_the_wheel_pins(self):
        printed, said = self.call("number = ctypes.c_int()\n"
                                  "ctypes.CDLL(out + '/libnccl.so.2').ncclGetVersion(ctypes.byref(number))\n"
                                  "print(number.value)")
        self.assertEqual(printed, ["22809"])
        self.assertEqual(said, "")
        self.assertEqual((self.out / "cudnn-version").read_text(), "92600")

    def test_an_error_text_is_a_text(self):
        printed, _ = self.call("text = ctypes.CDLL(out + '/libnccl.so.2').ncclGetErrorString\n"
                               "text.restype = ctypes.c_char_p\nprint(text(1).decode())")
        self.assertEqual(" ".join(printed), "libnccl.so.2 is not simulated")

    def test_is_made_again_only_when_torch_changed(self):
        library = self.out / "libnccl.so.2"
        before = library.stat().st_ino, library.stat().st_mtime_ns
        self.assertEqual(self.generate(self.simulated), self.out)
        self.assertEqual((library.stat().st_ino, library.stat().st_mtime_ns), before)
        self.torch_library.touch()
        other = self.generate(self.simulated)
        self.assertNotEqual(other, self.out)
        self.assertTrue((other / "libnccl.so.2").exists())

    def test_each_pytorch_has_a_folder_that_tells_its_version(self):
        self.assertTrue(self.out.name.startswith("2.11.0+pretended-"), self.out)

    def test_all_at_once_get_the_same_complete_folder(self):
        simulated = self.root / "simulated-by-many"
        simulated.mkdir()
        command = [sys.executable, HERE / "generate.py", self.lib, simulated, self.root / "out"]
        children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        folders = {child.communicate()[0].strip() for child in children}
        self.assertEqual([child.returncode for child in children], [0] * 4)
        self.assertEqual(len(folders), 1)
        folder = pathlib.Path(folders.pop())
        self.assertEqual(sorted((folder / "libraries").read_text().split()), sorted(str(folder / name) for name in REAL))
        self.assertEqual(list(folder.parent.glob(folder.name + ".*")), [])

    def test_what_is_simulated_has_no_stand_in_and_is_listed(self):
        simulated = self.root / "simulated-nccl"
        simulated.mkdir()
        (simulated / "libnccl.so.2").touch()
        folder = self.generate(simulated)
        self.assertFalse((folder / "libnccl.so.2").exists())
        listed = (folder / "libraries").read_text().splitlines()
        self.assertEqual(set(listed), {str(folder / name) for name in REAL if name != "libnccl.so.2"}
                         | {str(simulated / "libnccl.so.2")})

    def test_a_folder_without_torch_is_an_error_in_one_sentence(self):
        done = subprocess.run([sys.executable, HERE / "generate.py", self.out, self.out, self.out],
                              capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("holds no libtorch_cuda.so", done.stderr)
        self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
