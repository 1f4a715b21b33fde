#!/usr/bin/python3
"""The peers of the norms and files suites: numpy and torch, asked by JSON lines on stdin, answering on stdout.

One long-lived process, so that no import or thread start is ever timed, and so that its repeats can interleave with
ours. Data are made here, kept in memory, and written to a file, so that both sides work on the same bytes.
"""
import json
import os
import sys
import time

import numpy as np
import torch
from scipy.sparse.linalg import svds

THREADS = int(os.environ.get("OMP_NUM_THREADS", "2"))
torch.set_num_threads(THREADS)
store = {}


def keep(key, array, path):
    array = np.ascontiguousarray(array, dtype=np.float32)
    array.tofile(path)
    store[key] = array
    return {"bytes": array.nbytes}


def gaussian(key, path, shape, seed):
    return keep(key, np.random.default_rng(seed).standard_normal(shape, dtype=np.float32), path)


def decaying(key, path, n, seed):
    """Singular values i^-1/2 between two random orthogonal matrices: what trained layers look like."""
    rng = np.random.default_rng(seed)
    left, _ = np.linalg.qr(rng.standard_normal((n, n)))
    right, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return keep(key, (left * np.arange(1, n + 1) ** -0.5) @ right, path)


def timed(work):
    start = time.perf_counter()
    value = float(work())
    return {"seconds": time.perf_counter() - start, "value": value}


def matrix_norm(key):
    tensor = torch.from_numpy(store[key])
    return timed(lambda: torch.linalg.matrix_norm(tensor, 2))


def leading(key):
    """ARPACK's leading singular value: no bound, but the quickest value that Python users have."""
    matrix = store[key]
    return timed(lambda: svds(matrix, k=1, return_singular_vectors=False)[0])


def conv_norm(key, grid, precision):
    """Sedghi et al. 2019 made sound for zero padding: the FFT on a grid of n + k - 1 per axis, then every SVD.

    A real kernel's symbol is conjugate symmetric, so half of the frequencies suffice; the peer gets that for free.
    """
    kernel = store[key]

    def work():
        symbol = np.fft.rfft2(kernel, s=grid).transpose(2, 3, 0, 1)
        return np.linalg.svd(symbol.astype(precision), compute_uv=False).max()

    return timed(work)


def stored_norm(path, offset, rows, cols):
    """What a user's loop does for one bfloat16 tensor of a file: read, upcast, torch.linalg.matrix_norm."""

    def work():
        raw = np.fromfile(path, dtype=np.int16, count=rows * cols, offset=offset).reshape(rows, cols)
        return torch.linalg.matrix_norm(torch.from_numpy(raw).view(torch.bfloat16).float(), 2)

    return timed(work)


def hello():
    torch.linalg.matrix_norm(torch.randn(256, 256), 2)  # starts the thread pools
    return {"torch": torch.__version__, "numpy": np.__version__, "threads": THREADS}


def release(key):
    store.pop(key, None)
    return {}


OPERATIONS = {
    f.__name__: f for f in (hello, gaussian, decaying, matrix_norm, leading, conv_norm, stored_norm, release)
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = OPERATIONS[request.pop("op")](**request)
    except Exception as error:  # reported to the bench, which stops
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
