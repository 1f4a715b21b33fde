import { addUp, mulUp, sqrtUp } from "../../linalg/rounding.ts";
import { rootUp } from "../constants/rule.ts";
import { broadcastOffsets, broadcastShapes } from "../shapes/value.ts";
import { sizeOf } from "./index-maps.ts";
import { SKIP_EPSILON } from "./normalization-constant.ts";
import { epsilonOf, MISFIT, refusal, spread } from "./normalization-operation.ts";
import { normalized } from "./normalized-groups.ts";
import type { Box, GeneralOperation } from "./operation.ts";
import { gathered, scattered } from "./rearranged-part.ts";
import type { OperationRule } from "./rule.ts";
import { roundDown, roundUp } from "./scalar-interval.ts";

/** One term of a sum of broadcast tensors. */
interface Term {
  readonly sources: Int32Array;
  readonly size: number;
  /** Absent for a signal. */
  readonly data?: Float64Array | undefined;
}

/** Output that holds the sum itself. */
const SUM = 3;

/**
 * com.microsoft's (input + skip + bias), then a layer normalisation with scale gamma and bias beta.
 * Reference: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.SkipLayerNormalization
 */
export function skipOperation({ centred }: { readonly centred: boolean }): OperationRule {
  return (binding) => {
    const wrong = refusal(binding, [2, 3, 4]);
    if (wrong !== undefined) return wrong;
    const { inputs, outputs } = binding;
    const x = outputs[0]?.shape ?? [];
    const row = x.slice(-1);
    const scale = spread(inputs[2], row);
    const bias = centred ? spread(inputs[3], row) : undefined;
    if (scale === null || bias === null) return MISFIT;
    const terms: Term[] = [];
    for (const input of [inputs[0], inputs[1], inputs[centred ? 4 : 3]]) {
      if (input === undefined) continue;
      if (broadcastShapes(input.shape, x)?.join() !== x.join()) return MISFIT;
      const sources = Int32Array.from(broadcastOffsets(input.shape, x));
      terms.push({ sources, size: sizeOf(input.shape), data: input.data });
    }
    const denominator = epsilonOf(binding, SKIP_EPSILON);
    const of = normalized({ size: sizeOf(x), n: row[0] ?? 1, centred, denominator, scale, bias });
    return afterSum(of, sizeOf(x), terms, outputs[SUM] !== undefined);
  };
}

/** An operation on a sum, with the sum itself behind its result where that is asked for. */
function afterSum(
  of: GeneralOperation,
  size: number,
  terms: readonly Term[],
  both: boolean,
): GeneralOperation {
  const signals = terms.filter((t) => t.data === undefined);
  const add = (parts: readonly Float64Array[]) => {
    const z = parts[0].slice();
    for (const part of parts.slice(1)) for (let i = 0; i < size; i++) z[i] += part[i];
    return z;
  };
  const values = (x: readonly Float64Array[]) => {
    let next = 0;
    return add(terms.map((t) => gathered(t.data ?? x[next++], t.sources)));
  };
  const moves = (dx: readonly Float64Array[]) => add(signals.map((t, i) => gathered(dx[i], t.sources)));
  const box = (x: readonly Box[]): Box => {
    let next = 0;
    const ends = terms.map(({ data, sources }) => {
      const { lo, hi } = data === undefined ? x[next++] : { lo: data, hi: data };
      return { lo: gathered(lo, sources), hi: gathered(hi, sources) };
    });
    return ends.reduce((a, b) => ({
      lo: a.lo.map((v, i) => roundDown(v + b.lo[i])),
      hi: a.hi.map((v, i) => roundUp(v + b.hi[i])),
    }));
  };
  const withSum = (y: Float64Array, z: Float64Array) => {
    if (!both) return y;
    const all = new Float64Array(2 * size);
    all.set(y);
    all.set(z, size);
    return all;
  };
  return {
    kind: "general",
    forward(x) {
      const z = values(x);
      return withSum(of.forward([z]), z);
    },
    jvp(x, y, dx) {
      const dz = moves(dx);
      return withSum(of.jvp([values(x)], y.subarray(0, size), [dz]), dz);
    },
    vjp(x, y, dy) {
      const [dz] = of.vjp([values(x)], y.subarray(0, size), dy.subarray(0, size));
      const total = both ? add([dz, dy.subarray(size)]) : dz;
      return signals.map((t) => scattered(total, t.sources, t.size));
    },
    image(x) {
      const z = box(x);
      const y = of.image!([z]);
      return { lo: withSum(y.lo, z.lo), hi: withSum(y.hi, z.hi) };
    },
    local(x) {
      const found = of.local!([box(x)]);
      if (found === null) return null;
      const [c] = found.constants;
      const joint = both ? sqrtUp(addUp(mulUp(c, c), 1)) : c;
      return { constants: signals.map((t) => mulUp(joint, rootUp(size / t.size))), join: "sum" };
    },
  };
}
