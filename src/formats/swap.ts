/** Reverses the bytes of each element in place (big-endian ↔ little-endian). Returns `bytes`. */
export function swapBytes(bytes: Uint8Array, itemBytes: number): Uint8Array {
  for (let at = 0; at + itemBytes <= bytes.length; at += itemBytes)
    bytes.subarray(at, at + itemBytes).reverse();
  return bytes;
}

/** Reads [start, end) of big-endian elements as little-endian ones; the range may cut elements. */
export async function readSwapped(
  read: (start: number, end: number) => Promise<Uint8Array>,
  itemBytes: number,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const first = Math.floor(start / itemBytes) * itemBytes;
  const last = Math.ceil(end / itemBytes) * itemBytes;
  const bytes = swapBytes(await read(first, last), itemBytes);
  return bytes.subarray(start - first, end - first);
}
