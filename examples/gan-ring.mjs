// A GAN that learns eight points on a circle, with a critic that cannot be steep.
//
//   node examples/gan-ring.mjs            about 20 seconds; ends with how many of the 8 modes were found
//
// The critic's layers are divided by their largest singular value (spectralNorm), so its slope is at most the product of the
// caps. Take `control` away and the critic may get as steep as it likes: modes are then often lost.
import { defaultDevice, init, numpy as np, random } from "@jax-js/jax";
import { compile } from "lipschitz/compile";
import {
  adam,
  bound,
  differentiate,
  ganLosses,
  leakyRelu,
  linear,
  relu,
  sequential,
  spectralNorm,
} from "lipschitz/train";

const settings = { modes: 8, radius: 2, spread: 0.02, latent: 2, width: 64, batch: 128, cap: 2, seed: 0 };
const steps = Number(process.argv[2] ?? 2500);
const criticSteps = 2;

await init("wasm");
defaultDevice("wasm");

const control = spectralNorm({ cap: settings.cap });
const critic = sequential(
  linear(settings.width, { control }),
  leakyRelu(0.1),
  linear(settings.width, { control }),
  leakyRelu(0.1),
  linear(1, { control }),
);
const generator = sequential(linear(settings.width), relu(), linear(settings.width), relu(), linear(2));
const rule = adam({ learningRate: 1e-3, beta1: 0.5, beta2: 0.9 });
const loss = ganLosses.hinge;

// A step is a pure function of trees, compiled with its gradients. Trees that live on (params, state) are lent to the library's
// functions; what flows through (keys, batches, outputs) is consumed.
const criticStep = compile((own, other, optimizer, key) => {
  const [realKey, noiseKey] = random.split(key, 2);
  const state = critic.advance(own.params, own.state); // one power iteration
  const real = ring(realKey, settings.batch);
  const fake = generator.apply(other.params, other.state, noise(noiseKey, settings.batch)).y;
  const { gradient } = differentiate((params) => {
    const scores = (x) => critic.apply(params, state, x).y;
    return { loss: loss.critic(scores(real), scores(fake)), aux: [] };
  }, own.params);
  const next = rule.update(gradient, optimizer, own.params);
  return [{ params: next.params, state }, other, next.state];
});
const generatorStep = compile((own, other, optimizer, key) => {
  const { gradient } = differentiate((params) => {
    const fake = generator.apply(params, own.state, noise(key, settings.batch)).y;
    return { loss: loss.generator(critic.apply(other.params, other.state, fake).y), aux: [] };
  }, own.params);
  const next = rule.update(gradient, optimizer, own.params);
  return [{ params: next.params, state: own.state }, other, next.state];
});
const generate = compile((own, key) => generator.apply(own.params, own.state, noise(key, 2500)).y);

let draws = settings.seed;
const nextKey = () => random.key(draws++);
let c = critic.init(nextKey(), [2]);
let g = generator.init(nextKey(), [settings.latent]);
let [cOptimizer, gOptimizer] = [rule.init(c.params), rule.init(g.params)];

for (let step = 0; step < steps; step++) {
  for (let k = 0; k < criticSteps; k++) [c, g, cOptimizer] = await criticStep(c, g, cOptimizer, nextKey());
  [g, c, gOptimizer] = await generatorStep(g, c, gOptimizer, nextKey());
}

report(await (await generate(g, nextKey())).data());
const { lower, upper } = await bound(critic, c.params, c.state, { inputShape: [2] });
console.log(`critic: Lipschitz constant at least ${lower.toFixed(2)} and at most ${upper.toFixed(2)}`);

/** Points of the ring, as the critic takes them. */
function ring(key, count) {
  const [modeKey, spreadKey] = random.split(key, 2);
  const mode = np.floor(random.uniform(modeKey, [count, 1]).mul(settings.modes));
  const angle = mode.mul((2 * Math.PI) / settings.modes);
  const centre = np.concatenate([np.cos(angle.ref), np.sin(angle)], 1).mul(settings.radius);
  return centre.add(random.normal(spreadKey, [count, 2]).mul(settings.spread));
}

function noise(key, count) {
  return random.normal(key, [count, settings.latent]);
}

/** A mode is found when a sample lies within 3 standard deviations of it. */
function report(points) {
  const found = new Set();
  let good = 0;
  for (let i = 0; i < points.length; i += 2) {
    const turn = Math.atan2(points[i + 1], points[i]) / (2 * Math.PI);
    const mode = (Math.round(turn * settings.modes) + settings.modes) % settings.modes;
    const angle = (2 * Math.PI * mode) / settings.modes;
    const [x, y] = [settings.radius * Math.cos(angle), settings.radius * Math.sin(angle)];
    if (Math.hypot(points[i] - x, points[i + 1] - y) > 3 * settings.spread) continue;
    found.add(mode);
    good++;
  }
  const share = ((200 * good) / points.length).toFixed(1);
  console.log(`modes found: ${found.size} of ${settings.modes}; samples near a mode: ${share} %`);
}
