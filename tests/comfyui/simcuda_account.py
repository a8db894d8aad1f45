"""The simulated CUDA's own account of where bytes are (tests/simcuda/simcuda.h), through ctypes.

`open_account()` is None where libcuda.so.1 is missing or is a real driver: callers then do without.
"""

import ctypes
import functools

HOST = -1
LOCATIONS = 8  # devices asked for; a machine that has fewer answers 0 for the others


class Account:
    """Needs no current context and changes no error state; may be used from any thread."""

    def __init__(self, driver: ctypes.CDLL):
        self._driver = driver
        for name, result, *arguments in (
            ("simcudaBytesUsed", ctypes.c_size_t, ctypes.c_int),
            ("simcudaBytesAt", ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int),
            ("simcudaHash", ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t),
            ("simcudaMark", None, ctypes.c_char_p),
            ("simcudaCalls", ctypes.c_uint64, ctypes.c_char_p),
            ("simcudaFunction", ctypes.c_void_p, ctypes.c_char_p),
            ("simcudaLiveAllocations", ctypes.c_size_t),
            ("simcudaLaunches", ctypes.c_uint64, ctypes.c_char_p),
            ("simcudaLaunchesComputed", ctypes.c_uint64, ctypes.c_char_p),
            ("simcudaPointers", ctypes.c_uint64, ctypes.c_bool),
        ):
            function = getattr(driver, name)
            function.restype = result
            function.argtypes = arguments

    def bytes_used(self) -> dict[str, int]:
        """Bytes in use per location; locations without any are left out."""
        used = {self._name(n): self._driver.simcudaBytesUsed(n) for n in self._all_locations()}
        return {name: count for name, count in used.items() if count}

    def bytes_at(self, address: int, count: int) -> dict[str, int]:
        """How many bytes of a range lie at which location; locations without any are left out."""
        at = {self._name(n): self._driver.simcudaBytesAt(address, count, n) for n in self._all_locations()}
        return {name: part for name, part in at.items() if part}

    def hash(self, address: int, count: int) -> int:
        """XXH3-64 of a range as a device sees it once queued work is done; 0 where it is not mapped."""
        return self._driver.simcudaHash(address, count)

    def mark(self, name: str) -> None:
        """Writes a line with the bytes per location to the trace."""
        self._driver.simcudaMark(name.encode())

    def calls(self, symbol: str) -> int:
        """How often a driver function was entered."""
        return self._driver.simcudaCalls(symbol.encode())

    def function(self, symbol: str) -> int | None:
        """The address of a driver function itself, whatever a library in front of it answers a look-up with."""
        return self._driver.simcudaFunction(symbol.encode())

    def kernels(self) -> dict[str, int]:
        """Of all launches so far: how many there were and were computed, and of the pointers among their arguments how
        many there were and could be judged."""
        launched, computed = self.launches()
        pointers = [self._driver.simcudaPointers(judged) for judged in (False, True)]
        return dict(zip(("launched", "computed", "pointers", "pointers_judged"), (launched, computed, *pointers)))

    def launches(self, part: str = "") -> tuple[int, int]:
        """How many kernels whose name contains `part` were executed, and how many of those were computed."""
        name = part.encode()
        return self._driver.simcudaLaunches(name), self._driver.simcudaLaunchesComputed(name)

    def live_allocations(self) -> int:
        return self._driver.simcudaLiveAllocations()

    @staticmethod
    def _all_locations():
        return [*range(LOCATIONS), HOST]

    @staticmethod
    def _name(location: int) -> str:
        return "host" if location == HOST else f"cuda:{location}"


@functools.cache
def open_account() -> Account | None:
    try:
        return Account(ctypes.CDLL("libcuda.so.1"))
    except (OSError, AttributeError):
        return None
