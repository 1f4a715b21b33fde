import { TrainError } from "../errors.ts";

/** A checkpoint that does not fit the network, or is none; names what differs. */
export class CheckpointError extends TrainError {
  override name = "CheckpointError";
}
