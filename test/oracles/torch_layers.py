#!/usr/bin/python3
"""Writes test/fixtures/train/layers.json: what PyTorch's layers give, and the gradients it takes, for small inputs and weights.

    apt-get install python3-numpy python3-torch
    /usr/bin/python3 test/oracles/torch_layers.py

Everything is computed in float64 from numbers of three decimals. Each case names our layer, its arguments, the input, our
parameters by our names, the output, and the gradients of <output, cotangent>.
"""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

OUT = os.path.join(os.path.dirname(__file__), "../fixtures/train/layers.json")
random = np.random.default_rng(20261)
cases = []


def draw(*shape):
    return torch.tensor(np.round(random.standard_normal(shape), 3), dtype=torch.float64)


def packed(tensor):
    data = [float(f"{v:.9g}") for v in tensor.detach().double().flatten().tolist()]
    return {"shape": list(tensor.shape), "data": data}


def record(name, layer, arguments, x, compute, params=None, state=None, training=False):
    """`compute(x, params)` gives the output, or (output, state after)."""
    params = {k: v.clone().requires_grad_() for k, v in (params or {}).items()}
    continuous = x.is_floating_point()
    x = x.clone().requires_grad_() if continuous else x
    result = compute(x, params)
    y, after = result if isinstance(result, tuple) else (result, None)
    cotangent = draw(*y.shape)
    wanted = ([x] if continuous else []) + list(params.values())
    found = torch.autograd.grad((y * cotangent).sum(), wanted)
    case = {
        "name": name,
        "layer": layer,
        "arguments": arguments,
        "input": packed(x),
        "params": {k: packed(v) for k, v in params.items()},
        "output": packed(y),
        "cotangent": packed(cotangent),
    }
    if continuous:
        case["inputGradient"] = packed(found[0])
        found = found[1:]
    case["gradients"] = {k: packed(g) for k, g in zip(params, found)}
    if state is not None:
        case["state"] = {k: packed(v) for k, v in state.items()}
    if training:
        case["training"] = True
        case["stateAfter"] = {k: packed(v) for k, v in after.items()}
    cases.append(case)


def both_sides(padding):
    """Our pairs of each axis as F.pad takes them, last axis first."""
    return [side for pair in reversed(padding) for side in pair]


def convolutions():
    def conv(axes, shape, channels, size, **options):
        groups = options.get("groups", 1)
        kernel = [size] * axes if isinstance(size, int) else size
        params = {"weight": draw(channels, shape[1] // groups, *kernel)}
        if options.get("bias", True):
            params["bias"] = draw(channels)
        apply = F.conv1d if axes == 1 else F.conv2d
        padding = options.get("padding", 0)

        def compute(x, p):
            pads = padding
            if isinstance(padding, list):
                x, pads = F.pad(x, both_sides(padding)), 0
            strides, dilations = options.get("strides", 1), options.get("dilations", 1)
            return apply(x, p["weight"], p.get("bias"), strides, pads, dilations, groups)

        name = f"conv{axes}d {channels} {size} {json.dumps(options)} of {list(shape)}"
        record(name, f"conv{axes}d", [channels, size, options], draw(*shape), compute, params)

    conv(1, (2, 3, 7), 4, 3, padding=1)
    conv(1, (2, 2, 9), 3, 3, strides=2, dilations=2, padding=[[2, 1]])
    conv(1, (1, 4, 6), 6, 2, groups=2, bias=False)
    conv(1, (1, 2, 6), 2, 4, padding="same")
    conv(2, (2, 2, 5, 5), 3, 3, padding=1)
    conv(2, (2, 3, 6, 6), 4, 4, strides=2, padding=1)
    conv(2, (1, 2, 6, 7), 2, [2, 3], strides=[2, 1], dilations=[1, 2], padding=[[1, 0], [0, 2]])
    conv(2, (1, 4, 5, 4), 6, 3, groups=2, strides=2, padding=1, bias=False)
    conv(2, (2, 3, 4, 4), 6, 3, groups=3, padding="valid")
    conv(2, (1, 2, 5, 5), 2, [4, 2], padding="same")
    conv(2, (1, 2, 7, 7), 3, 2, strides=3)
    conv(2, (1, 1, 3, 3), 2, 2, padding=3)


def transposed_convolutions():
    def transpose(shape, channels, size, **options):
        groups = options.get("groups", 1)
        kernel = [size, size] if isinstance(size, int) else size
        params = {"weight": draw(shape[1], channels // groups, *kernel)}
        if options.get("bias", True):
            params["bias"] = draw(channels)
        padding = options.get("padding", 0)
        cut = padding if isinstance(padding, list) else None

        def compute(x, p):
            pads = 0 if cut else padding
            strides, extra = options.get("strides", 1), options.get("outputPadding", 0)
            dilations = options.get("dilations", 1)
            y = F.conv_transpose2d(x, p["weight"], p.get("bias"), strides, pads, extra, groups, dilations)
            return F.pad(y, [-side for side in both_sides(cut)]) if cut else y

        name = f"convTranspose2d {channels} {size} {json.dumps(options)} of {list(shape)}"
        record(name, "convTranspose2d", [channels, size, options], draw(*shape), compute, params)

    transpose((2, 2, 3, 3), 3, 3)
    transpose((2, 3, 3, 3), 2, 4, strides=2, padding=1)
    transpose((1, 2, 3, 4), 2, 3, strides=2, padding=1, outputPadding=1)
    transpose((1, 4, 3, 3), 6, [2, 3], groups=2, strides=[1, 2], bias=False)
    transpose((1, 2, 3, 3), 2, 2, dilations=2, strides=3, outputPadding=[2, 0])
    transpose((1, 2, 5, 5), 2, 2, padding=2)
    transpose((1, 2, 4, 4), 2, 3, strides=2, padding=[[1, 0], [0, 2]])
    transpose((1, 2, 3, 3), 1, 2, strides=3)


def pooling_and_shapes():
    def pool(layer, shape, size, compute, **options):
        record(f"{layer} {size} {json.dumps(options)}", layer, [size, options], draw(*shape), compute)

    pool("averagePool2d", (2, 2, 4, 6), 2, lambda x, _: F.avg_pool2d(x, 2))
    pool("averagePool2d", (1, 2, 5, 5), 3, lambda x, _: F.avg_pool2d(x, 3, 2, 1), strides=2, padding=1)
    pool("averagePool2d", (1, 2, 5, 7), [2, 3], lambda x, _: F.avg_pool2d(x, (2, 3)))
    pool("maxPool2d", (2, 2, 4, 6), 2, lambda x, _: F.max_pool2d(x, 2))
    pool("maxPool2d", (1, 2, 5, 5), 3, lambda x, _: F.max_pool2d(x, 3, 2, 1), strides=2, padding=1)
    pool("maxPool2d", (1, 2, 5, 6), [3, 2], lambda x, _: F.max_pool2d(x, (3, 2), (1, 3)), strides=[1, 3])
    record("flatten", "flatten", [], draw(2, 3, 2, 2), lambda x, _: torch.flatten(x, 1))


def embeddings():
    for shape in ([3], [2, 4]):
        ids = torch.tensor(random.integers(0, 5, shape))
        compute = lambda x, p: F.embedding(x, p["weight"])
        record(f"embedding of {shape}", "embedding", [5, 3], ids, compute, {"weight": draw(5, 3)})


def normalisations():
    for shape in ([6, 3], [3, 2, 3, 2]):
        for training in (False, True):
            params = {"weight": draw(shape[1]), "bias": draw(shape[1])}
            state = {"runningMean": draw(shape[1]), "runningVariance": draw(shape[1]).abs() + 0.125}

            def compute(x, p):
                mean, variance = state["runningMean"].clone(), state["runningVariance"].clone()
                y = F.batch_norm(x, mean, variance, p["weight"], p["bias"], training, 0.1, 1e-5)
                return (y, {"runningMean": mean, "runningVariance": variance}) if training else y

            name = f"batchNorm of {shape}{' in training' if training else ''}"
            record(name, "batchNorm", [], draw(*shape), compute, params, state, training)
    for shape, axes in (([3, 5], 1), ([2, 3, 4], 1), ([2, 2, 3, 2], 3)):
        inner = shape[-axes:]
        params = {"weight": draw(*inner), "bias": draw(*inner)}
        compute = lambda x, p: F.layer_norm(x, inner, p["weight"], p["bias"], 1e-5)
        record(f"layerNorm of {shape} over {axes}", "layerNorm", [{"axes": axes}], draw(*shape), compute, params)


def recurrences():
    def recurrent(layer, run, gates, batch, steps, features, hidden, **options):
        rows, has_bias = gates * hidden, options.get("bias", True)
        params = {"input": draw(rows, features), "recurrent": draw(rows, hidden) / 2}
        if has_bias:
            params.update(inputBias=draw(rows), recurrentBias=draw(rows))

        def compute(x, p):
            # What nn.RNN, nn.GRU and nn.LSTM call: weight_ih, weight_hh, bias_ih, bias_hh; one layer, batch first.
            start = torch.zeros(1, batch, hidden, dtype=torch.float64)
            starts = [start, start] if layer == "lstm" else start
            y = run(x, starts, list(p.values()), has_bias, 1, 0.0, False, False, True)[0]
            return y[:, -1] if options.get("returns") == "last" else y

        name = f"{layer} {hidden} {json.dumps(options)} of {[steps, features]}"
        record(name, layer, [hidden, options], draw(batch, steps, features), compute, params)

    recurrent("elman", torch._VF.rnn_tanh, 1, 2, 4, 3, 4)
    recurrent("elman", torch._VF.rnn_tanh, 1, 3, 1, 2, 3, returns="last")
    recurrent("elman", torch._VF.rnn_relu, 1, 2, 9, 3, 2, activation="relu", bias=False)
    recurrent("gru", torch._VF.gru, 3, 2, 4, 3, 2)
    recurrent("gru", torch._VF.gru, 3, 2, 3, 2, 3, returns="last", bias=False)
    recurrent("lstm", torch._VF.lstm, 4, 2, 4, 3, 2)
    recurrent("lstm", torch._VF.lstm, 4, 2, 3, 2, 3, returns="last", bias=False)


def activations():
    x = draw(2, 9) * 3
    x[0, :6] = torch.tensor([-100.0, 100.0, -20.0, 20.0, -0.001, 0.001])
    for layer, arguments, f in (
        ("relu", [], F.relu),
        ("leakyRelu", [0.2], lambda v: F.leaky_relu(v, 0.2)),
        ("leakyRelu", [], F.leaky_relu),
        ("tanh", [], torch.tanh),
        ("sigmoid", [], torch.sigmoid),
        # Without the linear piece above its threshold, where it jumps.
        ("softplus", [], lambda v: F.softplus(v, threshold=1e9)),
        ("gelu", [], F.gelu),
        ("silu", [], F.silu),
        ("abs", [], torch.abs),
    ):
        record(f"{layer} {arguments}", layer, arguments, x, lambda v, _: f(v))


def sorting():
    def sorted_in_groups(x, size, axis):
        """Group i holds entries i, i + n/size, …; the largest first."""
        parts = torch.stack(torch.chunk(x, size, axis), 0)
        return torch.cat(list(torch.sort(parts, 0, descending=True)[0]), axis)

    for layer, arguments, shape, size, axis in (
        ("maxMin", [], [3, 6], 2, 1),
        ("maxMin", [], [2, 4, 2, 2], 2, 1),
        ("maxMin", [{"axis": "last"}], [2, 3, 4], 2, 2),
        ("groupSort", [2], [2, 8], 2, 1),
        ("groupSort", [3], [2, 6], 3, 1),
        ("groupSort", [3], [2, 6, 2, 1], 3, 1),
        ("fullSort", [], [3, 5], 5, 1),
        ("fullSort", [{"axis": "last"}], [2, 2, 4], 4, 2),
        ("fullSort", [], [2, 3, 2, 2], 3, 1),
    ):
        compute = lambda x, _: sorted_in_groups(x, size, axis)
        record(f"{layer} {json.dumps(arguments)} of {shape}", layer, arguments, draw(*shape), compute)


convolutions()
transposed_convolutions()
pooling_and_shapes()
embeddings()
normalisations()
recurrences()
activations()
sorting()
with open(OUT, "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
