#!/usr/bin/python3
"""The torch peer of the train suite: whole training steps, asked by JSON lines on stdin, answering on stdout.

Eager torch as its users write it, with what makes it fastest on a CPU: Adam by `foreach`, gradients set to None,
the input built once. Weights and data come from the same hash as on the other sides, so that losses can be compared.
"""
import json
import os
import resource
import statistics
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
torch.set_num_threads(THREADS)
runs = {}

FEATURES, UNITS, CLASSES = 10, 128, 10


def noise(shape, stream, bound=1.0):
    """Uniform in [-bound, bound): the murmur3 finaliser of the flat index, as in train-data.mjs."""
    h = np.arange(int(np.prod(shape)), dtype=np.uint32) + np.uint32((stream * 0x9E3779B9) % 2**32)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    unit = (h >> np.uint32(8)).astype(np.float64) / 2**24
    return torch.from_numpy(((2 * unit - 1) * bound).astype(np.float32).reshape(shape))


class Elman(nn.Module):
    """tanh cells over [time, batch, features], a linear layer on the last state."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(FEATURES, UNITS)
        self.out = nn.Linear(UNITS, CLASSES)

    def forward(self, x):
        # A parametrized weight never reaches the list that the fused kernel reads (pytorch#39311), unless put there.
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        self.rnn._flat_weights = [getattr(self.rnn, name) for name in names]
        return self.out(self.rnn(x)[0][-1])


def mlp():
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, CLASSES)
    )


def critic():
    return nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(64, 128, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(128 * 7 * 7, 1),
    )


def hinge(scores, sides):
    return torch.relu(1 - sides * scores[:, 0]).mean()


def classes(batch):
    return torch.arange(batch) % CLASSES


def sides(batch):
    return 1 - 2 * (torch.arange(batch, dtype=torch.float32) % 2)


MODELS = {
    "mlp": (mlp, nn.functional.cross_entropy, classes, lambda batch, time: (batch, 784)),
    "critic": (critic, hinge, sides, lambda batch, time: (batch, 1, 28, 28)),
    "elman": (Elman, nn.functional.cross_entropy, classes, lambda batch, time: (time, batch, FEATURES)),
}


def set_parameters(net):
    """Weights in torch's own range, ±1/√(fan in); biases zero."""
    with torch.no_grad():
        for stream, parameter in enumerate(p for p in net.parameters() if p.dim() > 1):
            parameter.copy_(noise(parameter.shape, stream, parameter[0].numel() ** -0.5))
        for parameter in net.parameters():
            if parameter.dim() == 1:
                parameter.zero_()


def control_weights(net):
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            spectral_norm(module)
        elif isinstance(module, nn.RNN):
            spectral_norm(module, "weight_ih_l0")
            spectral_norm(module, "weight_hh_l0")


def prepare(key, model, batch, spectral, time=0):
    build, loss, targets, shape = MODELS[model]
    net = build()
    set_parameters(net)
    if spectral:
        control_weights(net)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, foreach=True)
    x, y = noise(shape(batch, time), 100), targets(batch)

    def step():
        optimiser.zero_grad(set_to_none=True)
        value = loss(net(x), y)
        value.backward()
        optimiser.step()
        return value

    runs[key] = step
    return {}


def steps(key, count):
    step = runs[key]
    losses = []
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        losses.append(step().item())
        seconds.append(time.perf_counter() - start)
    # The median, as on the other sides: now and then a thread is stopped for many steps' time, and the others wait.
    return {"seconds": statistics.median(seconds), "losses": losses}


def memory():
    with open("/proc/self/statm") as statm:
        return {"bytes": int(statm.read().split()[1]) * resource.getpagesize()}


def release(key):
    runs.pop(key, None)
    return {}


def hello():
    return {"torch": torch.__version__, "numpy": np.__version__, "threads": torch.get_num_threads()}


OPERATIONS = {f.__name__: f for f in (hello, prepare, steps, memory, release)}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = OPERATIONS[request.pop("op")](**request)
    except Exception as error:  # reported to the bench, which stops
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
