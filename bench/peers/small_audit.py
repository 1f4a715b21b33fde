#!/usr/bin/python3
"""The peer of `lipschitz audit SMALL.safetensors`: the shortest script that prints every matrix norm of a file."""
import json
import sys

import numpy as np
import torch

torch.set_num_threads(2)
with open(sys.argv[1], "rb") as file:
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    data = file.read()
for name, tensor in header.items():
    if name != "__metadata__" and len(tensor["shape"]) > 1:
        begin, end = tensor["data_offsets"]
        weight = torch.from_numpy(np.frombuffer(data[begin:end], dtype=np.float32).copy())
        matrix = weight.reshape(tensor["shape"][0], -1)
        print(name, float(torch.linalg.matrix_norm(matrix, 2)))
