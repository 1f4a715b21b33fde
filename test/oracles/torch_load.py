#!/usr/bin/python3
"""Loads exported weights into the equivalent torch module and prints its outputs, as JSON.

    apt-get install python3-torch python3-numpy
    /usr/bin/python3 test/oracles/torch_load.py < request.json

The request on stdin: {"file": a .safetensors file, "module": a description, "inputs": [{"shape", "data", "ids"}, …]}. A
description is {"class", "arguments", "options", "children"}: a class of torch.nn, or one of those below. Weights are loaded
with strict=True, so that every name must be there and none may be left over. The file is read here by the format's
description, because Debian has no safetensors package.
"""
import json
import struct
import sys

import numpy as np
import torch
from torch import nn


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Parallel(nn.Sequential):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self], 1)


class GroupSort(nn.Module):
    """Group i of n/size holds channels i, i + n/size, …; the largest goes first."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        groups = x.reshape(x.shape[0], self.size, x.shape[1] // self.size, *x.shape[2:])
        return groups.sort(1, descending=True).values.reshape(x.shape)


def recurrent(cell):
    class Layer(cell):
        def __init__(self, *arguments, returns="sequence", **options):
            super().__init__(*arguments, batch_first=True, **options)
            self.returns = returns

        def forward(self, x):
            states = super().forward(x)[0]
            return states[:, -1] if self.returns == "last" else states

    return Layer


OURS = {
    "Residual": Residual,
    "Parallel": Parallel,
    "GroupSort": GroupSort,
    "RNN": recurrent(nn.RNN),
    "GRU": recurrent(nn.GRU),
    "LSTM": recurrent(nn.LSTM),
}


def build(description):
    name = description["class"]
    children = [build(child) for child in description.get("children", [])]
    made = OURS.get(name) or getattr(nn, name)
    return made(*children, *description.get("arguments", []), **description.get("options", {}))


def read_safetensors(path):
    with open(path, "rb") as file:
        contents = file.read()
    (length,) = struct.unpack("<Q", contents[:8])
    header = json.loads(contents[8 : 8 + length])
    metadata = header.pop("__metadata__")
    if metadata["format"] != "pt":
        sys.exit(f"metadata names the format {metadata['format']}, not pt")
    tensors = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        numbers = np.frombuffer(contents[8 + length + begin : 8 + length + end], dtype={"F32": "<f4"}[about["dtype"]])
        tensors[name] = torch.tensor(numbers.reshape(about["shape"]).copy())
    return tensors


def main():
    request = json.load(sys.stdin)
    module = build(request["module"])
    module.load_state_dict(read_safetensors(request["file"]), strict=True)
    module.eval()
    outputs = []
    with torch.no_grad():
        for given in request["inputs"]:
            x = torch.tensor(given["data"], dtype=torch.int64 if given["ids"] else torch.float32)
            y = module(x.reshape(given["shape"]))
            outputs.append({"shape": list(y.shape), "data": y.double().flatten().tolist()})
    json.dump(outputs, sys.stdout)


main()
