// Remembering ten symbols over a delay, with a plain recurrent network and with one that neither forgets nor explodes.
//
//   node examples/copy-memory.mjs         about a minute; node examples/copy-memory.mjs 100 takes 100 steps of each
//
// Over T steps a recurrent kernel W stretches what it remembers by up to σ₁(W)ᵀ and shrinks it by down to σₙ(W)ᵀ. An orthonormal
// kernel (bjorck) has all singular values at 1.
import { numpy as np } from "@jax-js/jax";
import {
  adam,
  bjorck,
  createTrainer,
  crossEntropy,
  elman,
  linear,
  sequential,
  uncontrolled,
} from "lipschitz/train";

const settings = { symbols: 8, length: 10, delay: 30, hidden: 128, batch: 32, learningRate: 5e-3, seed: 1 };
const steps = Number(process.argv[2] ?? 1500);

const blank = settings.symbols;
const go = settings.symbols + 1;
const total = settings.delay + 2 * settings.length;
const baseline = (settings.length * Math.log(settings.symbols)) / total;
console.log(`cross-entropy without memory: ${baseline.toFixed(4)}`);

for (const [name, control] of Object.entries({ plain: uncontrolled, orthonormal: bjorck() })) {
  const net = sequential(elman(settings.hidden, { control }), linear(settings.symbols + 1));
  const trainer = createTrainer({
    net,
    inputShape: [total, settings.symbols + 2],
    loss: ({ outputs, batch }) =>
      crossEntropy(outputs.reshape([-1, settings.symbols + 1]), np.ravel(batch.y)),
    optimizer: adam({ learningRate: settings.learningRate }),
    clipNorm: 1,
    seed: settings.seed,
  });
  const random = mulberry32(settings.seed);
  let loss = Number.NaN;
  for (let step = 0; step < steps; step++) {
    ({ loss } = await trainer.step(copyTask(random)));
    if (step % 200 === 0) console.log(`${name} ${step}: loss ${loss.toFixed(4)}`);
  }
  console.log(
    `${name}: loss ${loss.toFixed(4)} after ${steps} steps, ${((100 * loss) / baseline).toFixed(0)} % of the baseline`,
  );
  await trainer.dispose();
}

/** Symbols, a delay, the sign to go, then blanks while the network is to repeat the symbols. */
function copyTask(random) {
  const { symbols, length, delay, batch } = settings;
  const x = new Float32Array(batch * total * (symbols + 2));
  const y = new Int32Array(batch * total).fill(blank);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < total; t++) {
      let symbol = t === length + delay - 1 ? go : blank;
      if (t < length) {
        symbol = Math.floor(symbols * random());
        y[b * total + length + delay + t] = symbol;
      }
      x[(b * total + t) * (symbols + 2) + symbol] = 1;
    }
  }
  return { x: { data: x, shape: [batch, total, symbols + 2] }, y: { data: y, shape: [batch, total] } };
}

function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
