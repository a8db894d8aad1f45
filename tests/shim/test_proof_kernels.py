"""The PTX text of the library's own kernels computes what its C computes: it is executed here, thread by thread, as the PTX
ISA defines the few instructions that it uses. No driver compiles it where there is no GPU; PyTorch's ptxas does."""
import ctypes
import pathlib
import re
import shutil
import subprocess
import sysconfig

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MASKS = {"u32": 2**32 - 1, "b32": 2**32 - 1, "u64": 2**64 - 1, "b64": 2**64 - 1}
COUNT = 997  # not a multiple of the threads


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """shim/proof_kernels.c as a library."""
    library = tmp_path_factory.mktemp("kernels") / "kernels.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, ROOT / "shim/proof_kernels.c"], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.vs_proof_sum.restype = ctypes.c_uint64
    return loaded


def text_of(kernels, name):
    return ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(kernels, name))).decode()


class Memory:
    """Words by address; what is not there must not be touched."""

    def __init__(self, words):
        self.words = words

    def at(self, address, bits):
        assert address % 8 == 0 and address in self.words and bits == 64, hex(address)
        return address


def entry(ptx, name):
    """(the parameters' names, the instructions, the labels) of a kernel."""
    found = re.search(rf"\.visible \.entry {name}\(([^)]*)\)\s*\{{(.*?)\n\}}", ptx, re.S)
    parameters = re.findall(r"\.param \.u64 (\w+)", found[1])
    code, labels = [], {}
    for line in (line.strip() for line in found[2].splitlines()):
        if line.endswith(":"):
            labels[line[:-1]] = len(code)
        elif line and not line.startswith(".reg"):
            assert line.endswith(";"), line
            code.append(line[:-1])
    return parameters, code, labels


def declared(ptx, name):
    """Registers and their types."""
    body = re.search(rf"\.entry {name}\(.*?\n\}}", ptx, re.S)[0]
    return {register: kind for kind, names in re.findall(r"\.reg \.(\w+) ([^;]*);", body)
            for register in names.replace(" ", "").split(",")}


def run_thread(ptx, name, arguments, memory, special):
    """One thread of a kernel. Each instruction's type must be that of its registers, in width."""
    parameters, code, labels = entry(ptx, name)
    kinds = declared(ptx, name)
    values = dict(special)
    given = dict(zip(parameters, arguments, strict=True))
    at = 0

    def value(operand):
        if operand.startswith("%"):
            return values[operand]
        return int(operand, 0)

    def set_register(register, kind, result):
        assert kinds[register][1:] == kind[1:], (register, kind)
        values[register] = result & MASKS[kind]

    while True:
        line = code[at]
        at += 1
        guard = re.match(r"@(%\w+) (.*)", line)
        if guard:
            line = guard[2]
            if not values[guard[1]]:
                continue
        operation, _, rest = line.partition(" ")
        operands = [operand.strip() for operand in rest.split(",")] if rest else []
        name_of, *suffixes = operation.split(".")
        kind = suffixes[-1] if suffixes else ""
        where = re.match(r"\[(\S+)\]", next((o for o in operands if o.startswith("[")), ""))
        if operation == "ret":
            return
        if operation == "bra":
            at = labels[operands[0]]
        elif operation == "ld.param.u64":
            set_register(operands[0], kind, given[where[1]])
        elif operation == "ld.volatile.global.u64":
            set_register(operands[0], kind, memory.words[memory.at(values[where[1]], 64)])
        elif operation == "st.global.u64":
            memory.words[memory.at(values[where[1]], 64)] = value(operands[1])
        elif operation == "red.global.add.u64":
            address = memory.at(values[where[1]], 64)
            memory.words[address] = (memory.words[address] + value(operands[1])) & MASKS[kind]
        elif operation == "setp.ge.u64":
            assert kinds[operands[0]] == "pred"
            values[operands[0]] = value(operands[1]) >= value(operands[2])
        else:
            sources = [value(operand) for operand in operands[1:]]
            if operation == "mul.wide.u32":
                assert all(kinds[o] == "b32" for o in operands[1:])
                set_register(operands[0], "u64", sources[0] * sources[1])
                continue
            if operation == "cvt.u64.u32":
                assert kinds[operands[1]] == "b32"
                set_register(operands[0], "u64", sources[0])
                continue
            compute = {
                "mov": lambda a: a, "cvta": lambda a: a, "add": lambda a, b: a + b, "mul": lambda a, b: a * b,
                "mad": lambda a, b, c: a * b + c, "xor": lambda a, b: a ^ b, "shl": lambda a, b: a << b,
                "shr": lambda a, b: a >> b,
            }[name_of]
            assert suffixes[:-1] in ([], ["lo"], ["to", "global"]), line
            set_register(operands[0], kind, compute(*sources))


def launch(ptx, name, arguments, memory, blocks=3, threads=8):
    for block in range(blocks):
        for thread in range(threads):
            special = {"%tid.x": thread, "%ntid.x": threads, "%ctaid.x": block, "%nctaid.x": blocks}
            run_thread(ptx, name, arguments, memory, special)


def test_the_sum_that_the_text_computes_is_that_of_the_c(kernels):
    words = [(i * 0x9E3779B97F4A7C15 + 12345) & MASKS["u64"] for i in range(COUNT)]
    memory = Memory({0x1000 + 8 * i: word for i, word in enumerate(words)} | {0x800: 0})
    launch(text_of(kernels, "vs_proof_ptx"), text_of(kernels, "vs_proof_sum_name"), (0x1000, COUNT, 0x800), memory)
    assert memory.words[0x800] == kernels.vs_proof_sum((ctypes.c_uint64 * COUNT)(*words), ctypes.c_size_t(COUNT))


def test_the_words_that_the_text_writes_are_those_of_the_c(kernels):
    memory = Memory({0x1000 + 8 * i: 0 for i in range(COUNT)})
    launch(text_of(kernels, "vs_proof_ptx"), text_of(kernels, "vs_proof_fill_name"), (0x1000, COUNT, 2**40 + 7), memory)
    expected = (ctypes.c_uint64 * COUNT)()
    kernels.vs_proof_fill(expected, ctypes.c_size_t(COUNT), ctypes.c_uint64(2**40 + 7))
    assert [memory.words[0x1000 + 8 * i] for i in range(COUNT)] == list(expected)


def test_a_word_that_changes_or_moves_changes_the_sum(kernels):
    words = (ctypes.c_uint64 * COUNT)()
    kernels.vs_proof_fill(words, ctypes.c_size_t(COUNT), ctypes.c_uint64(1))
    right = kernels.vs_proof_sum(words, ctypes.c_size_t(COUNT))
    for place in (0, COUNT // 2, COUNT - 1):
        for bit in (0, 31, 63):
            words[place] ^= 1 << bit
            assert kernels.vs_proof_sum(words, ctypes.c_size_t(COUNT)) != right
            words[place] ^= 1 << bit
    words[3], words[4] = words[4], words[3]
    assert kernels.vs_proof_sum(words, ctypes.c_size_t(COUNT)) != right


@pytest.mark.parametrize("architecture", ["sm_75", "sm_86", "sm_89", "sm_90", "sm_120"])
def test_the_text_is_taken_for_every_architecture(kernels, tmp_path, architecture):
    wheel = pathlib.Path(sysconfig.get_paths()["purelib"]) / "torch/bin/ptxas"
    assembler = str(wheel) if wheel.exists() else shutil.which("ptxas")
    if assembler is None:
        pytest.skip("no ptxas, neither PyTorch's nor a toolkit's")
    listed = subprocess.run([assembler, "--help"], capture_output=True, text=True, check=True).stdout
    if f"'{architecture}'" not in listed:
        pytest.skip("not known to this ptxas")
    (tmp_path / "kernels.ptx").write_text(text_of(kernels, "vs_proof_ptx"))
    done = subprocess.run([assembler, f"-arch={architecture}", "-o", tmp_path / "out", tmp_path / "kernels.ptx"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
