/**
 * Seeded random numbers for the starts of iterations. The probable bound needs a start the matrix's author could
 * not foresee, so seeds come from the operating system unless a user asks for a repeatable run.
 */

const MASK = (1n << 64n) - 1n;

const GOLDEN = 0x9e3779b97f4a7c15n;

/** One draw of splitmix64 (Steele, Lea & Flood 2014): a bijection of 64-bit integers that mixes every bit. */
export function splitmix64(state: bigint): bigint {
  let z = (state + GOLDEN) & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

/** A seed for the index-th independent use of `seed`: a layer of a report, a restart, a frequency. */
export function deriveSeed(seed: bigint, index: number): bigint {
  return splitmix64(splitmix64((seed & MASK) ^ (BigInt(index) << 32n)) ^ BigInt(index));
}

/** A source of uniform and Gaussian numbers (sfc32; passes PractRand). */
export class RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;
  #spare: number | undefined;

  /** @param seed any integer; its low 64 bits count. */
  constructor(seed: bigint) {
    const first = splitmix64(seed & MASK);
    const second = splitmix64((seed + GOLDEN) & MASK);
    this.#a = Number(first & 0xffffffffn) | 0;
    this.#b = Number(first >> 32n) | 0;
    this.#c = Number(second & 0xffffffffn) | 0;
    for (let i = 0; i < 12; i++) this.#word();
  }

  #word(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1) with 53 random bits. */
  uniform(): number {
    return (this.#word() * 2 ** 21 + (this.#word() >>> 11)) * 2 ** -53;
  }

  /** Standard normal (Marsaglia's polar method). */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    for (;;) {
      const x = 2 * this.uniform() - 1;
      const y = 2 * this.uniform() - 1;
      const square = x * x + y * y;
      if (square > 0 && square < 1) {
        const factor = Math.sqrt((-2 * Math.log(square)) / square);
        this.#spare = y * factor;
        return x * factor;
      }
    }
  }

  /** A direction uniform on the unit sphere of ℝⁿ, n ≥ 1. */
  direction(n: number): Float64Array {
    const v = new Float64Array(n);
    let square = 0;
    while (!(square > 0)) {
      for (let i = 0; i < n; i++) v[i] = this.normal();
      square = 0;
      for (let i = 0; i < n; i++) square += v[i]! * v[i]!;
    }
    const scale = 1 / Math.sqrt(square);
    for (let i = 0; i < n; i++) v[i]! *= scale;
    return v;
  }
}
