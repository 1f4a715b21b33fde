import type { SymbolPeak } from "./symbol-bound.ts";
import type { SymbolGrid } from "./symbol-grid.ts";
import { product } from "./taps.ts";

/**
 * An input image that a convolution amplifies about as much as its symbol's peak says: a plane wave of that
 * frequency (and its aliases), faded towards the edges. A start for iterations, not a bound.
 * @returns channel-major, channelsIn × ∏size.
 */
export function planeWave(
  peak: SymbolPeak,
  grid: SymbolGrid,
  size: readonly number[],
  channelsIn: number,
  groups: number,
): Float64Array {
  const perGroup = channelsIn / groups;
  const pixels = product(size);
  const aliases = product(grid.strides);
  const wave = new Float64Array(channelsIn * pixels);
  const position = size.map(() => 0);
  for (let pixel = 0; pixel < pixels; pixel++) {
    let rest = pixel;
    let fade = 1;
    for (let a = size.length - 1; a >= 0; a--) {
      position[a] = rest % size[a]!;
      rest = Math.floor(rest / size[a]!);
      fade *= Math.sin((Math.PI * (position[a]! + 1)) / (size[a]! + 1));
    }
    for (let alias = 0; alias < aliases; alias++) {
      const angle = 2 * Math.PI * phase(peak.turns, grid.strides, alias, position);
      const cos = fade * Math.cos(angle);
      const sin = fade * Math.sin(angle);
      for (let i = 0; i < perGroup; i++) {
        const at = 2 * (alias * perGroup + i);
        const channel = peak.group * perGroup + i;
        // A framework's convolution is a correlation: its gain at e^{−iωp} is F(ω).
        wave[channel * pixels + pixel]! += peak.vector[at]! * cos + peak.vector[at + 1]! * sin;
      }
    }
  }
  return wave;
}

/** Turns of the alias-th frequency ω + 2πj/s at a pixel. */
function phase(
  turns: readonly number[],
  strides: readonly number[],
  alias: number,
  position: readonly number[],
): number {
  let rest = alias;
  let sum = 0;
  for (let a = turns.length - 1; a >= 0; a--) {
    const shift = (rest % strides[a]!) / strides[a]!;
    rest = Math.floor(rest / strides[a]!);
    sum += ((turns[a]! + shift) % 1) * position[a]!;
  }
  return sum;
}
