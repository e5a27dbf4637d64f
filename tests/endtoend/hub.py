"""A small model as the hub lays them out: config.json, tokenizer.json, two shards of random
weights and their index."""

import json
import random
import struct

E, D, S, R, LAYERS, ROWS = 64, 128, 4, 8, 2, 300

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
              "use_regex": True}


def alphabet():
    """GPT-2's characters for the 256 bytes."""
    following = 0x100
    for byte in range(256):
        if 0x20 < byte < 0x7F or byte > 0xA0 and byte != 0xAD:
            yield chr(byte)
        else:
            yield chr(following)
            following += 1


def tokenizer():
    vocabulary = {text: i for i, text in enumerate(alphabet())}
    vocabulary.update({"he": 256, "th": 257, "in": 258})
    return {"added_tokens": [{"id": 260, "content": "<|endoftext|>", "special": True}],
            "normalizer": None, "pre_tokenizer": BYTE_LEVEL,
            "model": {"type": "BPE", "vocab": vocabulary,
                      "merges": ["h e", ["t", "h"], "i n"]}}


def tensors(embedding="embeddings"):
    """Names and shapes, in the order of the file."""
    yield "backbone.%s.weight" % embedding, [ROWS, E]
    for i in range(LAYERS):
        for name, shape in (("norm.weight", [E]), ("mixer.in_proj.weight", [2 * D, E]),
                            ("mixer.conv1d.weight", [D, 1, 4]), ("mixer.conv1d.bias", [D]),
                            ("mixer.x_proj.weight", [R + 2 * S, D]),
                            ("mixer.dt_proj.weight", [D, R]), ("mixer.dt_proj.bias", [D]),
                            ("mixer.A_log", [D, S]), ("mixer.D", [D]),
                            ("mixer.out_proj.weight", [E, D])):
            yield "backbone.layers.%d.%s" % (i, name), shape
    yield "backbone.norm_f.weight", [E]


def safetensors(entries):
    """The bytes of a file; entries: name -> (shape, floats)."""
    header, data = {}, b""
    for name, (shape, floats) in entries.items():
        packed = struct.pack("<%df" % len(floats), *floats)
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    return with_header(json.dumps(header).encode(), data)


def with_header(header, data=b""):
    return struct.pack("<Q", len(header)) + header + data


def weights(shape, dice):
    count = 1
    for side in shape:
        count *= side
    return [dice.gauss(0, 0.3) for _ in range(count)]


def small_entries():
    dice = random.Random(7)
    return {name: (shape, weights(shape, dice)) for name, shape in tensors()}


def small_config():
    return {"model_type": "falcon_mamba", "num_hidden_layers": LAYERS, "expand": 16,
            "vocab_size": 3, "eos_token_id": 260}


def put(folder, name, content):
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    (folder / name).write_bytes(content)


def put_shards(folder, entries):
    names = list(entries)
    parts = {"model-1.safetensors": names[:9], "model-2.safetensors": names[9:]}
    for file, held in parts.items():
        put(folder, file, safetensors({name: entries[name] for name in held}))
    put(folder, "model.safetensors.index.json",
        {"weight_map": {name: file for file, held in parts.items() for name in held}})


def put_model(folder):
    folder.mkdir()
    put(folder, "config.json", small_config())
    put(folder, "tokenizer.json", tokenizer())
    put_shards(folder, small_entries())
