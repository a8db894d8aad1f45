"""Runs at the start of each Python under simrun: switches cuDNN off as soon as torch has been imported.

cuDNN is not simulated, and no environment variable keeps PyTorch from using it. So an import hook waits for torch; it does
not import it. A program that never imports torch notices nothing.

Python runs only the first sitecustomize that it finds: the one that this file hides is run from here, under its own name.
"""
import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


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
