#!/usr/bin/python3
"""Writes ../fixtures/train/optimizers.json: parameters that torch's optimisers reach, and the rates of its schedulers.

    apt-get install python3-numpy python3-torch
    /usr/bin/python3 test/oracles/torch_optimizers.py

In float64, so that the fixture's own rounding does not count. The gradient of step k is CURVATURE times the parameters plus
noise, both drawn by `integers` of make_oracles.py, whose twin is generator.ts: what an optimiser does comes back to it.
"""
import json
import os

import torch

from make_oracles import integers

SHAPES = {"weight": [3, 4], "bias": [3]}
STEPS = 50
RECORDED = [1, 2, 5, 10, 20, 50]
CURVATURE = 0.5


def draw(seed, shape):
    count = torch.Size(shape).numel()
    return torch.tensor(integers(seed, count, 127) / 64.0, dtype=torch.float64).reshape(shape)


def parameters():
    return [torch.nn.Parameter(draw(i + 1, shape)) for i, shape in enumerate(SHAPES.values())]


def run(make, clip=None):
    params = parameters()
    optimizer = make(params)
    recorded = {}
    for step in range(STEPS):
        for i, p in enumerate(params):
            p.grad = CURVATURE * p.detach() + draw(100 + 10 * step + i, p.shape)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(params, clip)
        optimizer.step()
        if step + 1 in RECORDED:
            recorded[step + 1] = [p.detach().flatten().tolist() for p in params]
    return recorded


def rates(make):
    optimizer = torch.optim.SGD(parameters(), lr=0.3)
    scheduler = make(optimizer)
    seen = []
    for _ in range(STEPS):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
    "sgd momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "sgd momentum weightDecay": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1),
    "sgd nesterov weightDecay": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsProp": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "rmsProp decay epsilon": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-3),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam betas epsilon": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.9), eps=1e-3),
    "adam beta1 0": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, 0.9)),
    "adamW": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}

SCHEDULERS = {
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.01),
    "stepDecay": lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=7, gamma=0.4),
    "exponentialDecay": lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.9),
    "warmup": lambda o: torch.optim.lr_scheduler.LinearLR(o, start_factor=1 / 10, total_iters=9),
}


def main():
    document = {
        "torch": torch.__version__,
        "shapes": SHAPES,
        "steps": STEPS,
        "curvature": CURVATURE,
        "parameters": {name: run(make) for name, make in OPTIMIZERS.items()},
        "rates": {name: rates(make) for name, make in SCHEDULERS.items()},
    }
    document["parameters"]["clipped to 2"] = run(OPTIMIZERS["sgd momentum"], clip=2.0)
    path = os.path.join(os.path.dirname(__file__), "../fixtures/train/optimizers.json")
    with open(path, "w") as file:
        json.dump(document, file)
        file.write("\n")


if __name__ == "__main__":
    main()
