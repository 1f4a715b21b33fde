import { npy, npyHeader, zip } from "../fixtures/bytes.ts";

/** Float32 points, row by row, as an .npy file. */
export function pointsFile(points: readonly (readonly number[])[], shape?: readonly number[]): Uint8Array {
  const dims = [points.length, ...(shape ?? [points[0].length])];
  const data = Float32Array.from(points.flat());
  return npy(npyHeader("'<f4'", tuple(dims)), new Uint8Array(data.buffer));
}

/** Labels as an .npy file of int64. */
export function labelsFile(labels: readonly number[]): Uint8Array {
  const data = BigInt64Array.from(labels.map(BigInt));
  return npy(npyHeader("'<i8'", tuple([labels.length])), new Uint8Array(data.buffer));
}

/** Both, as numpy.savez(FILE, x=points, y=labels) writes them. */
export function labelledArchive(
  points: readonly (readonly number[])[],
  labels: readonly number[],
  shape?: readonly number[],
): Uint8Array {
  return zip([
    { name: "x.npy", bytes: pointsFile(points, shape) },
    { name: "y.npy", bytes: labelsFile(labels) },
  ]);
}

function tuple(sizes: readonly number[]): string {
  return `(${sizes.map((size) => `${size},`).join(" ")})`;
}
