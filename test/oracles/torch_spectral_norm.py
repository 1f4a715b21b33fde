#!/usr/bin/python3
"""Writes test/fixtures/train/spectral-norm.json: PyTorch's spectral normalisation over 50 steps of gradient descent.

    apt-get install python3-numpy python3-torch
    /usr/bin/python3 test/oracles/torch_spectral_norm.py

torch.nn.utils.parametrizations.spectral_norm on small layers, in float64. Each case holds the start (weight, u, v), the batch
and its target; each record the sigma, the weight divided by it, the loss and the gradient of the raw weight in that step.
"""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm

OUT = os.path.join(os.path.dirname(__file__), "../fixtures/train/spectral-norm.json")
STEPS, RATE = 50, 0.05
RECORDED = (0, 1, 9, 24, 49)
random = np.random.default_rng(20262)


def draw(*shape):
    return torch.tensor(np.round(random.standard_normal(shape), 3), dtype=torch.float64)


def packed(tensor):
    data = [float(f"{v:.9g}") for v in tensor.detach().double().flatten().tolist()]
    return {"shape": list(tensor.shape), "data": data}


def case(layer, arguments, module, x):
    module.double()
    with torch.no_grad():
        module.weight.copy_(draw(*module.weight.shape))
    torch.manual_seed(1)
    spectral_norm(module)
    norm = module.parametrizations.weight[0]
    raw = module.parametrizations.weight.original
    with torch.no_grad():
        # Far from converged, so that every step of the power iteration shows.
        norm._u.copy_(F.normalize(draw(*norm._u.shape), dim=0))
        norm._v.copy_(F.normalize(draw(*norm._v.shape), dim=0))
    start = {"weight": packed(raw), "u": packed(norm._u), "v": packed(norm._v)}
    target = draw(*module.eval()(x).shape)
    module.train()
    records = []
    for step in range(STEPS):
        before = raw.detach().clone()
        with torch.nn.utils.parametrize.cached():
            loss = ((module(x) - target) ** 2).mean()
            normalized = module.weight.detach().clone()
        (gradient,) = torch.autograd.grad(loss, raw)
        if step in RECORDED:
            sigma = before.norm() / normalized.norm()
            records.append({"step": step, "sigma": float(sigma), "loss": float(loss),
                            "weight": packed(normalized), "gradient": packed(gradient)})
        with torch.no_grad():
            raw -= RATE * gradient
    return {"layer": layer, "arguments": arguments, "input": packed(x), "target": packed(target),
            **start, "records": records}


cases = [
    case("linear", [5, {"bias": False}], torch.nn.Linear(7, 5, bias=False), draw(4, 7)),
    case("conv2d", [4, [3, 2], {"strides": [2, 1], "padding": 1, "bias": False}],
         torch.nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=1, bias=False), draw(2, 3, 5, 4)),
    case("convTranspose2d", [4, [3, 2], {"strides": [2, 1], "bias": False}],
         torch.nn.ConvTranspose2d(3, 4, (3, 2), stride=(2, 1), bias=False), draw(2, 3, 3, 3)),
    case("embedding", [6, 4], torch.nn.Embedding(6, 4), torch.tensor(random.integers(0, 6, (5, 3)))),
]
with open(OUT, "w") as file:
    json.dump({"torch": torch.__version__, "steps": STEPS, "rate": RATE, "cases": cases}, file, separators=(",", ":"))
    file.write("\n")
print(os.path.getsize(OUT), "bytes")
