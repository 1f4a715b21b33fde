/**
 * The jax-js peer of the train suite: training steps in plain jax-js as its users write them, one `jit` around forward,
 * backward and Adam, on its WebAssembly backend. It knows nothing of this package.
 */
import { defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { ADAM, CLASSES, dataOf, SLOPE, weightsOf } from "../train-data.mjs";
import { serve } from "../train-serve.mjs";

const dense = (x, weight, bias) => np.dot(x, weight.transpose()).add(bias);
const conv = (x, kernel, bias) =>
  lax
    .conv(
      x,
      kernel,
      [2, 2],
      [
        [1, 1],
        [1, 1],
      ],
    )
    .add(bias.reshape([-1, 1, 1]));

const MODELS = {
  mlp([w0, w1, w2], [b0, b1, b2], x) {
    const first = nn.relu(dense(x, w0, b0));
    return dense(nn.relu(dense(first, w1, b1)), w2, b2);
  },
  critic([k0, k1, w], [b0, b1, b], x) {
    const first = nn.leakyRelu(conv(x, k0, b0), SLOPE);
    const second = nn.leakyRelu(conv(first, k1, b1), SLOPE);
    return dense(second.reshape([x.shape[0], -1]), w, b);
  },
  elman([wx, wh, wo], [bx, bh, bo], x) {
    const [time, batch] = x.shape;
    const driven = dense(x.reshape([time * batch, -1]), wx, bx.add(bh)).reshape([time, batch, -1]);
    const transposed = wh.transpose();
    let h = np.tanh(driven.ref.slice(0));
    for (let t = 1; t < time; t++) h = np.tanh(driven.ref.slice(t).add(np.dot(h, transposed.ref)));
    driven.dispose();
    transposed.dispose();
    return dense(h, wo, bo);
  },
};

function crossEntropy(logits, y) {
  const picked = nn.logSoftmax(logits).mul(nn.oneHot(y, CLASSES));
  return np.sum(picked).mul(-1 / y.shape[0]);
}

const hinge = (scores, y) => np.mean(nn.relu(np.subtract(1, y.mul(scores.reshape([-1])))));

/** @param {(weights: object[], biases: object[], x: object) => object} forward */
function trainingStep(forward, loss) {
  const { learningRate, beta1, beta2, epsilon } = ADAM;
  return jit((params, m, v, count, x, y) => {
    const objective = ([weights, biases]) => loss(forward(weights, biases, x), y);
    const [value, gradient] = valueAndGrad(objective)(tree.ref(params));
    const next = count.add(1);
    const correction = (beta) => np.subtract(1, np.power(beta, next.ref));
    const rate = np.sqrt(correction(beta2)).div(correction(beta1)).mul(learningRate);
    const m2 = tree.map((a, g) => a.mul(beta1).add(g.mul(1 - beta1)), m, tree.ref(gradient));
    const v2 = tree.map((a, g) => a.mul(beta2).add(np.square(g).mul(1 - beta2)), v, gradient);
    const moved = tree.map(
      (p, a, b) => p.sub(a.mul(rate.ref).div(np.sqrt(b).add(epsilon))),
      params,
      tree.ref(m2),
      tree.ref(v2),
    );
    rate.dispose();
    return [value, moved, m2, v2, next];
  });
}

const array = ({ shape, data }) => np.array(data).reshape(shape);

async function prepare({ model, batch, time }) {
  const data = dataOf(model, batch, time);
  const x = array(data.x);
  const y = np.array(data.y);
  const weights = weightsOf(model);
  const sizes = weights.map(({ shape }) => shape[0]);
  let params = [weights.map(array), sizes.map((size) => np.zeros([size]))];
  const zeros = () => [weights.map(({ shape }) => np.zeros(shape)), sizes.map((size) => np.zeros([size]))];
  let [m, v, count] = [zeros(), zeros(), np.array(0)];
  const step = trainingStep(MODELS[model], model === "critic" ? hinge : crossEntropy);
  const run = async (steps) => {
    const losses = [];
    for (let i = 0; i < steps; i++) {
      let loss;
      [loss, params, m, v, count] = step(params, m, v, count, x.ref, y.ref);
      losses.push(await loss.item());
    }
    return losses;
  };
  return { run };
}

await init("wasm");
defaultDevice("wasm");
await serve({ hello: () => ({ jax: "0.1.25" }), prepare });
