import type { SizedGeometry } from "../convolution.ts";

/**
 * A convolution's matrix by the definition, for tests: pads the input of every unit vector for real and sums over
 * windows, sharing no code with the operator.
 */
export function explicitConvolution(
  kernel: Float64Array,
  kernelShape: readonly number[],
  geometry: SizedGeometry,
): { matrix: Float64Array; rows: number; cols: number } {
  const [channelsOut, perGroup, ...kernelSize] = kernelShape as [number, number, ...number[]];
  const { inputSize, strides, padding, dilations, groups } = geometry;
  const outputs = inputSize.map((n, a) => {
    const padded = n + padding[a]![0] + padding[a]![1];
    let count = 0;
    while (count * strides[a]! + dilations[a]! * (kernelSize[a]! - 1) < padded) count++;
    return count;
  });
  const rowsOfPositions = allIndices(outputs);
  const taps = allIndices(kernelSize);
  const pixels = inputSize.reduce((x, y) => x * y, 1);
  const rows = channelsOut * rowsOfPositions.length;
  const cols = perGroup * groups * pixels;
  const matrix = new Float64Array(rows * cols);
  const sources = inputSize.map((n, a) => paddedSources(n, padding[a]!, geometry.boundary));
  for (let o = 0; o < channelsOut; o++) {
    const group = Math.floor(o / (channelsOut / groups));
    rowsOfPositions.forEach((position, p) => {
      for (let i = 0; i < perGroup; i++) {
        taps.forEach((tap, q) => {
          let pixel = 0;
          for (let a = 0; a < inputSize.length; a++) {
            const source = sources[a]![position[a]! * strides[a]! + tap[a]! * dilations[a]!];
            if (source === null || source === undefined) return;
            pixel = pixel * inputSize[a]! + source;
          }
          const row = o * rowsOfPositions.length + p;
          const col = (group * perGroup + i) * pixels + pixel;
          matrix[row * cols + col]! += kernel[(o * perGroup + i) * taps.length + q]!;
        });
      }
    });
  }
  return { matrix, rows, cols };
}

/** For each entry of the padded axis the input entry it copies, null for a zero: padded one step at a time. */
function paddedSources(
  n: number,
  [before, after]: readonly [number, number],
  boundary: SizedGeometry["boundary"],
): (number | null)[] {
  const line: (number | null)[] = Array.from({ length: n }, (_, i) => i);
  const period = { circular: n, reflect: 2 * n - 2, replicate: 1, zero: 0 }[boundary];
  const mirrored = [...Array(n).keys(), ...Array.from({ length: Math.max(n - 2, 0) }, (_, i) => n - 2 - i)];
  const past = (steps: number): number | null => {
    if (boundary === "zero") return null;
    if (boundary === "replicate") return n - 1;
    const cycle = boundary === "reflect" ? mirrored : [...Array(n).keys()];
    return cycle[(n - 1 + steps) % period]!;
  };
  const ahead = (steps: number): number | null => {
    const source = past(steps);
    return source === null ? null : n - 1 - source;
  };
  for (let step = 1; step <= after; step++) line.push(past(step));
  for (let step = 1; step <= before; step++) line.unshift(ahead(step));
  return line;
}

function allIndices(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}
