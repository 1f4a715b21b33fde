#!/usr/bin/python3
"""The peer of `lipschitz certify`: certified radii of a chain of dense layers and ReLUs, as people script them today.

usage: networks_certify.py global FOLDER POINTS.npz
       networks_certify.py local FOLDER POINTS.npz EPSILON

FOLDER is what networks_audit.py reads. `global` divides the margin by √2 times the product of the layers' norms.
`local` takes the points one by one: interval bounds over the ball of radius EPSILON, units that are off in all of it
taken out of the layers, and the product of what is left; a radius holds up to EPSILON only.

Prints one JSON object with every radius. Nothing here is rounded outward: values in float32, not proved bounds.
"""
import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

kind, folder, points_file = sys.argv[1:4]
with open(os.path.join(folder, "network.json")) as file:
    network = json.load(file)


def load(name):
    return torch.from_numpy(np.load(os.path.join(folder, f"{name}.npy")))


def load_layers():
    layers = []
    for step in network["steps"]:
        if step["op"] == "dense":
            weight = load(step["weight"])
            layers.append((weight.T if step["transposed"] else weight, load(step["bias"])))
    return layers


def forward(layers, x):
    for weight, bias in layers[:-1]:
        x = F.relu(F.linear(x, weight, bias))
    weight, bias = layers[-1]
    return F.linear(x, weight, bias)


def margins_of(outputs, labels):
    """The label's output minus the largest other one; below zero where the prediction is not the label."""
    rows = torch.arange(len(labels))
    own = outputs[rows, labels]
    others = outputs.clone()
    others[rows, labels] = -math.inf
    return own - others.max(dim=1).values


def norm(weight):
    return float(torch.linalg.matrix_norm(weight, 2)) if weight.numel() > 0 else 0.0


def global_product(layers):
    return math.prod(norm(weight) for weight, _ in layers)


def local_product(layers, x, epsilon):
    """The product of the layers' norms with the units left out that are off everywhere in the ball."""
    weight, bias = layers[0]
    centre = F.linear(x, weight, bias)
    reach = epsilon * weight.norm(dim=1)  # exact over an l2 ball
    lower, upper = centre - reach, centre + reach
    product, columns = 1.0, None
    for next_weight, next_bias in layers[1:]:
        active = upper > 0
        rows = weight[active]
        product *= norm(rows if columns is None else rows[:, columns])
        columns = active
        lower, upper = F.relu(lower), F.relu(upper)
        weight = next_weight
        middle = F.linear((lower + upper) / 2, weight, next_bias)
        reach = F.linear((upper - lower) / 2, weight.abs())
        lower, upper = middle - reach, middle + reach
    return product * norm(weight[:, columns])


layers = load_layers()
with np.load(points_file) as points:
    x = torch.from_numpy(points["x"].reshape(len(points["x"]), -1))
    labels = torch.from_numpy(points["y"].astype(np.int64))

if kind == "global":
    product = global_product(layers)
    margins = margins_of(forward(layers, x), labels)
    radii = (margins.clamp(min=0) / (math.sqrt(2) * product)).tolist()
    answer = {"radii": radii, "product": product}
else:
    epsilon = float(sys.argv[4])
    radii = []
    for i in range(len(x)):
        margin = float(margins_of(forward(layers, x[i : i + 1]), labels[i : i + 1]))
        steepness = math.sqrt(2) * local_product(layers, x[i], epsilon)
        radii.append(min(epsilon, max(margin, 0.0) / steepness) if steepness > 0 else epsilon)
    answer = {"radii": radii}

print(json.dumps(answer))
