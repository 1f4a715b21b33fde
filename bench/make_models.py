#!/usr/bin/python3
"""Writes the safetensors files of the files suite: make_models.py decoder|decoder-quarter|small OUT

decoder: the shapes of a decoder with 1.1 billion parameters (22 layers, hidden 2048, 4 key-value heads of 64,
MLP 5632, vocabulary 32000) in bfloat16, 2.2 GB. Even layers and the output head have the power-law spectrum of
trained weights, sigma_i = i^-1/2; odd layers and the embedding are Gaussian, the hardest case for an iteration.
decoder-quarter: 6 of these layers and a quarter of the vocabulary. small: 1 MB of float32.
"""
import json
import os
import shutil
import struct
import sys

import numpy as np

HIDDEN, KEY_VALUE, MLP = 2048, 256, 5632


def decoder(layers, vocabulary):
    yield "model.embed_tokens.weight", (vocabulary, HIDDEN), "gaussian"
    for layer in range(layers):
        kind = "power-law" if layer % 2 == 0 else "gaussian"
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", (HIDDEN,), "ones"
        yield prefix + "self_attn.q_proj.weight", (HIDDEN, HIDDEN), kind
        yield prefix + "self_attn.k_proj.weight", (KEY_VALUE, HIDDEN), kind
        yield prefix + "self_attn.v_proj.weight", (KEY_VALUE, HIDDEN), kind
        yield prefix + "self_attn.o_proj.weight", (HIDDEN, HIDDEN), kind
        yield prefix + "post_attention_layernorm.weight", (HIDDEN,), "ones"
        yield prefix + "mlp.gate_proj.weight", (MLP, HIDDEN), kind
        yield prefix + "mlp.up_proj.weight", (MLP, HIDDEN), kind
        yield prefix + "mlp.down_proj.weight", (HIDDEN, MLP), kind
    yield "model.norm.weight", (HIDDEN,), "ones"
    yield "lm_head.weight", (vocabulary, HIDDEN), "power-law"


def small():
    yield "fc1.weight", (384, 512), "gaussian"
    yield "fc1.bias", (384,), "ones"
    yield "fc2.weight", (128, 384), "power-law"
    yield "fc2.bias", (128,), "ones"
    yield "head.weight", (10, 128), "gaussian"


MODELS = {
    "decoder": ("BF16", lambda: decoder(22, 32000)),
    "decoder-quarter": ("BF16", lambda: decoder(6, 8000)),
    "small": ("F32", small),
}


def make(shape, kind, rng):
    if kind == "ones":
        return np.ones(shape, np.float32)
    if kind == "gaussian":
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
    # U diag(i^-1/2) V^T with U, V products of Householder reflections: quick to make, exact spectrum.
    rows, cols = shape
    short = min(shape)
    a = np.zeros(shape, np.float32)
    a[np.arange(short), np.arange(short)] = np.arange(1, short + 1, dtype=np.float32) ** -0.5
    for _ in range(2):
        u = rng.standard_normal(rows, dtype=np.float32)
        u /= np.linalg.norm(u)
        a -= np.outer(2 * u, u @ a)
        v = rng.standard_normal(cols, dtype=np.float32)
        v /= np.linalg.norm(v)
        a -= np.outer(a @ v, 2 * v)
    return a


def stored(values, dtype):
    if dtype == "F32":
        return values
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # to nearest, ties to even


def main(model, path):
    dtype, tensors = MODELS[model]
    width = {"BF16": 2, "F32": 4}[dtype]
    header, offset = {}, 0
    for name, shape, _ in tensors():
        size = int(np.prod(shape)) * width
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < offset + 2**30:
        sys.exit(f"make_models: {path} needs {offset} bytes and 1 GiB to spare; {folder} has {free} free")
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(7)
    partial = path + ".partial"
    with open(partial, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape, kind in tensors():
            stored(make(shape, kind, rng), dtype).tofile(file)
    os.replace(partial, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
