/**
 * What every side of the train suite shares: the models' shapes, and weights and data from one hash, so that losses of
 * all sides can be held against each other. `peers/train_torch.py` has the same in Python.
 */
export const FEATURES = 10;
export const UNITS = 128;
export const CLASSES = 10;
export const SLOPE = 0.2;
export const ADAM = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/** Weight shapes as PyTorch has them, outputs first, in the order of its parameters. */
const WEIGHTS = {
  mlp: [
    [512, 784],
    [512, 512],
    [CLASSES, 512],
  ],
  critic: [
    [64, 1, 4, 4],
    [128, 64, 4, 4],
    [1, 128 * 7 * 7],
  ],
  elman: [
    [UNITS, FEATURES],
    [UNITS, UNITS],
    [CLASSES, UNITS],
  ],
};

/** Inputs as PyTorch has them; a recurrent network's time axis comes first. */
const INPUTS = {
  mlp: (batch) => [batch, 784],
  critic: (batch) => [batch, 1, 28, 28],
  elman: (batch, time) => [time, batch, FEATURES],
};
const INPUT_STREAM = 100;

/** The starting weights of a model, uniform in ±1/√(fan in); its biases start at zero. */
export function weightsOf(model) {
  return WEIGHTS[model].map((shape, stream) => {
    const fanIn = product(shape.slice(1));
    return { shape, data: noise(product(shape), stream, fanIn ** -0.5) };
  });
}

/** Inputs, and either class labels (int32) or the critic's sides ±1 (float32). */
export function dataOf(model, batch, time = 0) {
  const shape = INPUTS[model](batch, time);
  const x = { shape, data: noise(product(shape), INPUT_STREAM) };
  if (model === "critic") return { x, y: Float32Array.from({ length: batch }, (_, i) => 1 - 2 * (i % 2)) };
  return { x, y: Int32Array.from({ length: batch }, (_, i) => i % CLASSES) };
}

export function product(shape) {
  return shape.reduce((size, axis) => size * axis, 1);
}

/** Uniform in [−bound, bound): the murmur3 finaliser of the index. */
function noise(count, stream, bound = 1) {
  const offset = Math.imul(stream, 0x9e3779b9);
  return Float32Array.from({ length: count }, (_, i) => {
    let h = (i + offset) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
    return (2 * ((h >>> 8) / 2 ** 24) - 1) * bound;
  });
}
