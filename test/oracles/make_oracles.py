#!/usr/bin/python3
"""Writes norms.json: singular values by numpy and torch of operators that our tests rebuild from the same recipe.

    apt-get install python3-numpy python3-torch
    /usr/bin/python3 test/oracles/make_oracles.py
    npx biome format --write test/oracles/norms.json

Everything is computed in float64. A convolution is what torch's conv1d/2d/3d or conv_transpose1d/2d/3d does to every
unit vector, as one explicit matrix; padding is torch's own F.pad. Its largest singular value is LAPACK's.
`generator.ts` is the twin of `entries` below.
"""
import hashlib
import itertools
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

ALL = ["float64", "float32", "float16", "bfloat16"]
WIDE = ["float64", "float32"]


def integers(seed, count, limit):
    """xorshift32, seeded by Knuth's multiplicative hash; integers in [-limit, limit]."""
    mask = 0xFFFFFFFF
    state = (seed * 0x9E3779B1) & mask or 1
    out = np.empty(count, dtype=np.int64)
    for i in range(count):
        state ^= (state << 13) & mask
        state ^= state >> 17
        state ^= (state << 5) & mask
        out[i] = state % (2 * limit + 1) - limit
    return out


def entries(recipe):
    """The recipe's matrix, rows x cols float64."""
    rows, cols, seed = recipe["rows"], recipe["cols"], recipe["seed"]
    pattern = recipe["pattern"]
    i, j = np.arange(rows)[:, None], np.arange(cols)[None, :]

    def draw(r=rows, c=cols):
        return integers(seed, r * c, 127).reshape(r, c).astype(np.float64)

    if pattern == "uniform":
        a = draw()
    elif pattern == "positive":  # one dominant direction, as in averaging filters
        a = np.abs(draw())
    elif pattern == "nyquist":  # alternating signs: the symbol peaks at the highest frequency
        a = np.where(j % 2 == 0, 1.0, -1.0) * np.abs(draw())
    elif pattern == "rank-one":
        a = np.outer(integers(seed, rows, 15), integers(seed + 1, cols, 15)).astype(np.float64)
    elif pattern == "repeated":  # two equal blocks: every singular value twice
        a = np.kron(np.eye(2), draw(rows // 2, cols // 2))
    elif pattern == "graded":  # singular values over many orders of magnitude
        a = draw() * 2.0 ** -(np.minimum(i, 10) + np.minimum(j, 10))
    elif pattern == "clustered":  # a permutation plus noise of 1e-4: all singular values close together
        a = np.where(i % cols == (j * 3 + 1) % cols, 1.0, 0.0) + draw() * 2.0**-20
    elif pattern == "hadamard":  # square: all singular values equal sqrt(n)
        bits = np.array([[bin(p & q).count("1") % 2 for q in range(cols)] for p in range(rows)])
        a = 1.0 - 2.0 * bits
    elif pattern == "triangle":  # sigma_1 = 1 / (2 sin(pi / (4n + 2)))
        a = np.where(i >= j, 1.0, 0.0)
    elif pattern == "single":  # one nonzero entry
        a = np.zeros((rows, cols))
        a[rows // 2, cols // 2] = -93.0
    elif pattern == "zero":
        a = np.zeros((rows, cols))
    else:
        raise ValueError(pattern)
    return np.ascontiguousarray(a * 2.0 ** recipe["exponent"]) + 0.0


def checksum(a):
    return hashlib.sha256(a.astype("<f8").tobytes()).hexdigest()[:16]


def rounded(values):
    """Seventeen significant digits would double the file; LAPACK's own error is larger than 1e-15."""
    return [float(f"{v:.15g}") for v in values]


def dense_case(pattern, rows, cols, seed, exponent=0, dtypes=ALL):
    recipe = {"pattern": pattern, "seed": seed, "rows": rows, "cols": cols, "exponent": exponent}
    a = entries(recipe)
    # Scaling by a power of two is exact; it keeps LAPACK away from overflow and underflow.
    values = np.linalg.svd(a * 2.0**-exponent, compute_uv=False) * 2.0**exponent
    name = f"{pattern} {rows}x{cols}" + (f" x 2^{exponent}" if exponent else "")
    return {
        "name": name,
        "recipe": recipe,
        "checksum": checksum(a),
        "dtypes": dtypes,
        "singularValues": rounded(values[:24]),
        "frobenius": rounded([np.sqrt(np.sum((a * 2.0**-exponent) ** 2)) * 2.0**exponent])[0],
    }


def dense_cases():
    seed = itertools.count(1)
    shapes = [(1, 1), (1, 2), (2, 1), (2, 2), (1, 37), (53, 1), (2, 19), (3, 3), (5, 4), (16, 16), (17, 64)]
    shapes += [(64, 17), (33, 33), (64, 64), (100, 7), (7, 100), (96, 160), (160, 96)]
    for rows, cols in shapes:
        yield dense_case("uniform", rows, cols, next(seed))
    for rows, cols in [(1, 9), (9, 1), (8, 8), (40, 24), (24, 40), (3, 128)]:
        yield dense_case("positive", rows, cols, next(seed))
        yield dense_case("rank-one", rows, cols, next(seed))
        yield dense_case("single", rows, cols, next(seed))
    for rows, cols in [(2, 2), (4, 4), (20, 30), (64, 64), (48, 16)]:
        yield dense_case("repeated", rows, cols, next(seed))
    for rows, cols in [(6, 6), (24, 12), (12, 24), (64, 64)]:
        yield dense_case("graded", rows, cols, next(seed), 0, WIDE + ["bfloat16"])
    for rows, cols in [(5, 5), (32, 32), (64, 32), (70, 70)]:
        yield dense_case("clustered", rows, cols, next(seed), 0, WIDE)
    for n in [2, 4, 16, 64]:
        yield dense_case("hadamard", n, n, next(seed))
        yield dense_case("triangle", n, n, next(seed))
    yield dense_case("hadamard", 8, 64, next(seed))
    for rows, cols in [(1, 1), (1, 8), (8, 1), (12, 20)]:
        yield dense_case("zero", rows, cols, next(seed))
    for exponent, dtypes in [(93, WIDE + ["bfloat16"]), (-140, WIDE), (-149, WIDE), (900, ["float64"])]:
        yield dense_case("uniform", 12, 20, next(seed), exponent, dtypes)
        yield dense_case("rank-one", 9, 5, next(seed), exponent, dtypes)
    yield dense_case("uniform", 12, 20, next(seed), -1000, ["float64"])


CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MODES = {"zero": "constant", "circular": "circular", "reflect": "reflect", "replicate": "replicate"}


def pad(x, padding, boundary):
    """padding: per axis (before, after). torch wants the last axis first."""
    flat = [p for axis in reversed(padding) for p in axis]
    return F.pad(x, flat, mode=MODES[boundary]) if any(flat) else x


def conv_case(index, spec):
    dims = len(spec["kernel"])
    taps = int(np.prod(spec["kernel"]))
    transposed = spec.get("outputPadding") is not None
    groups, c_out, c_in = spec["groups"], spec["cOut"], spec["cIn"]
    recipe = {
        "pattern": spec["pattern"],
        "seed": 1000 + index,
        "rows": c_out,
        "cols": c_in // groups * taps,
        "exponent": -6,
    }
    a = entries(recipe)
    kernel = torch.from_numpy(a.reshape([c_out, c_in // groups] + spec["kernel"]))
    size, padding = spec["size"], spec["padding"]
    if transposed:
        # The kernel is stored for the forward convolution c_in -> c_out whose adjoint this is.
        inputs = c_out * int(np.prod(size))
        units = torch.eye(inputs, dtype=torch.float64).reshape([inputs, c_out] + size)
        y = TRANSPOSED[dims](
            units, kernel, stride=spec["strides"], output_padding=spec["outputPadding"],
            dilation=spec["dilations"], groups=groups,
        )
        for axis, (before, after) in enumerate(padding):
            y = y.narrow(axis + 2, before, y.shape[axis + 2] - before - after)
        output = list(y.shape[2:])
    else:
        inputs = c_in * int(np.prod(size))
        units = torch.eye(inputs, dtype=torch.float64).reshape([inputs, c_in] + size)
        y = CONV[dims](
            pad(units, padding, spec["boundary"]), kernel,
            stride=spec["strides"], dilation=spec["dilations"], groups=groups,
        )
        output = list(y.shape[2:])
    matrix = y.reshape(inputs, -1).numpy()
    sigma = np.linalg.svd(matrix, compute_uv=False)[0]
    flat = np.linalg.svd(a, compute_uv=False)[0]
    case = {
        "recipe": recipe,
        "checksum": checksum(a),
        "transposed": transposed,
        "kernelShape": [c_out, c_in // groups] + spec["kernel"],
        "groups": groups,
        "inputSize": size,
        "outputSize": output,
        "strides": spec["strides"],
        "padding": padding,
        "dilations": spec["dilations"],
        "boundary": spec["boundary"],
        "sigma": rounded([sigma])[0],
        "frobenius": rounded([np.linalg.norm(matrix)])[0],
        **action_checksums(matrix.T),
        "reshaped": rounded([flat])[0],
    }
    if transposed:
        case["outputPadding"] = spec["outputPadding"]
    return case


def action_checksums(matrix):
    """A x and A^T y for integer x, y: exact in float64 whatever the order of summation, so equal bit by bit."""
    rows, cols = matrix.shape
    return {
        "applied": checksum(matrix @ integers(7, cols, 15) + 0.0),
        "adjoint": checksum(matrix.T @ integers(8, rows, 15) + 0.0),
    }


PATTERNS = ["uniform", "uniform", "positive", "nyquist", "rank-one"]


def conv_specs(rng):
    """Every boundary, dimension, stride, dilation and group count, with sizes drawn at random."""
    plans = list(itertools.product(["zero", "circular", "reflect", "replicate"], [1, 2, 3], [1, 2, 3], [1, 2]))
    plans = plans * 3 + [("zero", d, s, l) for d in (1, 2, 3) for s in (1, 2, 3) for l in (1, 2)] * 2
    for number, (boundary, dims, stride, dilation) in enumerate(plans):
        spec = draw_spec(rng, number, boundary, dims, stride, dilation)
        while spec is None:
            spec = draw_spec(rng, number, boundary, dims, stride, dilation)
        yield spec


LARGEST_KERNEL = {1: 5, 2: 4, 3: 3}
LARGEST_INPUT = {1: 16, 2: 8, 3: 5}


def draw_spec(rng, number, boundary, dims, stride, dilation):
    pick = lambda low, high: int(rng.integers(low, high + 1))
    kernel = [pick(1, LARGEST_KERNEL[dims]) for _ in range(dims)]
    size = [pick(1, LARGEST_INPUT[dims]) for _ in range(dims)]
    # One axis may differ in stride and dilation, so that axes cannot be confused.
    strides = [stride if axis == 0 else pick(1, stride) for axis in range(dims)]
    dilations = [dilation if axis == 0 else pick(1, dilation) for axis in range(dims)]
    limit = {"zero": max(kernel) + 2, "circular": 99, "reflect": 99, "replicate": max(kernel) + 1}[boundary]
    padding = []
    for axis in range(dims):
        most = min(limit, size[axis] - 1 if boundary == "reflect" else 99, size[axis] if boundary == "circular" else 99)
        most = min(most, 4)
        if number % 4 == 0 and boundary == "circular":  # the usual "same" padding, whose norm is known exactly
            total = dilations[axis] * (kernel[axis] - 1)
            if total - total // 2 > size[axis]:
                return None
            padding.append([total // 2, total - total // 2])
        else:
            padding.append([pick(0, most), pick(0, most)])
    for axis in range(dims):
        if size[axis] + sum(padding[axis]) < dilations[axis] * (kernel[axis] - 1) + 1:
            return None
    groups = [1, 1, 2, 3][number % 4]
    c_in, c_out = groups * pick(1, 3), groups * pick(1, 3)
    if number % 7 == 3:
        groups = c_in = c_out  # depthwise
    if c_in * int(np.prod(size)) > 500:
        return None
    return {
        "pattern": PATTERNS[number % len(PATTERNS)], "kernel": kernel, "size": size, "strides": strides,
        "dilations": dilations, "padding": padding, "boundary": boundary, "groups": groups, "cIn": c_in, "cOut": c_out,
    }


def transposed_specs(rng):
    plans = list(itertools.product([1, 2, 3], [1, 2, 3], [1, 2])) * 2
    for number, (dims, stride, dilation) in enumerate(plans):
        spec = None
        while spec is None:
            spec = draw_transposed(rng, number, dims, stride, dilation)
        yield spec


def draw_transposed(rng, number, dims, stride, dilation):
    spec = draw_spec(rng, number, "zero", dims, stride, dilation)
    if spec is None:
        return None
    pick = lambda low, high: int(rng.integers(low, high + 1))
    size = [min(n, 5 if dims < 3 else 3) for n in spec["size"]]
    extra = [pick(0, s - 1) for s in spec["strides"]]
    for axis in range(dims):
        s, d, k = spec["strides"][axis], spec["dilations"][axis], spec["kernel"][axis]
        if (size[axis] - 1) * s + d * (k - 1) + 1 + extra[axis] - sum(spec["padding"][axis]) < 1:
            return None
    return {**spec, "size": size, "outputPadding": extra}


def main():
    rng = np.random.default_rng(20240501)
    specs = list(conv_specs(rng)) + list(transposed_specs(rng))
    document = {
        "about": "Peers' answers in float64 for operators that generator.ts rebuilds; written by make_oracles.py",
        "peers": {"numpy": np.__version__, "torch": torch.__version__},
        "dense": list(dense_cases()),
        "convolutions": [conv_case(index, spec) for index, spec in enumerate(specs)],
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "norms.json")
    with open(path, "w") as file:
        json.dump(document, file, separators=(",", ":"))
    print(f"{len(document['dense'])} dense, {len(document['convolutions'])} convolutions")


if __name__ == "__main__":
    main()
