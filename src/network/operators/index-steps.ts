import type { Box, GeneralOperation } from "./operation.ts";

/**
 * A function that is constant between jumps: positions of the largest entries, rounding to whole numbers. Its
 * derivative is zero wherever it has one; it has no finite Lipschitz constant.
 */
export function stepOperation(
  forward: (x: Float64Array) => Float64Array,
  image?: (box: Box) => Box,
): GeneralOperation {
  return {
    kind: "general",
    forward: ([x]) => forward(x),
    jvp: (_, y) => new Float64Array(y.length),
    vjp: ([x]) => [new Float64Array(x.length)],
    ...(image ? { image: ([box]) => image(box) } : {}),
  };
}
