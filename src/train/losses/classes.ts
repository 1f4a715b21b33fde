import { numpy as np } from "@jax-js/jax";
import { ShapeError, TrainError } from "../errors.ts";
import { atLeastFloat32 } from "../layers/precision.ts";
import { checkOwnCopy } from "../own-copy.ts";
import type { Tensor } from "../types.ts";

/**
 * True where the last axis is at the label: [..., classes]. Consumes `labels` ([...], int32 or uint32). A label outside of
 * 0 … classes − 1 matches nothing, so `dataset` checks labels before training starts.
 */
export function atLabel(labels: Tensor, classes: number): Tensor {
  const position = np.arange(classes, undefined, 1, { dtype: labels.dtype });
  return np.equal(np.expandDims(labels, -1), position);
}

/** @throws TrainError when one is no array, such as a member that a batch does not have. */
export function checkArrays(what: string, arrays: Readonly<Record<string, Tensor>>): void {
  for (const [name, array] of Object.entries(arrays)) {
    checkOwnCopy(`${what}: ${name}`, array);
    if (Array.isArray(array?.shape)) continue;
    throw new TrainError(
      `${what} takes ${name} as an array; got ${String(array)}. Does the batch hold it under another name?`,
    );
  }
}

/**
 * The logits in at least float32 (a loss sums many small terms), and where they belong to the label. Consumes both.
 * @throws ShapeError unless labels have the shape of the logits without the last axis; TrainError for labels that are no integers.
 */
export function classified(what: string, logits: Tensor, labels: Tensor): { scores: Tensor; own: Tensor } {
  checkArrays(what, { logits, labels });
  const classes = logits.shape.at(-1);
  if (classes === undefined || String(logits.shape.slice(0, -1)) !== String(labels.shape)) {
    throw new ShapeError(
      `${what} takes logits of shape [batch, classes] and one label for each; got [${logits.shape}] and [${labels.shape}].`,
    );
  }
  if (labels.dtype !== np.int32 && labels.dtype !== np.uint32) {
    throw new TrainError(`${what} takes labels as int32 class numbers; got ${labels.dtype}.`);
  }
  return { scores: atLeastFloat32(logits), own: atLabel(labels, classes) };
}
