const MASK = (1n << 64n) - 1n;

/** One draw of splitmix64 (Steele, Lea & Flood 2014): a bijection of 64-bit integers that mixes every bit. */
export function splitmix64(state: bigint): bigint {
  let z = (state + 0x9e3779b97f4a7c15n) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

/**
 * The seed of one piece of work, from the report's seed and the numbers that name the piece (which layer, which
 * matrix, which attempt). Different names give unrelated starts; the same name always the same.
 */
export function deriveSeed(seed: bigint, ...path: readonly number[]): bigint {
  let state = splitmix64(seed & MASK);
  for (const step of path) state = splitmix64(state ^ splitmix64(BigInt(step)));
  return state;
}
