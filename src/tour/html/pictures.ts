import { encodePng } from "./png.ts";

/** Digits are squares of so many pixels. */
export const SIDE = 28;

/** Red for ink added, blue for ink removed: apart under every common colour blindness, on light and dark pages. */
const MORE_INK = [222, 52, 70] as const;
const LESS_INK = [64, 98, 235] as const;

/** A digit as a PNG in a data URI: white ink on black, as the data are; pixels beyond 0 to 1 at the nearer end. */
export function digitPicture(pixels: Float64Array): string {
  const samples = Uint8Array.from(pixels, (value) => Math.round(255 * Math.min(1, Math.max(0, value))));
  return dataUri(encodePng({ width: SIDE, height: SIDE, channels: 1, samples }));
}

/** A change as a PNG in a data URI: colour says the sign, opacity the size, whole at `most` and beyond. */
export function changePicture(change: Float64Array, most: number): string {
  const samples = new Uint8Array(4 * change.length);
  change.forEach((value, i) => {
    const opacity = most > 0 ? Math.round(255 * Math.min(1, Math.abs(value) / most)) : 0;
    samples.set([...(value > 0 ? MORE_INK : LESS_INK), opacity], 4 * i);
  });
  return dataUri(encodePng({ width: SIDE, height: SIDE, channels: 4, samples }));
}

function dataUri(png: Uint8Array): string {
  return `data:image/png;base64,${btoa(String.fromCharCode(...png))}`;
}
