import { TrainError } from "../errors.ts";

/** A step after which the loss or a parameter was NaN or infinite. The trainer keeps the parameters from before it. */
export class DivergenceError extends TrainError {
  override name = "DivergenceError";
  /** The parameter concerned, "2.weight": the one that is not finite, or that had the steepest gradient before. */
  readonly layer: string;
  /** The step that diverged, counted from 0. */
  readonly step: number;
  /** The last checkpoint that was saved or resumed from, if any. */
  readonly checkpoint: string | null;

  constructor(
    message: string,
    { layer, step, checkpoint }: Pick<DivergenceError, "layer" | "step" | "checkpoint">,
  ) {
    super(message);
    this.layer = layer;
    this.step = step;
    this.checkpoint = checkpoint;
  }
}
