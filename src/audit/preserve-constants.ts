import { toFloat64 } from "../formats/decode.ts";
import { bytesPerElement } from "../formats/dtype.ts";
import type { Model, TensorEntry } from "../formats/model.ts";
import { type Demand, sameScale } from "../network/homogeneity-visit.ts";
import { floatTypeOf } from "./content.ts";
import { UsageError } from "./errors.ts";
import { formatNumber } from "./format-number.ts";
import { FLOAT_RANGES } from "./preserve-ranges.ts";
import type { Problem } from "./schema.ts";
import { StorageKeys } from "./storage.ts";

/** Tensors to multiply, and those whose product the file's type cannot hold. */
export interface ConstantFactors {
  readonly factors: ReadonlyMap<TensorEntry, number>;
  readonly problems: readonly Problem[];
}

/** Elements scanned at a time: 8 MiB of float64. */
const BLOCK = 2 ** 20;

/** What one kind of reader asks of a tensor. */
interface Wish {
  readonly multiplier: number;
  readonly reader: string;
}

/**
 * What becomes of each stored tensor, from what its readers ask.
 * @param weights factors of the weights, which are multiplied already; readers must agree with them.
 * @throws UsageError where two readers of one tensor ask for different numbers; FormatError when a tensor cannot be
 * read.
 */
export async function constantFactors(
  model: Model,
  demands: readonly Demand[],
  weights: ReadonlyMap<TensorEntry, number>,
): Promise<ConstantFactors> {
  const keys = new StorageKeys();
  const fixed = new Set([...weights.keys()].map((tensor) => keys.keyOf(tensor)));
  const byStorage = new Map<string, { tensor: TensorEntry; wishes: Wish[] }>();
  const ask = (tensor: TensorEntry, wish: Wish) => {
    const key = keys.keyOf(tensor);
    const known = byStorage.get(key) ?? { tensor, wishes: [] };
    byStorage.set(key, known);
    known.wishes.push(wish);
  };
  for (const [tensor, multiplier] of weights) ask(tensor, { multiplier, reader: "its layer" });
  for (const { tensor, multiplier, reader } of demands) ask(tensor, { multiplier, reader });
  const factors = new Map<TensorEntry, number>();
  const problems: Problem[] = [];
  for (const [key, { tensor, wishes }] of byStorage) {
    const [first] = wishes;
    const odd = wishes.find(({ multiplier }) => !sameScale(multiplier, first!.multiplier));
    const stays = sameScale(first!.multiplier, 1) || fixed.has(key);
    if (odd === undefined && stays) continue;
    const size = await sizeOf(tensor);
    if (size === null) continue;
    if (odd !== undefined) throw contradiction(tensor, first!, odd);
    const problem = unfit(tensor, size, first!.multiplier);
    if (problem !== null) problems.push(problem);
    for (const entry of model.tensors) if (keys.keyOf(entry) === key) factors.set(entry, first!.multiplier);
  }
  return { factors, problems };
}

/** The largest magnitude of a tensor; null where no factor changes it: zeros, and infinities or their stand-ins. */
async function sizeOf(tensor: TensorEntry): Promise<number | null> {
  const type = floatTypeOf(tensor);
  const block = BLOCK * bytesPerElement(type);
  const { largest } = FLOAT_RANGES[type];
  let most = 0;
  for (let at = 0; at < tensor.byteLength; at += block) {
    for (const x of toFloat64(type, await tensor.read(at, Math.min(tensor.byteLength, at + block)))) {
      const size = Math.abs(x);
      if (!(size >= largest)) most = Math.max(most, size);
    }
  }
  return most === 0 ? null : most;
}

/** Why the products do not fit the tensor's type; null where they do. */
function unfit(tensor: TensorEntry, size: number, multiplier: number): Problem | null {
  const { name, dtype } = tensor;
  const { smallest, largest } = FLOAT_RANGES[floatTypeOf(tensor)];
  const most = size * multiplier;
  if (most >= smallest && most <= largest) return null;
  const what = `multiplied by ${formatNumber(multiplier)} to follow the weights before it, its largest number is`;
  const why = most < smallest ? "too small for" : "beyond the range of";
  return { severity: "error", where: name, message: `${what} ${formatNumber(most)}, ${why} ${dtype}` };
}

function contradiction({ name }: TensorEntry, a: Wish, b: Wish): UsageError {
  return new UsageError(
    `--preserve would have to change the stored tensor "${name}" in two ways: ${spoken(a)}, and ${spoken(b)}`,
    "Give each reader a tensor of its own, or leave layers out with --only.",
  );
}

function spoken({ multiplier, reader }: Wish): string {
  return sameScale(multiplier, 1)
    ? `${reader} needs it as it is`
    : `${reader} needs it multiplied by ${formatNumber(multiplier)}`;
}
