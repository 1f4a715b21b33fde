/**
 * The TensorFlow.js peer of the train suite: training steps on its WebAssembly backend, `variableGrads` and its Adam.
 * The packages are taken from the folder in BENCH_TFJS; this package depends on none of them.
 */
import { createRequire } from "node:module";
import { ADAM, CLASSES, dataOf, weightsOf } from "../train-data.mjs";
import { serve } from "../train-serve.mjs";

const require = createRequire(`${process.env.BENCH_TFJS}/package.json`);
const tf = require("@tensorflow/tfjs");
const { getThreadsCount, setThreadsCount } = require("@tensorflow/tfjs-backend-wasm");

const dense = (x, weight, bias) => tf.matMul(x, weight, false, true).add(bias);

const MODELS = {
  mlp([w0, w1, w2], [b0, b1, b2], x) {
    return dense(dense(dense(x, w0, b0).relu(), w1, b1).relu(), w2, b2);
  },
  elman([wx, wh, wo], [bx, bh, bo], x) {
    const [time, batch, features] = x.shape;
    const driven = dense(x.reshape([time * batch, features]), wx, bx.add(bh)).reshape([time, batch, -1]);
    const inputs = driven.unstack();
    const last = inputs
      .slice(1)
      .reduce((h, input) => input.add(h.matMul(wh, false, true)).tanh(), inputs[0].tanh());
    return dense(last, wo, bo);
  },
};

async function prepare({ model, batch, time }) {
  // Its gradient of a convolution's kernel exists on other backends only.
  if (model === "critic" && tf.getKernel("Conv2DBackpropFilter", "wasm") === undefined) {
    return { cannot: "the wasm backend has no Conv2DBackpropFilter" };
  }
  const data = dataOf(model, batch, time);
  const x = tf.tensor(data.x.data, data.x.shape);
  const y = tf.oneHot(tf.tensor1d(data.y, "int32"), CLASSES);
  const weights = weightsOf(model).map(({ shape, data }) => tf.variable(tf.tensor(data, shape)));
  const biases = weights.map(({ shape }) => tf.variable(tf.zeros([shape[0]])));
  const { learningRate, beta1, beta2, epsilon } = ADAM;
  const adam = tf.train.adam(learningRate, beta1, beta2, epsilon);
  const objective = () => tf.losses.softmaxCrossEntropy(y, MODELS[model](weights, biases, x));
  const run = async (steps) => {
    const losses = [];
    for (let i = 0; i < steps; i++) {
      const loss = adam.minimize(objective, true);
      losses.push((await loss.data())[0]);
      loss.dispose();
    }
    return losses;
  };
  return { run };
}

setThreadsCount(2);
await tf.setBackend("wasm");
await tf.ready();
await serve({ hello: () => ({ tfjs: tf.version_core, tfjsThreads: getThreadsCount() }), prepare });
