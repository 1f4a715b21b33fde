/** Dimensions in one shape beyond this are an attack, not a tensor (NumPy allows 64, ONNX and torch name no limit). */
export const MAX_RANK = 64;

/**
 * Number of elements of a shape, or null when a dimension is not a whole number ≥ 0, there are more than MAX_RANK
 * dimensions, or the product is beyond 2^53 (which no file can hold).
 */
export function elementCount(shape: readonly unknown[]): number | null {
  if (shape.length > MAX_RANK) return null;
  let count = 1;
  let empty = false;
  for (const size of shape) {
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return null;
    if (size === 0) empty = true;
    else count *= size;
    if (!Number.isSafeInteger(count)) return null;
  }
  return empty ? 0 : count;
}

/** How an untrusted shape is shown in a message: short whatever it holds. */
export function showShape(shape: readonly unknown[]): string {
  const shown = shape.slice(0, 8).map((size) => String(size).slice(0, 20));
  return `[${shown.join(", ")}${shape.length > 8 ? `, … ${shape.length} in all` : ""}]`;
}
