#!/usr/bin/python3
"""The peer of `lipschitz audit NETWORK.onnx`: what people script today, on a folder that the bench exported.

usage: networks_audit.py FOLDER

FOLDER holds network.json and the arrays it names, each in NAME.npy:
    {"input": [1, 1, 28, 28], "chain": true, "steps": [STEP, ...]}, where a STEP is one of
    {"op": "dense", "weight": NAME, "transposed": bool, "bias": NAME or null}
    {"op": "conv", "weight": NAME, "bias": NAME or null, "inputShape": [c, h, w], "strides": [..], "padding":
     [[top, bottom], [left, right]], "dilations": [..], "groups": n}
    {"op": "shift", "by": NAME, "sign": 1 or -1}, {"op": "maxpool", "kernel": [..], "strides": [..]},
    {"op": "relu"}, {"op": "flatten"}
"chain" says that each step reads the one before, so that the network can be run; else only its weights are here.

Prints one JSON object: the norm of every layer, their product, and the largest Jacobian norm at ten random inputs.
A convolution's norm comes from a power iteration and is a value from below, so the product is no proved bound.
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

ITERATIONS = 100
POINTS = 10

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
torch.manual_seed(1)

folder = sys.argv[1]
with open(os.path.join(folder, "network.json")) as file:
    network = json.load(file)


def load(name):
    return torch.from_numpy(np.load(os.path.join(folder, f"{name}.npy")))


def matrix(step):
    weight = load(step["weight"])
    return weight.T if step["transposed"] else weight


def pad(step):
    """The amounts as F.pad takes them: the last axis first."""
    return [amount for axis in reversed(step["padding"]) for amount in axis]


def conv_norm(step):
    """Power iteration on the zero-padded, strided convolution at its real input size."""
    weight = load(step["weight"])
    geometry = {"stride": step["strides"], "dilation": step["dilations"], "groups": step["groups"]}
    (top, bottom), (left, right) = step["padding"]
    x = torch.randn(1, *step["inputShape"])
    height, width = x.shape[2:]
    for _ in range(ITERATIONS):
        x = x / x.norm()
        padded = F.pad(x, pad(step))
        y = F.conv2d(padded, weight, **geometry)
        norm = y.norm()
        # Rows and columns at the end that no window reaches.
        rest = [
            padded.shape[2 + i]
            - (y.shape[2 + i] - 1) * step["strides"][i]
            - (weight.shape[2 + i] - 1) * step["dilations"][i]
            - 1
            for i in range(2)
        ]
        x = F.conv_transpose2d(y, weight, output_padding=rest, **geometry)
        x = x[:, :, top : top + height, left : left + width]
    return float(norm)


def layer_norms():
    norms = []
    for step in network["steps"]:
        if step["op"] == "dense":
            norms.append(float(torch.linalg.matrix_norm(matrix(step), 2)))
        if step["op"] == "conv":
            norms.append(conv_norm(step))
    return norms


def make_layer(step):
    """One step as a function."""
    if step["op"] == "dense":
        weight = matrix(step)
        bias = load(step["bias"]) if step["bias"] else None
        return lambda x: F.linear(x, weight, bias)
    if step["op"] == "conv":
        kernel = load(step["weight"])
        bias = load(step["bias"]) if step["bias"] else None
        geometry = {"stride": step["strides"], "dilation": step["dilations"], "groups": step["groups"]}
        return lambda x: F.conv2d(F.pad(x, pad(step)), kernel, bias, **geometry)
    if step["op"] == "shift":
        by = step["sign"] * load(step["by"])
        return lambda x: x + by
    if step["op"] == "maxpool":
        return lambda x: F.max_pool2d(x, step["kernel"], step["strides"])
    if step["op"] == "flatten":
        return lambda x: x.flatten(1)
    return F.relu


def steepest_seen():
    """The largest Jacobian norm at random inputs: a value from below of the Lipschitz constant."""
    layers = [make_layer(step) for step in network["steps"]]

    def run(x):
        for layer in layers:
            x = layer(x)
        return x.flatten()

    seen = 0.0
    for _ in range(POINTS):
        jacobian = torch.autograd.functional.jacobian(run, torch.rand(network["input"]))
        seen = max(seen, float(torch.linalg.matrix_norm(jacobian.flatten(1), 2)))
    return seen


norms = layer_norms()
answer = {
    "norms": norms,
    "product": float(np.prod(norms)),
    "seen": steepest_seen() if network["chain"] else None,
    "torch": torch.__version__,
    "numpy": np.__version__,
}
print(json.dumps(answer))
