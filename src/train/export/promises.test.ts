import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { sequential } from "../compositions.ts";
import { bjorck } from "../controls/bjorck.ts";
import { cayley } from "../controls/cayley.ts";
import { clipWeights } from "../controls/clip-weights.ts";
import type { Control } from "../controls/control.ts";
import { projectNorm } from "../controls/project-norm.ts";
import { clipSingularValues, singularBand } from "../controls/singular-band.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { conv2d } from "../layers/convolution.ts";
import { flatten } from "../layers/flatten.ts";
import { linear } from "../layers/linear.ts";
import { relu } from "../layers/relu.ts";
import { exportedAfterTraining } from "../testing/exported.ts";

const CONTROLS: Readonly<Record<string, Control>> = {
  spectralNorm: spectralNorm({ iterations: 3 }),
  "spectralNorm with a factor": spectralNorm({ cap: 0.5, learnableScale: true, iterations: 3 }),
  "spectralNorm only above": spectralNorm({ cap: 0.4, onlyAbove: true, iterations: 3 }),
  "spectralNorm of the kernel": spectralNorm({ cap: 0.9, norm: "reshaped", iterations: 3 }),
  bjorck: bjorck(),
  cayley: cayley({ cap: 2 }),
  singularBand: singularBand({ min: 0.5, max: 1 }),
  clipSingularValues: clipSingularValues({ cap: 0.7 }),
  projectNorm: projectNorm({ cap: 0.8, iterations: 3 }),
  clipWeights: clipWeights({ limit: 0.1 }),
};

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

describe("after training, the proved σ of an exported weight is at most its cap, for", () => {
  it.each(Object.entries(CONTROLS))("%s", async (_name, control) => {
    const net = sequential(conv2d(3, 3, { control, padding: 1 }), relu(), flatten(), linear(4, { control }));
    const { layers, report } = await exportedAfterTraining(net, [2, 3, 3]);
    const caps = layers.filter(({ cap }) => cap !== null);
    expect(caps.length).toBe(control.kind === "clipWeights" ? 0 : 2);
    for (const { name, cap, norm, sigma } of caps) {
      expect(sigma!.guarantee).toBe("proof");
      expect(sigma!.upper, name).toBeLessThanOrEqual(cap!);
      const audited = report.layers.find(({ weight }) => weight === name)!;
      const upper = norm === "operator" ? audited.sigma!.upper : audited.reshapedSigma?.upper;
      if (upper != null) expect(upper, name).toBeLessThanOrEqual(cap!);
    }
  });
});
