import { InvalidArgumentError } from "commander";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Below this not even one row of an ordinary layer fits. */
const LEAST_MEMORY = 2 ** 20;

/** `2GiB`, `512MB`, `1.5g` or plain bytes. */
export function parseMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : UNITS[match[2]!.toLowerCase()];
  if (match === null || unit === undefined) {
    throw new InvalidArgumentError("Give a size such as 2GiB, 512MB or a number of bytes.");
  }
  const bytes = Math.floor(Number(match[1]) * unit);
  if (!Number.isSafeInteger(bytes) || bytes < LEAST_MEMORY) {
    throw new InvalidArgumentError("At least 1MiB is needed.");
  }
  return bytes;
}

/** A whole number from 0 to 2⁶⁴ − 1, decimal or 0x…. */
export function parseSeed(text: string): bigint {
  const value = /^(?:\d+|0x[0-9a-f]+)$/i.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value >= 1n << 64n) {
    throw new InvalidArgumentError("Give a whole number from 0 to 2^64 - 1, decimal or 0x….");
  }
  return value;
}

export function parseThreads(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 1024) throw new InvalidArgumentError("Give a whole number from 1 to 1024.");
  return value;
}

/** A finite number ≥ 0. */
export function parseLimit(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= 0 && Number.isFinite(value))) throw new InvalidArgumentError("Give a number of at least 0.");
  return value;
}

/** A finite number > 0. */
export function parsePositive(text: string): number {
  const value = parseLimit(text);
  if (value === 0) throw new InvalidArgumentError("Give a number above 0.");
  return value;
}

/** A whole number ≥ 1. */
export function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (!(value >= 1 && Number.isSafeInteger(value)))
    throw new InvalidArgumentError("Give a whole number from 1.");
  return value;
}

/** `0.1,0.3,1`: numbers above 0. */
export function parsePositives(text: string): number[] {
  return text.split(",").map(parsePositive);
}

/** `none,spectral`: names, none of them empty or given twice. */
export function parseNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("") || new Set(names).size < names.length) {
    throw new InvalidArgumentError("Give different names separated by commas.");
  }
  return names;
}

/** A finite number, or a fraction of two such as 1/255. */
export function parseNumber(text: string): number {
  const parts = text.split("/").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const value = parts.length === 2 ? parts[0] / parts[1] : parts.length === 1 ? parts[0] : Number.NaN;
  if (!Number.isFinite(value)) throw new InvalidArgumentError("Give a number such as 0.5 or 1/255.");
  return value;
}

export type InputShapes = Readonly<Record<string, readonly number[]>>;

/** `NAME=1x3x32x32`, or `1x3x32x32` for the only input (under the name ""); gathers repeated options. */
export function parseInput(text: string, previous: InputShapes = {}): InputShapes {
  const equals = text.lastIndexOf("=");
  const name = equals < 0 ? "" : text.slice(0, equals);
  const shape = text.slice(equals + 1).split(/[x×,]/i);
  const sizes = shape.map((size) => (/^\d+$/.test(size.trim()) ? Number(size) : 0));
  if (equals === 0 || sizes.some((size) => !Number.isSafeInteger(size) || size < 1)) {
    throw new InvalidArgumentError("Give it as NAME=1x3x32x32, or 1x3x32x32 for the only input.");
  }
  if (Object.hasOwn(previous, name)) {
    throw new InvalidArgumentError(
      name === "" ? "It was given twice." : `The size of ${name} was given twice.`,
    );
  }
  return { ...previous, [name]: sizes };
}
