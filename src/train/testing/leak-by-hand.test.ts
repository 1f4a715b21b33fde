import { numpy as np, random, tree } from "@jax-js/jax";
import { expect, it } from "vitest";
import { differentiate } from "../differentiate.ts";
import { linear } from "../layers/linear.ts";
import { meanSquaredError } from "../losses/mean-squared-error.ts";
import { sgd } from "../optimizers/sgd.ts";
import type { Tree } from "../types.ts";
import { liveBuffers } from "./ownership.ts";

/**
 * Without spectral normalization, whose gradient divides: outside of compiled functions jax-js 0.1.25 never frees the operand
 * of a division that it differentiates.
 */
it("as many buffers are alive after 1,000 steps by hand as after 10", () => {
  const net = linear(2);
  const optimizer = sgd({ learningRate: 0.1, momentum: 0.9 });
  let { params, state } = net.init(random.key(1), [3]);
  let optimizerState = optimizer.init(params);
  const x = np.array(
    Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    { shape: [4, 3] },
  );
  const y = np.array(
    Float32Array.from({ length: 8 }, (_, i) => Math.cos(i)),
    { shape: [4, 2] },
  );
  const alive: number[] = [];
  for (let k = 0; k < 1000; k++) {
    const advanced = net.advance(params, state);
    const { loss, aux, gradient } = differentiate((lent: Tree) => {
      const applied = net.apply(lent, advanced, x.ref, { training: true });
      return { loss: meanSquaredError(applied.y, y.ref), aux: applied.state };
    }, params);
    const stepped = optimizer.update(gradient, optimizerState, params);
    const projected = net.project(stepped.params, aux);
    tree.dispose([params, state, advanced, aux, optimizerState, stepped.params] as never);
    ({ params, state } = projected);
    optimizerState = stepped.state;
    loss.dataSync();
    if (k === 9 || k === 999) alive.push(liveBuffers());
  }
  expect(alive[1]).toBe(alive[0]);
});
