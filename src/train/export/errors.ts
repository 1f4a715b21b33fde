import { TrainError } from "../errors.ts";

/** A network that was not exported, because the file would not be what was trained or would not keep a promise. */
export class ExportError extends TrainError {
  override name = "ExportError";
}
