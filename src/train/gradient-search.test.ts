import { defaultDevice, init, random, tree } from "@jax-js/jax";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModel } from "../formats/open.ts";
import { RandomStream } from "../linalg/random.ts";
import { attack, proposed } from "../network/attack.ts";
import { forward, outputsOf } from "../network/evaluate.ts";
import { importOnnx } from "../network/import-onnx.ts";
import { sequential } from "./compositions.ts";
import { spectralNorm } from "./controls/spectral-norm.ts";
import { exportOnnx } from "./export/onnx.ts";
import { type GradientSearchOptions, gradientSearch } from "./gradient-search.ts";
import { linear } from "./layers/linear.ts";
import { relu } from "./layers/relu.ts";
import type { Tree } from "./types.ts";

const [INPUTS, CLASSES, POINTS, STEPS] = [6, 3, 150, 20];
const net = sequential(linear(16, { control: spectralNorm({ cap: 3 }) }), relu(), linear(CLASSES));
let [params, state]: Tree[] = [];

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
  ({ params, state } = net.init(random.key(4), [INPUTS]));
});
afterAll(() => tree.dispose([params, state] as never));

const options = { inputShape: [INPUTS], classes: CLASSES };
const pause = async () => {};

describe("gradientSearch", () => {
  it("finds what the attack in float64 finds, in more targets than a block holds", async () => {
    const { bytes } = await exportOnnx(net, params, state, { inputShape: [INPUTS], tolerance: 0.5 });
    const model = await openModel(bytes);
    const network = await importOnnx(model);
    await model.close();
    const search = await gradientSearch(net, params, state, options);
    const stream = new RandomStream(2n);
    const targets = Array.from({ length: POINTS }, (_, i) => {
      const z = Float64Array.from({ length: INPUTS }, () => stream.normal());
      const [outputs] = outputsOf(network, forward(network, [z]));
      return { z, label: outputs.indexOf(Math.max(...outputs)), budget: 0.3, seed: BigInt(i) };
    });
    const found = await search.find(targets, STEPS, pause);
    search.dispose();
    let [turned, agree] = [0, 0];
    for (const [i, { z, label, budget, seed }] of targets.entries()) {
      const exact = await attack(network, z, label, budget, { steps: STEPS, seed });
      const proposal = found[i];
      const confirmed = proposal !== null && proposed(network, z, label, budget, proposal) !== null;
      if (confirmed) turned++;
      if (confirmed === (exact !== null)) agree++;
    }
    expect(turned / POINTS).toBeGreaterThan(0.1);
    expect(turned / POINTS).toBeLessThan(0.9);
    expect(agree).toBeGreaterThan(0.97 * POINTS);
  });

  it("refuses options that are unknown or do not fit the network", async () => {
    const refused = (changed: object, message: RegExp) =>
      expect(
        gradientSearch(net, params, state, { ...options, ...changed } as GradientSearchOptions),
      ).rejects.toThrow(message);
    await refused({ steps: 3 }, /gradientSearch has no option "steps"/);
    await refused({ classes: 10 }, /outputs of shape \[3\], and classes is 10/);
    await refused({ classes: 0 }, /classes must be a whole number/);
    await refused({ inputShape: 6 }, /inputShape/);
  });
});
