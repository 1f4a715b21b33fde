/**
 * Our side of the train suite as a process: training steps of `lipschitz/train`, compiled by `lipschitz/compile` for the
 * native device.
 */
import { defaultDevice, init, nn, numpy as np, random, tree } from "@jax-js/jax";
import { compile, toNative } from "../dist/compile.js";
import {
  adam,
  conv2d,
  crossEntropy,
  differentiate,
  elman,
  flatten,
  leakyRelu,
  linear,
  relu,
  sequential,
  spectralNorm,
} from "../dist/train.js";
import { ADAM, CLASSES, dataOf, SLOPE, UNITS, weightsOf } from "./train-data.mjs";
import { serve } from "./train-serve.mjs";

const STRIDED = { strides: 2, padding: 1 };

const MODELS = {
  mlp: (control) =>
    sequential(
      linear(512, { control }),
      relu(),
      linear(512, { control }),
      relu(),
      linear(CLASSES, { control }),
    ),
  critic: (control) =>
    sequential(
      conv2d(64, 4, { ...STRIDED, control }),
      leakyRelu(SLOPE),
      conv2d(128, 4, { ...STRIDED, control }),
      leakyRelu(SLOPE),
      flatten(),
      linear(1, { control }),
    ),
  elman: (control) =>
    sequential(
      elman(UNITS, { returns: "last", control, inputControl: control }),
      linear(CLASSES, { control }),
    ),
};

/** @type {Record<string, undefined | (() => object)>} by what the suite calls it */
const CONTROLS = {
  none: () => undefined,
  operator: () => spectralNorm({ norm: "operator" }),
  reshaped: () => spectralNorm({ norm: "reshaped" }),
};

const hinge = (scores, sides) => np.mean(nn.relu(np.subtract(1, sides.mul(scores.reshape([-1])))));

/**
 * Forward, backward, Adam, and one step of every control before them, so that the forward pass uses the singular vectors
 * just found: what `torch.nn.utils.parametrizations.spectral_norm` does in a step.
 */
function trainingStep(net, optimizer, loss, threads) {
  const step = (params, state, moments, x, y) => {
    const advanced = net.advance(params, state);
    const compute = (trained) => {
      const applied = net.apply(trained, advanced, x.ref, { training: true });
      return { loss: loss(applied.y, y.ref), aux: applied.state };
    };
    const { loss: value, aux, gradient } = differentiate(compute, params);
    const next = optimizer.update(gradient, moments, params);
    tree.dispose([params, state, moments, advanced, x, y]);
    return { loss: value, params: next.params, state: aux, moments: next.state };
  };
  return compile(step, { threads });
}

async function prepare({ model, batch, time, control, threads }) {
  const net = MODELS[model](CONTROLS[control]());
  const { x, y } = inputsOf(model, batch, time);
  const optimizer = adam({ ...ADAM });
  const started = net.init(random.key(0), x.shape.slice(1));
  let { state } = started;
  let params = withSharedWeights(started.params, weightsOf(model));
  let moments = optimizer.init(params);
  const step = trainingStep(net, optimizer, model === "critic" ? hinge : crossEntropy, threads);
  const run = async (count) => {
    const losses = [];
    for (let i = 0; i < count; i++) {
      let loss;
      ({ loss, params, state, moments } = await step(params, state, moments, x.ref, y.ref));
      losses.push((await loss.data())[0]);
    }
    return losses;
  };
  const release = () => {
    tree.dispose([params, state, moments, x, y]);
    step.dispose();
  };
  return { run, release };
}

/** The shared inputs; ours have the batch first. */
function inputsOf(model, batch, time) {
  const { x, y } = dataOf(model, batch, time);
  if (model !== "elman") return { x: toNative(x.data, x.shape), y: toNative(y, [batch]) };
  const [, , features] = x.shape;
  const data = Float32Array.from({ length: x.data.length }, (_, i) => {
    const [b, t, f] = [Math.floor(i / (time * features)), Math.floor(i / features) % time, i % features];
    return x.data[(t * batch + b) * features + f];
  });
  return { x: toNative(data, [batch, time, features]), y: toNative(y, [batch]) };
}

/** The parameters with the weights of all sides in their order, and biases of zero. Consumes them. */
function withSharedWeights(params, weights) {
  const left = [...weights];
  return tree.map((old) => {
    const { shape } = old;
    old.dispose();
    return shape.length > 1 ? np.array(left.shift().data).reshape(shape) : np.zeros(shape);
  }, params);
}

await init("wasm");
defaultDevice("wasm");
await serve({ hello: () => ({}), prepare });
