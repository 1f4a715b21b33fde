import { defaultDevice, init, type Array as JaxArray, numpy as np, tree } from "@jax-js/jax";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect } from "vitest";
import { arrayData, type HostData, hostData } from "../element-types.ts";
import { elementCount, type Shape } from "../graph.ts";
import { lower } from "../lower.ts";
import type { ElementType } from "../lowered.ts";
import { traceFunction } from "../trace.ts";

/** An argument from which both sides make their own array. */
export interface Sample {
  readonly shape: Shape;
  readonly dtype: ElementType;
  readonly data: HostData;
}

export type ArrayFunction = (...args: JaxArray[]) => unknown;

let ready: Promise<void> | undefined;

/** Starts jax-js on WebAssembly, once. */
export function jaxReady(): Promise<void> {
  ready ??= init("wasm").then(() => {
    defaultDevice("wasm");
  });
  return ready;
}

function jaxArray({ shape, dtype, data }: Sample): JaxArray {
  // jax-js makes no arrays from empty data.
  if (data.length === 0) return np.zeros([...shape], { dtype: dtype as never });
  if (dtype === "float64") return doubles(shape, data);
  return np.array(arrayData(dtype, data) as Float32Array<ArrayBuffer>, {
    shape: [...shape],
    dtype: dtype as never,
  });
}

/** Doubles from two halves: where there is no Float16Array, jax-js makes arrays from Float32Arrays but not from Float64Arrays. */
function doubles(shape: Shape, data: HostData): JaxArray {
  const high = Float32Array.from(data);
  const low = Float32Array.from(data, (x, i) => x - high[i]);
  const [a, b] = [high, low].map((half) => np.array(half, { shape: [...shape] }).astype(np.float64));
  return a.add(b);
}

/** The function run by jax-js, one operation after the other. */
export async function evaluated(fn: ArrayFunction, samples: readonly Sample[]): Promise<Sample[]> {
  await jaxReady();
  const results = tree.leaves(fn(...samples.map(jaxArray)) as never) as unknown as JaxArray[];
  const arrays = results.map((result) => np.array(result));
  return Promise.all(
    arrays.map(async (array) => {
      const { shape, dtype } = array;
      const data = await array.data();
      return { shape, dtype, data: hostOf(dtype, data) };
    }),
  );
}

function hostOf(dtype: ElementType, data: ArrayLike<number>): HostData {
  const host = hostData(dtype, data.length);
  host.set(data as never);
  return host;
}

/** The function lowered and run by onnxruntime. */
export async function lowered(fn: ArrayFunction, samples: readonly Sample[]): Promise<Sample[]> {
  await jaxReady();
  const program = lower(traceFunction(fn as never, samples.map(jaxArray)));
  const session = await InferenceSession.create(program.bytes, { intraOpNumThreads: 2, logSeverityLevel: 3 });
  const feeds: Record<string, Tensor> = {};
  for (const [i, { name, dtype, shape }] of program.inputs.entries()) {
    if (name !== "") feeds[name] = new Tensor(dtype, samples[i].data as never, shape);
  }
  const results = await session.run(feeds);
  const outputs = program.outputs.map(({ name, shape, dtype }) => {
    const { data, dims, type } = results[name];
    expect({ type, dims: [...dims] }).toEqual({ type: dtype, dims: [...shape] });
    return { shape, dtype, data: data as unknown as HostData };
  });
  await session.release();
  return outputs;
}

/** What may differ: a share of the largest magnitude of an array of floats. */
export const TOLERANCE = 1e-5;

/**
 * Both ways give the same: floats to a tolerance relative to each array's largest magnitude, but at least `unit`;
 * everything else exactly.
 */
export async function expectSame(
  fn: ArrayFunction,
  samples: readonly Sample[],
  unit?: number,
): Promise<void> {
  const [expected, got] = [await evaluated(fn, samples), await lowered(fn, samples)];
  expect(got.map(typeOf)).toEqual(expected.map(typeOf));
  for (const [i, { data, dtype }] of expected.entries()) {
    if (dtype.startsWith("float")) expectClose(got[i].data, data, TOLERANCE, unit);
    else expect([...got[i].data]).toEqual([...data]);
  }
}

function typeOf({ shape, dtype }: Sample): unknown {
  return { shape: [...shape], dtype };
}

export function expectClose(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance = TOLERANCE,
  unit = 1e-30,
): void {
  const finite = Array.from(expected).filter(Number.isFinite).map(Math.abs);
  const allowed = tolerance * Math.max(...finite, unit);
  for (let i = 0; i < expected.length; i++) {
    const same = Object.is(got[i], expected[i]) || got[i] === expected[i];
    if (!same && !(Math.abs(got[i] - expected[i]) <= allowed)) {
      expect.fail(`element ${i}: got ${got[i]}, expected ${expected[i]} ± ${allowed}`);
    }
  }
}

/** Numbers that a seed determines, uniform in [0, 1). */
export class Seeded {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from low to high. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** Floats in [−2, 2), integers from −9 (or 0) to 9, truth values. */
  sample(shape: Shape, dtype: ElementType = "float32"): Sample {
    return this.between(
      shape,
      dtype,
      dtype === "uint32" || dtype === "bool" ? 0 : -9,
      dtype === "bool" ? 1 : 9,
    );
  }

  /** Floats around zero, or whole numbers in a range. */
  between(shape: Shape, dtype: ElementType, low: number, high: number): Sample {
    const data = hostData(dtype, elementCount(shape));
    const float = dtype.startsWith("float");
    for (let i = 0; i < data.length; i++) data[i] = float ? this.next() * 4 - 2 : this.integer(low, high);
    return { shape, dtype, data };
  }
}

/** An array of given numbers. */
export function sampleOf(
  values: readonly number[],
  shape: Shape = [values.length],
  dtype: ElementType = "float32",
): Sample {
  const data = hostData(dtype, values.length);
  data.set(values);
  return { shape, dtype, data };
}
