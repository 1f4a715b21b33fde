import { numpy as np } from "@jax-js/jax";
import { ShapeError } from "../errors.ts";
import { atLeastFloat32 } from "../layers/precision.ts";
import type { Tensor } from "../types.ts";
import { checkArrays } from "./classes.ts";

/**
 * (outputs − targets)², mean over every entry; torch.nn.MSELoss. A scalar. Consumes both, which must have the same shape:
 * broadcasting [batch] against [batch, 1] would silently compare every output with every target.
 * @throws ShapeError when the shapes differ.
 */
export function meanSquaredError(outputs: Tensor, targets: Tensor): Tensor {
  checkArrays("meanSquaredError", { outputs, targets });
  if (String(outputs.shape) !== String(targets.shape)) {
    throw new ShapeError(
      `meanSquaredError takes targets of the shape of the outputs; got outputs [${outputs.shape}] and targets [${targets.shape}]. Reshape one of them.`,
    );
  }
  return np.mean(np.square(atLeastFloat32(outputs).sub(atLeastFloat32(targets))));
}
