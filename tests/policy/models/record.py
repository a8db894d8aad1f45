"""Writes the model files of this folder with the real packages, and beside each, as FILE.txt, what the packages' own
readers say is in it: a line `name dtype shape offset bytes` for each tensor, by name; first, `architecture NAME` where
the format has it.

    pip install numpy torch safetensors==0.8.0 gguf==0.19.0
    python tests/policy/models/record.py

The tests read both; they need neither package.
"""
import json
import struct
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(1)


def write_listing(path, lines, architecture=None):
    first = [f"architecture {architecture}"] if architecture else []
    path.with_name(path.name + ".txt").write_text("\n".join(first + sorted(lines)) + "\n")


def line(name, dtype, shape, offset, size):
    return f"{name} {dtype} [{','.join(str(int(n)) for n in shape)}] {int(offset)} {int(size)}"


# --- safetensors ---


def list_safetensors(path):
    """The sizes come from the tensors that the package loads; the places from the header, which it does not tell."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    lines = []
    with safe_open(path, "numpy") as file:
        for name in file.keys():
            array = file.get_tensor(name)
            begin, _ = header[name]["data_offsets"]
            assert raw[8 + length + begin :][: array.nbytes] == array.tobytes()
            lines.append(line(name, header[name]["dtype"], array.shape, 8 + length + begin, array.nbytes))
    return lines


def safetensors_file(path, tensors, **arguments):
    save_file(tensors, path, **arguments)
    path.chmod(0o644)
    write_listing(path, list_safetensors(path))


def torch_types_file(path):
    """Types that numpy lacks: sizes as PyTorch has them, places from the header."""
    types = [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
             torch.float8_e8m0fnu, torch.float4_e2m1fn_x2]
    tensors = {f"t.{dtype}": torch.zeros((4, 6), dtype=torch.uint8).view(dtype) for dtype in types}
    save_torch_file(tensors, path)
    path.chmod(0o644)
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    write_listing(path, [line(name, header[name]["dtype"], header[name]["shape"],
                              8 + length + header[name]["data_offsets"][0], tensor.nbytes)
                         for name, tensor in tensors.items()])


def random_array(dtype, shape):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = RANDOM.integers(0, 2 if dtype == np.bool_ else 256, size, dtype=np.uint8)
    return raw.view(dtype).reshape(shape)


def record_safetensors():
    types = [np.bool_, np.uint8, np.int8, np.int16, np.uint16, np.float16, np.int32, np.uint32, np.float32]
    types += [np.int64, np.uint64, np.float64, np.complex64]
    tensors = {f"t.{np.dtype(dtype).name}": random_array(dtype, (3, 2)) for dtype in types}
    tensors["scalar"] = random_array(np.float32, ())
    tensors["empty"] = np.zeros((0, 7), np.float16)
    tensors["name \\ with \"quotes\", ä and 漢"] = random_array(np.uint8, (5,))
    safetensors_file(HERE / "types.safetensors", tensors, metadata={"format": "pt", "note": "a \"b\" {[,"})

    torch_types_file(HERE / "torch-types.safetensors")

    checkpoint = {
        "model.diffusion_model.input_blocks.0.0.weight": random_array(np.float16, (4, 4, 3, 3)),
        "model.diffusion_model.out.2.bias": random_array(np.float16, (4,)),
        "first_stage_model.decoder.conv_in.weight": random_array(np.float16, (4, 4, 3, 3)),
        "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight": random_array(np.float16, (8,)),
        "conditioner.embedders.1.model.ln_final.weight": random_array(np.float16, (16,)),
        "denoiser.sigmas": random_array(np.float32, (10,)),
    }
    safetensors_file(HERE / "checkpoint.safetensors", checkpoint)

    # As huggingface_hub's split_torch_state_dict writes it: names, and an index with the total size.
    parts = [{"a.weight": random_array(np.float16, (4, 4)), "a.bias": random_array(np.float16, (4,))},
             {"b.weight": random_array(np.float32, (2, 4))}]
    weight_map, lines, total = {}, [], 0
    for number, part in enumerate(parts, 1):
        path = HERE / f"shards-{number:05}-of-{len(parts):05}.safetensors"
        save_file(part, path, metadata={"format": "pt"})
        path.chmod(0o644)
        lines += list_safetensors(path)
        weight_map |= {name: path.name for name in part}
        total += sum(array.nbytes for array in part.values())
    index = HERE / "shards.safetensors.index.json"
    content = {"metadata": {"total_size": total}, "weight_map": weight_map}
    index.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    write_listing(index, lines)

    # A header alone, as people save it to look at: offsets count from the data's beginning.
    raw = (HERE / "checkpoint.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    bare = HERE / "checkpoint-header.json"
    bare.write_text(json.dumps(header, indent=1) + "\n")
    write_listing(bare, [line(name, entry["dtype"], entry["shape"], entry["data_offsets"][0],
                              entry["data_offsets"][1] - entry["data_offsets"][0]) for name, entry in header.items()
                         if name != "__metadata__"])


# --- GGUF ---


def list_gguf(path):
    """As PyTorch would have the shapes: the reader's are the file's, which begin with the innermost dimension."""
    reader = gguf.GGUFReader(path)
    lines = []
    for tensor in reader.tensors:
        shape = [int(n) for n in tensor.shape][::-1]
        folded = reader.get_field(f"comfy.gguf.orig_shape.{tensor.name}")
        if folded is not None:
            shape = [int(folded.parts[part][0]) for part in folded.data]
        lines.append(line(tensor.name, tensor.tensor_type.name, shape, tensor.data_offset, tensor.n_bytes))
    return lines


def gguf_file(path, architecture, fill, **arguments):
    writer = gguf.GGUFWriter(path, architecture, **arguments)
    fill(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if arguments.get("endianess") != gguf.GGUFEndian.BIG:  # which is refused
        write_listing(path, list_gguf(path), architecture)


def every_type(writer):
    writer.add_string("general.name", "every type")
    writer.add_array("tokenizer.ggml.tokens", ["a", "", "bcd"])
    writer.add_array("tokenizer.ggml.scores", [0.5, 1.5])
    for key, add in [("u8", writer.add_uint8), ("i8", writer.add_int8), ("u16", writer.add_uint16),
                     ("i16", writer.add_int16), ("u32", writer.add_uint32), ("i32", writer.add_int32),
                     ("u64", writer.add_uint64), ("i64", writer.add_int64), ("f32", writer.add_float32),
                     ("f64", writer.add_float64), ("bool", writer.add_bool)]:
        add(f"test.{key}", 1)
    for kind, (_, size) in gguf.GGML_QUANT_SIZES.items():
        if kind == gguf.GGMLQuantizationType.Q8_1:
            continue  # the package still has the size of 2023 (40); ggml's block_q8_1 has 36 bytes. No file holds it.
        data = RANDOM.integers(0, 256, (3, 2 * size), dtype=np.uint8)
        writer.add_tensor(f"t.{kind.name}", data, raw_dtype=kind)


def folded_shapes(writer):
    writer.add_custom_alignment(64)
    writer.add_array("comfy.gguf.orig_shape.conv.weight", (16, 16, 3, 3))
    writer.add_array("comfy.gguf.orig_shape.of.nothing", (1,))
    q8 = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("conv.weight", RANDOM.integers(0, 256, (9, 272), dtype=np.uint8), raw_dtype=q8)
    writer.add_tensor("five.dimensions", np.zeros((2, 1, 1, 2, 2), np.float32))
    writer.add_tensor("one", np.zeros((1,), np.float32))


def record_gguf():
    gguf_file(HERE / "types.gguf", "flux", every_type)
    gguf_file(HERE / "folded.gguf", "sdxl", folded_shapes)
    raw = bytearray((HERE / "folded.gguf").read_bytes())
    raw[4:8] = struct.pack("<I", 2)  # version 2 is laid out as version 3
    (HERE / "version2.gguf").write_bytes(raw)
    write_listing(HERE / "version2.gguf", list_gguf(HERE / "version2.gguf"), "sdxl")
    gguf_file(HERE / "big-endian.gguf", "flux", lambda writer: writer.add_tensor("one", np.ones((1,), np.float32)),
              endianess=gguf.GGUFEndian.BIG)


if __name__ == "__main__":
    record_safetensors()
    record_gguf()
