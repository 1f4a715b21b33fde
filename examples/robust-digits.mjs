// A classifier of handwritten digits whose predictions come with radii: no change of the picture that is shorter turns them.
//
//   node examples/robust-digits.mjs       about 20 seconds; writes robust-digits.onnx
//
// Orthonormal layers (bjorck) stretch nothing, sorting (maxMin) loses nothing, so the network is 1-Lipschitz and can still be
// as steep as 1 where it matters. A margin between outputs is then a distance between pictures.
import { certify, openModel } from "lipschitz";
import { exportOnnx } from "lipschitz/compile";
import {
  adam,
  bjorck,
  cosine,
  createTrainer,
  dataset,
  linear,
  loadDigits,
  maxMin,
  multiclassHinge,
  sequential,
} from "lipschitz/train";

const settings = {
  hidden: 256,
  batch: 64,
  learningRate: 6e-3,
  margin: 2,
  seed: 1,
  file: "robust-digits.onnx",
};
const epochs = Number(process.argv[2] ?? 8);

const { train, test } = await loadDigits();
const digits = dataset(
  { x: { data: train.x, shape: [train.count, 784] }, y: { data: train.y, shape: [train.count] } },
  { classes: 10 },
);

const control = bjorck();
const net = sequential(
  linear(settings.hidden, { control }),
  maxMin(),
  linear(settings.hidden, { control }),
  maxMin(),
  linear(10, { control }),
);

const batches = digits.batches({ size: settings.batch, seed: settings.seed });
const steps = Math.ceil(epochs * batches.perEpoch);
const trainer = createTrainer({
  net,
  inputShape: [784],
  loss: ({ outputs, batch }) => multiclassHinge(outputs, batch.y, { margin: settings.margin }),
  optimizer: adam({ learningRate: cosine({ initial: settings.learningRate, steps }) }),
  seed: settings.seed,
});
for (let step = 0; step < steps; step++) {
  const { loss } = await trainer.step(batches.at(step));
  if (step % batches.perEpoch === 0) console.log(`epoch ${step / batches.perEpoch}: loss ${loss.toFixed(3)}`);
}

// The weights are divided by proved bounds of their norms, and the file is read back, audited and compared before it is kept.
const exported = await exportOnnx(net, trainer.params, trainer.state, {
  inputShape: [784],
  path: settings.file,
});
const { lower, upper } = exported.report.network.lipschitz;
console.log(
  `${settings.file}: Lipschitz constant at least ${lower.toFixed(3)} and at most ${upper.toFixed(6)} (proof)`,
);
await trainer.dispose();

const model = await openModel(settings.file);
const report = await certify(model, test.x, test.y, {
  epsilons: [0.3, 1.58],
  guarantee: "proof",
  attack: "none",
});
await model.close();
const percent = (share) => `${(100 * share).toFixed(1)} %`;
console.log(
  `clean ${percent(report.clean)}, certified at 0.3: ${percent(report.certified["0.3"])}, at 1.58: ${percent(report.certified["1.58"])}`,
);
