"""Runs at the start of each Python under vramspan-sim, and waits for torch with an import hook; it does not import it.

Before torch is executed, the NVIDIA libraries that it needs are loaded by their paths: the simulated ones, and stand-ins
for the others, made for exactly this torch. The linker then takes them by their names, wherever torch's own run path
(DT_RPATH, which comes before LD_LIBRARY_PATH) points to. As by torch itself, they are loaded for those who ask only
(RTLD_LOCAL).

After that, cuDNN is switched off: no environment variable keeps PyTorch from using it. A program that never imports torch
notices nothing.

Python runs only the first sitecustomize that it finds: the one that this file hides is run from here, under its own name.
"""
import ctypes
import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_GENERATOR = pathlib.Path(_HERE).parent / "stubs" / "generate.py"


def _stand_ins(simulated):
    """Beside the simulated libraries; in the user's cache where those were installed for all users."""
    beside = simulated + "-nvidia"
    if os.access(beside if os.path.isdir(beside) else os.path.dirname(beside), os.W_OK):
        return beside
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "vramspan", "simcuda-nvidia")


def _load_libraries(torch_lib):
    simulated = os.environ.get("SIMCUDA_HOME")
    # A build without CUDA needs none.
    if not simulated or not (torch_lib / "libtorch_cuda.so").exists():
        return
    # In a process of its own, which nothing is preloaded into.
    environment = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONPATH")}
    done = subprocess.run([sys.executable, _GENERATOR, torch_lib, simulated, _stand_ins(simulated)],
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise ImportError(f"simcuda: no stand-ins for the NVIDIA libraries that this PyTorch needs: {done.stderr.strip()}")
    folder = pathlib.Path(done.stdout.strip())
    if cudnn := (folder / "cudnn-version").read_text():
        os.environ.setdefault("SIMCUDA_CUDNN_VERSION", cudnn)
    for path in (folder / "libraries").read_text().splitlines():
        ctypes.CDLL(path)


def _switch_off(torch):
    # A build without CUDA has no cuDNN to switch off.
    if getattr(torch.version, "cuda", None) is None or not torch.backends.cudnn.enabled:
        return
    torch.backends.cudnn.enabled = False
    if not os.environ.get("SIMCUDA_QUIET"):
        print("simcuda: cuDNN is switched off (torch.backends.cudnn.enabled = False): "
              "convolutions run as matrix products", file=sys.stderr, flush=True)


class _TorchWatcher:
    """A finder that finds nothing itself. When torch is looked for, it asks the others and wraps what they found.

    Programs also look for torch without importing it, so it stays until torch has really been imported.
    """

    _asking = False

    def find_spec(self, name, path=None, target=None):
        if name != "torch" or self._asking:
            return None
        self._asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._asking = False
        if spec is None or spec.loader is None:
            return spec
        # Each spec has a loader object of its own: other imports are not touched.
        load = spec.loader.exec_module

        def exec_module(module):
            del spec.loader.exec_module
            _load_libraries(pathlib.Path(spec.origin).parent / "lib")
            load(module)
            sys.meta_path.remove(self)
            _switch_off(module)

        spec.loader.exec_module = exec_module
        return spec


def _run_hidden_sitecustomize():
    others = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


sys.meta_path.insert(0, _TorchWatcher())
_run_hidden_sitecustomize()
