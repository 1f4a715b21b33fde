// A GAN that learns eight points on a circle, with a critic that cannot be steep.
//
//   node examples/gan-ring.mjs            about 20 seconds; ends with how many of the 8 modes were found
//
// The critic's layers are divided by their largest singular value (spectralNorm), so its slope is at most the product of the
// caps. Take `control` away and the critic may get as steep as it likes: modes are then often lost.
import { defaultDevice, init, random } from "@jax-js/jax";
import { compile, toNative } from "lipschitz/compile";
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

const settings = {
  modes: 8,
  radius: 2,
  spread: 0.02,
  latent: 2,
  width: 64,
  batch: 128,
  criticSteps: 2,
  cap: 2,
  seed: 0,
};
const steps = Number(process.argv[2] ?? 2500);

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

// A step is a pure function of trees, written once and compiled with its gradients. Trees that live on (params, state) are lent
// to the library's functions; what flows through (batches, outputs) is consumed, so it takes a .ref to use it twice.
const criticStep = compile((own, other, optimizer, real, noise) => {
  const state = critic.advance(own.params, own.state); // one power iteration
  const fake = generator.apply(other.params, other.state, noise).y;
  const { gradient } = differentiate((params) => {
    const scores = (x) => critic.apply(params, state, x).y;
    return { loss: loss.critic(scores(real), scores(fake)), aux: [] };
  }, own.params);
  const next = rule.update(gradient, optimizer, own.params);
  return [{ params: next.params, state }, other, next.state];
});
const generatorStep = compile((own, other, optimizer, noise) => {
  const { gradient } = differentiate((params) => {
    const fake = generator.apply(params, own.state, noise).y;
    return { loss: loss.generator(critic.apply(other.params, other.state, fake).y), aux: [] };
  }, own.params);
  const next = rule.update(gradient, optimizer, own.params);
  return [{ params: next.params, state: own.state }, other, next.state];
});
const generate = compile((own, noise) => [generator.apply(own.params, own.state, noise).y, own]);

const [criticKey, generatorKey] = random.split(random.key(settings.seed), 2);
let c = critic.init(criticKey, [2]);
let g = generator.init(generatorKey, [settings.latent]);
let [cOptimizer, gOptimizer] = [rule.init(c.params), rule.init(g.params)];

const uniform = mulberry32(settings.seed + 1);
for (let step = 0; step < steps; step++) {
  for (let k = 0; k < settings.criticSteps; k++) {
    [c, g, cOptimizer] = await criticStep(c, g, cOptimizer, ring(settings.batch), noise(settings.batch));
  }
  [g, c, gOptimizer] = await generatorStep(g, c, gOptimizer, noise(settings.batch));
}

const [samples, kept] = await generate(g, noise(2500));
g = kept;
report(await samples.data());
const interval = await bound(critic, c.params, c.state, { inputShape: [2] });
console.log(
  `critic: Lipschitz constant at least ${interval.lower.toFixed(2)} and at most ${interval.upper.toFixed(2)}`,
);

/** Points of the ring, as the critic takes them. */
function ring(count) {
  const points = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const angle = (2 * Math.PI * Math.floor(settings.modes * uniform())) / settings.modes;
    points[2 * i] = settings.radius * Math.cos(angle) + settings.spread * normal();
    points[2 * i + 1] = settings.radius * Math.sin(angle) + settings.spread * normal();
  }
  return toNative(points, [count, 2]);
}

function noise(count) {
  return toNative(Float32Array.from({ length: settings.latent * count }, normal), [count, settings.latent]);
}

/** A mode is found when a sample lies within 3 standard deviations of it. */
function report(points) {
  const found = new Set();
  let good = 0;
  for (let i = 0; i < points.length; i += 2) {
    const turn = Math.atan2(points[i + 1], points[i]) / (2 * Math.PI);
    const mode = (Math.round(turn * settings.modes) + settings.modes) % settings.modes;
    const angle = (2 * Math.PI * mode) / settings.modes;
    const [dx, dy] = [
      points[i] - settings.radius * Math.cos(angle),
      points[i + 1] - settings.radius * Math.sin(angle),
    ];
    if (Math.hypot(dx, dy) > 3 * settings.spread) continue;
    found.add(mode);
    good++;
  }
  console.log(
    `modes found: ${found.size} of ${settings.modes}; samples near a mode: ${((200 * good) / points.length).toFixed(1)} %`,
  );
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
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
