#!/usr/bin/python3
"""The torch side of `node bench/comparison.mjs`, asked by JSON lines on stdin, answering on stdout.

Draws weights, writes them to a file in float32 so that both sides hold the same numbers, and says what torch's spectral
normalisation takes for their norm after so many steps. Everything after the draw is float64.
"""
import json
import sys
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse.linalg import LinearOperator, svds
from torch.nn.utils import parametrizations, parametrize, spectral_norm

torch.set_num_threads(1)
warnings.filterwarnings("ignore", module="torch")
store = {}

SEEDS = range(5)
CONVERGED = 2000


def hello():
    return {"torch": torch.__version__, "numpy": np.__version__, "seeds": len(SEEDS)}


def keep(key, path, weight):
    """Rounds to float32, which is what is stored and compared."""
    weight = weight.astype(np.float32)
    np.ascontiguousarray(weight).tofile(path)
    store[key] = torch.from_numpy(weight).double()
    return {"shape": list(weight.shape)}


def conv_default(key, path, shape, groups, seed):
    """torch.nn.Conv2d as it is initialised."""
    torch.manual_seed(seed)
    layer = torch.nn.Conv2d(shape[1] * groups, shape[0], shape[2:], groups=groups, bias=False)
    return keep(key, path, layer.weight.detach().numpy())


def conv_orthogonal(key, path, shape, seed):
    """torch.nn.utils.parametrizations.orthogonal on such a layer: the weight that the layer uses."""
    torch.manual_seed(seed)
    layer = parametrizations.orthogonal(torch.nn.Conv2d(shape[1], shape[0], shape[2:], bias=False))
    return keep(key, path, layer.weight.detach().numpy())


def conv_file(key, path, source, shape):
    """A kernel that the other side took out of a model file."""
    return keep(key, path, np.fromfile(source, dtype=np.float32).reshape(shape))


def ones(key, path, shape):
    return keep(key, path, np.ones(shape))


def gaussian(key, path, n, seed):
    return keep(key, path, np.random.default_rng(seed).standard_normal((n, n)))


def spectrum(key, path, n, kind, seed):
    """Given singular values between two random orthogonal matrices."""
    i = np.arange(1, n + 1)
    values = {"linear": 1 - (i - 1) / n, "decaying": i**-0.5}[kind]
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.standard_normal((n, n)))
    right, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return keep(key, path, (left * values) @ right)


def module_of(weight):
    """A module that holds the weight, in float64."""
    out, inputs, *size = weight.shape
    layer = torch.nn.Conv2d(inputs, out, size, bias=False) if size else torch.nn.Linear(inputs, out, bias=False)
    layer.double()
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


def divisor(weight, normalised):
    """What a layer divided its weight by."""
    return float(weight.norm() / normalised.norm())


def after_passes(weight, passes, seed):
    """torch.nn.utils.spectral_norm: one step in each forward pass in training mode, from a random start."""
    torch.manual_seed(seed)
    layer = spectral_norm(module_of(weight))
    x = torch.zeros(1, *weight.shape[1:], dtype=torch.float64)
    for _ in range(passes):
        layer(x)
    return divisor(weight, layer.weight.detach())


def when_made(weight, seed):
    """parametrizations.spectral_norm: 15 steps when it is registered; evaluated without another."""
    torch.manual_seed(seed)
    return divisor(weight, parametrizations.spectral_norm(module_of(weight)).eval().weight.detach())


def range_over_seeds(estimate):
    values = [estimate(seed) for seed in SEEDS]
    return {"least": min(values), "most": max(values)}


def reshaped(key):
    """torch's estimates of the kernel as a matrix, and that matrix's norm by float64 SVD."""
    weight = store[key]
    return {
        "one": range_over_seeds(lambda seed: after_passes(weight, 1, seed)),
        "ten": range_over_seeds(lambda seed: after_passes(weight, 10, seed)),
        "made": range_over_seeds(lambda seed: when_made(weight, seed)),
        "hundred": range_over_seeds(lambda seed: after_passes(weight, 100, seed)),
        "converged": after_passes(weight, CONVERGED, 0),
        "svd": float(np.linalg.svd(weight.flatten(1).numpy(), compute_uv=False)[0]),
        "single": float(torch.linalg.matrix_norm(weight.flatten(1).float(), 2)),
    }


def maps_of(weight, size, stride, padding, groups):
    """The convolution and its adjoint, as torch runs them."""
    shape = (1, weight.shape[1] * groups, *size)
    geometry = {"stride": stride, "padding": padding, "groups": groups}

    def forward(x):
        return F.conv2d(x.reshape(shape), weight, **geometry)

    out = forward(torch.zeros(shape, dtype=torch.float64)).shape
    rest = [shape[i] - ((out[i] - 1) * stride[i - 2] - 2 * padding[i - 2] + weight.shape[i]) for i in (2, 3)]

    def adjoint(y):
        return F.conv_transpose2d(y.reshape(out), weight, output_padding=rest, **geometry)

    return forward, adjoint, shape, out


def operator(key, size, stride, padding, groups):
    """Norms of the convolution itself: power iteration with conv2d and conv_transpose2d, and ARPACK on the same two."""
    weight = store[key]
    forward, adjoint, shape, out = maps_of(weight, size, stride, padding, groups)

    def power(steps, seed):
        x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for _ in range(steps):
            x = adjoint(forward(x))
            x = x / x.norm()
        return float(forward(x).norm())

    flat = LinearOperator(
        (int(np.prod(out)), int(np.prod(shape))),
        matvec=lambda x: forward(torch.from_numpy(np.ravel(x))).flatten().numpy(),
        rmatvec=lambda y: adjoint(torch.from_numpy(np.ravel(y))).flatten().numpy(),
        dtype=np.float64,
    )
    start = np.random.default_rng(0).standard_normal(min(flat.shape))
    return {
        "ten": range_over_seeds(lambda seed: power(10, seed)),
        "arpack": float(svds(flat, k=1, v0=start, return_singular_vectors=False)[0]),
    }


def exported(path, how):
    """torch.onnx.export of an untrained 8-16-3 network with spectral normalisation on both layers, in evaluation mode."""
    torch.manual_seed(0)
    apply = spectral_norm if how == "utils" else parametrizations.spectral_norm
    layers = [apply(torch.nn.Linear(8, 16)), torch.nn.ReLU(), apply(torch.nn.Linear(16, 3))]
    net = torch.nn.Sequential(*layers).eval()
    if how == "removed":
        for layer in (net[0], net[2]):
            parametrize.remove_parametrizations(layer, "weight")
    torch.onnx.export(net, torch.zeros(1, 8), path, opset_version=13)
    return {}


OPERATIONS = {
    f.__name__: f
    for f in (
        hello, conv_default, conv_orthogonal, conv_file, ones, gaussian, spectrum, reshaped, operator, exported,
    )
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = OPERATIONS[request.pop("op")](**request)
    except Exception as error:  # reported to the other side, which stops
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
