import { expect } from "vitest";
import type { TensorEntry } from "../../formats/model.ts";
import { type Rescaling, rescale } from "../homogeneity.ts";
import { signalGraph } from "../homogeneity-graph.ts";
import { openTestModel, randomNumbers, run, sessionFor, type TestModel } from "./run-onnx.ts";

/** Factors of stored tensors by name; 1 for the others. */
export type Factors = Readonly<Record<string, number>>;

export async function rescaled(model: TestModel, factors: Factors): Promise<Rescaling> {
  const graph = await signalGraph(await openTestModel(model));
  return rescale(graph, (tensor: TensorEntry) => factors[tensor.name] ?? 1);
}

/** The model with its tensors multiplied as the rescaling asks, and by what each was multiplied. */
function renewed(model: TestModel, { demands }: Rescaling): { model: TestModel; by: Record<string, number> } {
  const by: Record<string, number> = {};
  for (const { tensor, multiplier } of demands) {
    expect(by[tensor.name] ?? multiplier, tensor.name).toBeCloseTo(multiplier, 12);
    by[tensor.name] = multiplier;
  }
  const initializers = (model.initializers ?? []).map((tensor) =>
    tensor.data instanceof Float32Array
      ? { ...tensor, data: tensor.data.map((x) => x * (by[tensor.name] ?? 1)) }
      : tensor,
  );
  return { model: { ...model, initializers }, by };
}

/**
 * Multiplies weights of a small model, lets its constants follow, and holds the runtime's new outputs against the old
 * ones times the stated numbers, at random inputs.
 * @returns what multiplied each stored tensor that was asked about, and the outputs.
 */
export async function checkRescaling(
  model: TestModel,
  factors: Factors,
): Promise<{ readonly by: Readonly<Record<string, number>>; readonly scales: readonly number[] }> {
  const rescaling = await rescaled(model, factors);
  const after = renewed(model, rescaling);
  const [old, fresh] = [await sessionFor(model), await sessionFor(after.model)];
  const random = randomNumbers(7);
  const largest = new Map<string, number>();
  for (let k = 0; k < 6; k++) {
    const feeds = Object.fromEntries(
      model.inputs.map(({ name, shape }) => {
        const dims = shape as readonly number[];
        const size = dims.reduce((a, b) => a * b, 1);
        return [name, { dims, data: Float32Array.from({ length: size }, () => 3 * random()) }];
      }),
    );
    const [before, now] = [await run(old, feeds), await run(fresh, feeds)];
    for (const { name, scale } of rescaling.outputs) {
      const wanted = before[name].data.map((x) => x * scale);
      const size = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      largest.set(name, Math.max(largest.get(name) ?? 0, size));
      now[name].data.forEach((x, i) => {
        expect(Math.abs(x - wanted[i]), `${name}[${i}]`).toBeLessThanOrEqual(2e-6 * size);
      });
    }
  }
  for (const [name, size] of largest) expect(size, `${name} is not zero throughout`).toBeGreaterThan(0);
  await old.release();
  await fresh.release();
  return { by: after.by, scales: rescaling.outputs.map(({ scale }) => scale) };
}
