import { expect } from "vitest";
import type { NodeDescription } from "../../formats/onnx/encode.ts";
import { constantsOf } from "./constants-of.ts";
import { int, openTestModel, type TestModel } from "./run-onnx.ts";

/** A model of one node, for tests of its rule. */
export interface OneNode {
  readonly opset?: number;
  /** Shapes of the float inputs x0, x1, …; default one of [2, 3]. */
  readonly shapes?: readonly (readonly number[])[];
  readonly attributes?: NonNullable<NodeDescription["attributes"]>;
  readonly constants?: NonNullable<TestModel["initializers"]>;
  /** The node's inputs by name, "" for an omitted one; default the float inputs, then the constants. */
  readonly inputs?: readonly string[];
  /** Types of the outputs y0, y1, …; those that are not float32 are cast to it, nobody reads those of "". Default one float32. */
  readonly types?: readonly string[];
  readonly domain?: string;
}

const FLOAT32 = 1;

export function oneNode(opType: string, one: OneNode = {}): TestModel {
  const { opset = 17, shapes = [[2, 3]], attributes = {}, constants = [], types = ["float32"], domain } = one;
  const inputs = one.inputs ?? [...shapes.map((_, i) => `x${i}`), ...constants.map((c) => c.name)];
  const whole = types.map((type) => type !== "float32" && type !== "");
  const names = types.map((type, i) => (type === "" ? `u${i}` : whole[i] ? `n${i}` : `y${i}`));
  const casts = types.flatMap((_, i) =>
    whole[i]
      ? [{ opType: "Cast", inputs: [`n${i}`], outputs: [`y${i}`], attributes: { to: int(FLOAT32) } }]
      : [],
  );
  return {
    opset,
    nodes: [
      { opType, name: "node", inputs, outputs: names, attributes, ...(domain ? { domain } : {}) },
      ...casts,
    ],
    initializers: constants,
    inputs: shapes.map((shape, i) => ({ name: `x${i}`, shape })),
    outputs: types.flatMap((type, i) => (type === "" ? [] : [{ name: `y${i}` }])),
    ...(domain ? { domains: { [domain]: 1 } } : {}),
  };
}

/** Holds a model's constants to those known by hand, one per input: not below them, above by rounding only. */
export async function expectConstants(model: TestModel, known: readonly number[] | null): Promise<void> {
  const found = await constantsOf(await openTestModel(model));
  if (known === null) return void expect(found).toBeNull();
  expect(found?.constants).toHaveLength(known.length);
  found?.constants.forEach((c, i) => {
    expect(c).toBeGreaterThanOrEqual(known[i]);
    expect(c).toBeLessThanOrEqual(known[i] * (1 + 2e-14));
  });
}
