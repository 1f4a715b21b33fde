import { describe, expect, it } from "vitest";
import { ArrayType } from "./array-type.ts";
import { elementCount, type Node } from "./graph.ts";
import { evaluated, expectClose, lowered, type Sample, Seeded } from "./testing/reference.ts";
import { criticStep, elmanStep, type MlpSizes, mlpStep, type TrainingStep } from "./testing/steps.ts";
import { nodesOf, operatorsOf } from "./testing/structure.ts";

const STEPS = 4;

async function trained({ step, samples, kept }: TrainingStep, run: typeof evaluated): Promise<Sample[][]> {
  const all: Sample[][] = [];
  let state = samples.slice(0, kept);
  for (let i = 0; i < STEPS; i++) {
    const results = await run(step, [...state, ...samples.slice(kept)]);
    all.push(results);
    state = results.slice(0, kept);
  }
  return all;
}

describe("training steps equal jax-js's", () => {
  it.each([
    ["MLP with a spectral norm, Adam", mlpStep],
    ["convolutional critic with a gradient penalty, Adam", criticStep],
    ["unrolled Elman network, Adam", elmanStep],
  ])("%s", async (_, make) => {
    const training = make(new Seeded(11));
    const expected = await trained(training, evaluated);
    const got = await trained(training, lowered);
    for (const [i, results] of got.entries()) {
      for (const [j, { data }] of results.entries()) expectClose(data, expected[i][j].data);
    }
    const losses = got.map((results) => results[results.length - 1].data[0]);
    expect(new Set(losses).size).toBe(STEPS);
  });
});

function typesOf({ samples }: TrainingStep): ArrayType[] {
  return samples.map(({ shape, dtype }) => new ArrayType(shape, dtype));
}

const stepNodes = (training: TrainingStep) => nodesOf(training.step, typesOf(training));

const sized = (nodes: readonly Node[], ...ops: string[]) =>
  nodes.filter(({ op }) => ops.includes(op)).map(({ shape }) => elementCount(shape));

describe("training steps are lowered well", () => {
  const MLP: MlpSizes = { batch: 64, inputs: 784, hidden: 512, classes: 10, spectral: false };

  it("a network of dense layers moves no matrix and repeats none", async () => {
    const nodes = await stepNodes(mlpStep(new Seeded(1), MLP));
    expect(sized(nodes, "transpose", "arrange", "expand")).toEqual([]);
    const products = nodes.filter(({ op, shape }) => op === "contract" && shape.length === 2);
    expect(products).toHaveLength(8);
  });

  it("Adam takes thirteen passes over a weight, and a spectral norm none", async () => {
    const passes = async (spectral: boolean) => {
      const nodes = await stepNodes(mlpStep(new Seeded(1), { ...MLP, spectral }));
      const views = ["input", "reshape"];
      const weightSized = nodes.filter(
        ({ op, shape }) => !views.includes(op) && elementCount(shape) === 784 * 512,
      );
      return weightSized.map(({ op }) => op).sort();
    };
    const plain = await passes(false);
    expect(plain.filter((op) => op === "contract")).toHaveLength(1);
    expect(plain.length - 1).toBeLessThanOrEqual(13);
    expect(await passes(true)).toEqual(plain);
  });

  it("a spectral norm's products with the weight are its power iteration's", async () => {
    const nodes = await stepNodes(mlpStep(new Seeded(1), { ...MLP, spectral: true }));
    const ofWeight = nodes.filter(
      ({ op, inputs }) =>
        op === "contract" &&
        inputs.some((input) => input.op === "input" && elementCount(input.shape) === 784 * 512),
    );
    // x Wᵀ, W v and Wᵀ u; σ and its gradient follow from these.
    expect(ofWeight).toHaveLength(3);
  });

  it("a recurrent layer's weight gradient is one product over all steps", async () => {
    const nodes = await stepNodes(elmanStep(new Seeded(1)));
    const ofKernel = nodes.filter(({ op, shape }) => op === "contract" && `${shape}` === "5,5");
    expect(ofKernel).toHaveLength(1);
    const operators = await operatorsOf(elmanStep(new Seeded(1)).step, typesOf(elmanStep(new Seeded(1))));
    expect(operators).toMatchObject({ Tanh: 6 });
    expect(operators.Expand).toBeUndefined();
  });
});
