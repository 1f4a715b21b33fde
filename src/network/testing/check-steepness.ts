import { expect } from "vitest";
import { forward, readRef } from "../evaluate.ts";
import type { Network } from "../network.ts";
import { largestSingularValue } from "./linear.ts";

/** Larger Jacobians are left out: their singular values take too long. */
const MAX_ENTRIES = 1 << 14;

/**
 * Holds the local constants of every general operation, on the box of one point, against the norms of its Jacobian
 * there: what a sampled pair of points need not reach.
 */
export function checkSteepness(network: Network, inputs: readonly Float64Array[]): void {
  const tape = forward(network, inputs);
  network.nodes.forEach(({ operation, op, inputs: refs }, k) => {
    if (operation.kind !== "general") return;
    const x = refs.map((ref) => readRef(ref, tape.inputs, tape.values));
    const local = operation.local?.(x.map((v) => ({ lo: v, hi: v })));
    if (local === undefined || local === null) return;
    x.forEach((v, s) => {
      const rows = tape.values[k].length;
      if (rows * v.length > MAX_ENTRIES) return;
      const data = new Float64Array(rows * v.length);
      for (let j = 0; j < v.length; j++) {
        const dx = x.map((u, i) => u.map((_, at) => (i === s && at === j ? 1 : 0)));
        operation.jvp(x, tape.values[k], dx).forEach((slope, i) => {
          data[i * v.length + j] = slope;
        });
      }
      const sigma = largestSingularValue({ data, rows, cols: v.length });
      const bound = local.constants[s] * (1 + 1e-9) + 1e-12;
      if (!(sigma <= bound)) expect.fail(`${op}: its Jacobian in signal ${s} has norm ${sigma} > ${bound}`);
    });
  });
}
