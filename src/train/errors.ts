/** A network, control, loss or optimiser that was put together wrongly; the message names the part and what fits. */
export class TrainError extends Error {
  override name = "TrainError";
}

/** Shapes that do not fit: the layer, what it got and what it takes. */
export class ShapeError extends TrainError {
  override name = "ShapeError";
}
