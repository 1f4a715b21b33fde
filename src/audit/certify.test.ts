import { describe, expect, it } from "vitest";
import { denseNetwork, exactRadius, type Layer } from "../../test/support/certify-networks.ts";
import { labelledArchive, labelsFile, pointsFile } from "../../test/support/data-files.ts";
import { forward, outputsOf } from "../network/evaluate.ts";
import { type Network, NetworkError } from "../network/network.ts";
import { randomNumbers } from "../network/testing/run-onnx.ts";
import { certifyNetwork, type MakeCertifier } from "./certify.ts";
import type { CertifyOptions, CertifyProgress } from "./certify-settings.ts";

const model = { files: ["m.onnx"], format: "onnx", bytes: 1000 };

/** A certifier that knows the radii of a linear classifier, or makes them `factor` times as large. */
function linearCertifier(layer: Layer, factor = 1 - 1e-12, seen: unknown[] = []): MakeCertifier {
  return async (network, options) => {
    seen.push(options);
    return {
      lipschitz: { lower: 1, upper: 2, guarantee: "probable", failureProbability: 1e-9, method: "product" },
      certify(x, label) {
        const [outputs] = outputsOf(network, forward(network, [x]));
        const predicted = outputs.indexOf(Math.max(...outputs));
        const radius = predicted === label ? factor * exactRadius(layer, x, label) : 0;
        return { predicted, radius: Math.max(radius, 0) };
      },
    };
  };
}

/** Two classes told apart by x₀ against 0: the radius of (a, b) is |a|. */
const axis: Layer = {
  weights: [
    [1, 0],
    [-1, 0],
  ],
};
const axisNetwork = denseNetwork(axis);
const axisPoints = [
  [0.2, 5],
  [0.6, 1],
  [-0.4, 0],
  [-2, 1],
  [0.05, 0],
];
/** The last one is wrong. */
const axisLabels = [0, 0, 1, 1, 1];

function certifyAxis(
  options: CertifyOptions = {},
  make = linearCertifier(axis),
  network: Network = axisNetwork,
) {
  return certifyNetwork(
    make,
    network,
    model,
    { points: labelledArchive(axisPoints, axisLabels) },
    { seed: 1, ...options },
  );
}

describe("a classifier whose radii are known", () => {
  it("reports what can be counted by hand", async () => {
    const report = await certifyAxis({ epsilons: [1, 0.1, 0.5, 0.1, 0.3] });
    const { seconds, radii, settings, ...rest } = report;
    expect(rest).toEqual({
      schema: "lipschitz.certify/1",
      model,
      data: { files: ["data in memory"], shape: [2], classes: 2 },
      points: 5,
      clean: 0.8,
      certified: { "0.1": 0.8, "0.3": 0.6, "0.5": 0.4, "1": 0.2 },
      attacked: { "0.1": 0.8, "0.3": 0.6, "0.5": 0.4, "1": 0.2 },
      attackedPoints: 5,
      attackedSample: { clean: 0.8, certified: { "0.1": 0.8, "0.3": 0.6, "0.5": 0.4, "1": 0.2 } },
      violations: 0,
      violated: [],
      classes: [
        {
          label: 0,
          points: 2,
          clean: 1,
          certified: { "0.1": 1, "0.3": 0.5, "0.5": 0.5, "1": 0 },
          median: expect.closeTo(0.2, 6),
        },
        {
          label: 1,
          points: 3,
          clean: 2 / 3,
          certified: { "0.1": 2 / 3, "0.3": 2 / 3, "0.5": 1 / 3, "1": 1 / 3 },
          median: expect.closeTo(0.4, 6),
        },
      ],
      lipschitz: { lower: 1, upper: 2, guarantee: "probable", failureProbability: 1e-9, method: "product" },
    });
    expect(settings).toEqual({
      guarantee: "probable",
      failureProbability: 1e-9,
      seed: "1",
      version: expect.stringMatching(/^\d/),
      bound: "global",
      epsilons: [0.1, 0.3, 0.5, 1],
      attack: "pgd",
      attackSteps: 50,
      scale: 1,
      shift: 0,
    });
    expect(radii.median).toBeCloseTo(0.4, 6);
    [0.2, 0.6, 0.4, 2, 0].forEach((radius, i) => void expect(radii.values[i]).toBeCloseTo(radius, 6));
    // The attack finds the boundary, just beyond the radius, of all but the point whose ball is beyond every ε.
    [0.2, 0.6, 0.4].forEach((radius, i) => {
      expect(radii.attacked[i]).toBeCloseTo(radius, 2);
      expect(radii.attacked[i]).toBeGreaterThanOrEqual(radii.values[i]);
    });
    expect(radii.attacked.slice(3)).toEqual([null, 0]);
    expect(radii.histogram.edges).toHaveLength(25);
    expect(radii.histogram.counts.reduce((a, b) => a + b)).toBe(4);
    expect(radii.histogram.edges.at(-1)).toBe(Math.max(...radii.values));
    expect(seconds).toBeGreaterThan(0);
  });

  it("counts a radius only where it is larger than ε", async () => {
    const exactly = linearCertifier(
      {
        weights: [
          [1, 0],
          [-1, 0],
        ],
      },
      1,
    );
    const points = labelledArchive([[0.5, 0]], [0]);
    const report = await certifyNetwork(
      exactly,
      axisNetwork,
      model,
      { points },
      { epsilons: [0.5, 0.25], attack: "none" },
    );
    expect(report.radii.values).toEqual([0.5]);
    expect(report.certified).toEqual({ "0.25": 1, "0.5": 0 });
  });

  it("attacks the first points only, and says how they compare", async () => {
    const report = await certifyAxis({ epsilons: [0.5], attackPoints: 2 });
    expect(report.attackedPoints).toBe(2);
    expect(report.attacked).toEqual({ "0.5": 0.5 });
    expect(report.attackedSample).toEqual({ clean: 1, certified: { "0.5": 0.5 } });
    expect(report.certified).toEqual({ "0.5": 0.4 });
    expect(report.radii.attacked).toHaveLength(2);
  });

  it("attacks nothing when asked not to", async () => {
    const report = await certifyAxis({ attack: "none" });
    expect(report).toMatchObject({ attacked: {}, attackedPoints: 0, attackedSample: null, violations: 0 });
    expect(report.radii.attacked).toEqual([]);
  });

  it("finds radii on random linear classifiers of many classes, with no violation", async () => {
    const random = randomNumbers(3);
    const layer: Layer = { weights: Array.from({ length: 7 }, () => Array.from({ length: 9 }, random)) };
    const network = denseNetwork(layer);
    const points = Array.from({ length: 60 }, () => Array.from({ length: 9 }, () => Math.fround(random())));
    const labels = points.map((x) => {
      const [outputs] = outputsOf(network, forward(network, [Float64Array.from(x)]));
      return outputs.indexOf(Math.max(...outputs));
    });
    const sources = { points: pointsFile(points), labels: labelsFile(labels) };
    const report = await certifyNetwork(linearCertifier(layer), network, model, sources, {
      epsilons: [0.05, 0.1, 0.2],
    });
    expect(report.clean).toBe(1);
    expect(report.violations).toBe(0);
    // Radii are exact, so the attack must find exactly what is not certified.
    expect(report.attacked).toEqual(report.certified);
  });
});

describe("a certifier that is wrong", () => {
  it("is found out, even where every ε lies outside the radii it claims", async () => {
    const report = await certifyAxis({ epsilons: [0.01] }, linearCertifier(axis, 1.5));
    expect(report.violations).toBe(4);
    const [first] = report.violated;
    expect(first).toEqual({
      point: 0,
      label: 0,
      predicted: 1,
      distance: expect.any(Number),
      radius: expect.any(Number),
    });
    expect(first.distance).toBeGreaterThan(0.2);
    expect(first.distance).toBeLessThan(0.3);
    expect(first.radius).toBeCloseTo(0.3, 6);
    expect(report.violated.map(({ point }) => point)).toEqual([0, 1, 2, 3]);
  });

  it("is not accused where only rounding changes the class", async () => {
    expect((await certifyAxis({}, linearCertifier(axis, 1))).violations).toBe(0);
    expect((await certifyAxis({ scale: 1 / 3, shift: 0.1 }, linearCertifier(axis, 1))).violations).toBe(0);
  });

  it("is not accused where its ball has no end", async () => {
    const constant: Layer = { weights: [[0, 0]] };
    const network = denseNetwork(constant, { weights: [[1], [0]], bias: [1, 0] });
    const make: MakeCertifier = async (...args) => {
      const good = await linearCertifier(axis)(...args);
      return { ...good, certify: () => ({ predicted: 0, radius: Infinity }) };
    };
    const report = await certifyNetwork(
      make,
      network,
      model,
      { points: Float32Array.of(1, 2), labels: [0] },
      { seed: 1 },
    );
    expect(report).toMatchObject({ violations: 0, certified: { "1": 1 }, attacked: { "1": 1 } });
    expect(report.radii.values).toEqual([Number.MAX_VALUE]);
  });

  it("is stopped where it gives no radius", async () => {
    const make: MakeCertifier = async (...args) => {
      const good = await linearCertifier(axis)(...args);
      return { ...good, certify: () => ({ predicted: 0, radius: Number.NaN }) };
    };
    await expect(certifyAxis({}, make)).rejects.toThrow("the certified radius of point 0 is NaN");
  });
});

describe("scale and shift", () => {
  it("are seen by the network, and radii are told before them", async () => {
    // The network sees 2x − 1, so its boundary x₀ = 0 lies at 0.5, and radii halve.
    const report = await certifyAxis({ scale: 2, shift: -1, epsilons: [0.1] });
    [0, 0.1, 0.9, 2.5, 0.45].forEach(
      (radius, i) => void expect(report.radii.values[i]).toBeCloseTo(radius, 6),
    );
    expect(report.clean).toBe(0.8);
    expect(report.radii.attacked.map((d) => d === null || d > 0.099)).toEqual([
      false,
      true,
      true,
      true,
      true,
    ]);
    expect(report.violations).toBe(0);
  });

  it("round radii down and ask local bounds for balls a hair larger than ε", async () => {
    const seen: { epsilons?: readonly number[] }[] = [];
    const report = await certifyAxis(
      { scale: -1 / 255, bound: "local", epsilons: [0.1] },
      linearCertifier(axis, 1, seen),
    );
    const [x0] = Float32Array.of(-0.4);
    // The sign of the scale turns every class round: only the last point is right now.
    expect(report.clean).toBe(0.2);
    const [last] = report.radii.values.slice(-1);
    expect(last).toBeLessThan(Math.fround(0.05));
    expect(last).toBeGreaterThan(Math.fround(0.05) * (1 - 1e-12));
    expect(x0).toBeLessThan(0);
    const [ball] = seen[0].epsilons!;
    expect(ball / (0.1 / 255)).toBeGreaterThan(1);
    expect(ball / (0.1 / 255)).toBeLessThan(1 + 1e-8);
  });

  it("count a local ball that is certified whole", async () => {
    const whole: MakeCertifier = async (network, options) => {
      const good = await linearCertifier(axis)(network, options);
      return { ...good, certify: (x, label) => ({ ...good.certify(x, label), radius: options.epsilons[0] }) };
    };
    for (const units of [{}, { scale: 1 / 255, shift: -0.00117 }, { scale: 3 }]) {
      const { certified, clean } = await certifyAxis(
        { bound: "local", epsilons: [0.01], attack: "none", ...units },
        whole,
      );
      expect(certified).toEqual({ "0.01": clean });
    }
  });
});

describe("options, progress and interruption", () => {
  it.each([
    [{ epsilons: [] }, "there must be at least one ε"],
    [{ epsilons: [0] }, "ε must be a positive number, got 0"],
    [{ epsilons: [1, Number.NaN] }, "ε must be a positive number, got NaN"],
    [{ scale: 0 }, "the scale must be a number other than 0, got 0"],
    [{ shift: Infinity }, "the shift must be a number, got Infinity"],
    [{ attackSteps: 0 }, "attack steps must be a whole number from 1, got 0"],
    [{ attackPoints: 1.5 }, "attack points must be a whole number from 1, got 1.5"],
    [{ seed: -1 }, "the seed must be a whole number from 0 to 2^64 - 1, got -1"],
  ])("%j is refused", async (options, message) => {
    await expect(certifyAxis(options)).rejects.toThrow(
      expect.objectContaining({ name: "UsageError", message }),
    );
  });

  it("tells a network that cannot be certified by its file", async () => {
    const make: MakeCertifier = async () => {
      throw new NetworkError("network", "it has no finite Lipschitz bound");
    };
    await expect(certifyAxis({}, make)).rejects.toThrow(
      expect.objectContaining({
        name: "UsageError",
        message: "m.onnx: network: it has no finite Lipschitz bound",
      }),
    );
  });

  it("reports every point of both phases", async () => {
    const steps: CertifyProgress[] = [];
    await certifyAxis({ attackPoints: 2, onProgress: (step) => steps.push(step) });
    expect(steps.map(({ phase, index, count }) => `${phase} ${index}/${count}`)).toEqual([
      "bound 0/5",
      ...[0, 1, 2, 3, 4].map((i) => `certify ${i}/5`),
      "attack 0/2",
      "attack 1/2",
    ]);
  });

  it.each(["bound", "certify", "attack"])("stops between points during the phase %s", async (phase) => {
    const controller = new AbortController();
    const onProgress = (step: CertifyProgress) => {
      if (step.phase === phase) controller.abort(new Error("enough"));
    };
    await expect(certifyAxis({ signal: controller.signal, onProgress })).rejects.toThrow("enough");
  });

  it("gives the same report for the same seed", async () => {
    const [a, b] = [await certifyAxis(), await certifyAxis()];
    expect({ ...a, seconds: 0 }).toEqual({ ...b, seconds: 0 });
  });

  it("draws and records a seed when none is given", async () => {
    const { settings } = await certifyAxis({ seed: undefined });
    expect(settings.seed).toMatch(/^\d+$/);
  });
});
