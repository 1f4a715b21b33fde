/** A 64-bit seed from the operating system's random source. */
export function randomSeed(): bigint {
  const words = crypto.getRandomValues(new BigUint64Array(1));
  return words[0]!;
}
