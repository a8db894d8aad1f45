"""The CUDA driver API through ctypes, as far as the tests here call it themselves: sizes and addresses are plain
numbers, a result other than success is a DriverError."""

import ctypes

MIB = 1 << 20
PAGE = 32 * MIB  # of a VBAR: comfy_aimdo/model_vbar.py
OUT_OF_MEMORY, ILLEGAL_ADDRESS = 2, 700
NON_BLOCKING = 1

# The functions that comfy-aimdo patches in place: exported name, the name that cuGetProcAddress knows, and its flag.
PATCHED = {
    "cuMemAlloc_v2": ("cuMemAlloc", 1),
    "cuMemFree_v2": ("cuMemFree", 1),
    "cuMemAllocAsync": ("cuMemAllocAsync", 1),
    "cuMemFreeAsync": ("cuMemFreeAsync", 1),
    "cuMemAllocAsync_ptsz": ("cuMemAllocAsync", 2),
    "cuMemFreeAsync_ptsz": ("cuMemFreeAsync", 2),
}


class DriverError(Exception):
    def __init__(self, name, result):
        super().__init__(f"{name} gave {result}")
        self.result = result


class AllocationProperties(ctypes.Structure):
    """CUmemAllocationProp of cuda.h: the fields that are not named stay zero."""

    _fields_ = [("type", ctypes.c_int), ("handle_types", ctypes.c_int), ("location_type", ctypes.c_int),
                ("location_id", ctypes.c_int), ("rest", ctypes.c_uint64 * 2)]


class Driver:
    """Holds the primary contexts of all devices; that of device 0 is current after the start."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        self.contexts = []
        self.live = {}  # what has been allocated, and how it is given back
        for device in range(count.value):
            context = ctypes.c_void_p()
            self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
            self.contexts.append(context)
        self.use(0)

    def call(self, name, *arguments):
        """Python's numbers are passed as 64 bits, which is right for smaller parameters too, in registers."""
        arguments = [ctypes.c_uint64(a) if isinstance(a, int) else a for a in arguments]
        if result := getattr(self.library, name)(*arguments):
            raise DriverError(name, result)

    def use(self, device):
        self.call("cuCtxSetCurrent", self.contexts[device])

    def synchronize(self):
        self.call("cuCtxSynchronize")

    def release_contexts(self):
        self.call("cuCtxSetCurrent", None)
        for device in range(len(self.contexts)):
            self.call("cuDevicePrimaryCtxRelease_v2", device)

    def total(self, device):
        total = ctypes.c_size_t()
        self.call("cuDeviceTotalMem_v2", ctypes.byref(total), device)
        return total.value

    # --- memory ---
    def allocate(self, size, function="cuMemAlloc_v2"):
        """By one of the three patched functions that allocate; the asynchronous ones in their default stream."""
        address = ctypes.c_uint64()
        stream = () if function == "cuMemAlloc_v2" else (None,)
        self.call(function, ctypes.byref(address), size, *stream)
        self.live[address.value] = self.free
        return address.value

    def free(self, address, function="cuMemFree_v2"):
        stream = () if function == "cuMemFree_v2" else (None,)
        self.call(function, address, *stream)
        del self.live[address]

    def create(self, size, device=0):
        """A handle of physical memory: none of the functions that comfy-aimdo watches."""
        handle = ctypes.c_uint64()
        properties = AllocationProperties(type=1, location_type=1, location_id=device)
        self.call("cuMemCreate", ctypes.byref(handle), size, ctypes.byref(properties), 0)
        self.live[handle.value] = self.release
        return handle.value

    def release(self, handle):
        self.call("cuMemRelease", handle)
        del self.live[handle]

    def free_all(self):
        """What a failing test left, so that the next one is judged for itself."""
        self.use(0)
        for what, give_back in list(self.live.items()):
            give_back(what)
        self.synchronize()

    # --- pinned memory, streams, copies ---
    def pinned(self, size):
        address = ctypes.c_void_p()
        self.call("cuMemAllocHost_v2", ctypes.byref(address), size)
        self.live[address.value] = self.free_pinned
        return address.value

    def free_pinned(self, address):
        self.call("cuMemFreeHost", ctypes.c_void_p(address))
        del self.live[address]

    def stream(self):
        stream = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(stream), NON_BLOCKING)
        return stream

    def copy_in(self, address, source, size, stream=None):
        self.call("cuMemcpyHtoDAsync_v2", address, ctypes.c_void_p(source), size, stream)

    def copy_out(self, target, address, size, stream=None):
        self.call("cuMemcpyDtoHAsync_v2", ctypes.c_void_p(target), address, size, stream)

    def write(self, address, data: bytes):
        self.copy_in(address, ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value, len(data))
        self.synchronize()

    def read(self, address, size) -> bytes:
        data = ctypes.create_string_buffer(size)
        self.call("cuMemcpyDtoH_v2", data, address, size)
        return data.raw
