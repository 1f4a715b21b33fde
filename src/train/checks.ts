import { TrainError } from "./errors.ts";

/** @throws TrainError when `options` is no object, or has a name that is not among those known. */
export function checkOptions(what: string, options: object, known: readonly string[]): void {
  if (typeof options !== "object" || options === null) {
    throw new TrainError(
      `${what}: options must be an object with ${known.join(", ")}; got ${String(options)}.`,
    );
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new TrainError(`${what} has no option "${name}". It takes: ${known.join(", ") || "none"}.`);
    }
  }
}

/** A positive finite number. */
export function checkPositive(what: string, name: string, value: number): number {
  if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
  throw new TrainError(`${what}: ${name} must be a positive number; got ${String(value)}.`);
}

/** A finite number that is not negative. */
export function checkNotNegative(what: string, name: string, value: number): number {
  if (typeof value === "number" && value >= 0 && Number.isFinite(value)) return value;
  throw new TrainError(`${what}: ${name} must be zero or a positive number; got ${String(value)}.`);
}

/** A whole number, 1 or more. */
export function checkCount(what: string, name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TrainError(`${what}: ${name} must be a whole number of 1 or more; got ${String(value)}.`);
}

export function checkFlag(what: string, name: string, value: boolean): boolean {
  if (typeof value === "boolean") return value;
  throw new TrainError(`${what}: ${name} must be true or false; got ${String(value)}.`);
}

export function checkChoice<T extends string>(
  what: string,
  name: string,
  value: T,
  choices: readonly T[],
): T {
  if (choices.includes(value)) return value;
  throw new TrainError(
    `${what}: ${name} must be ${choices.map((c) => `"${c}"`).join(" or ")}; got ${JSON.stringify(value)}.`,
  );
}
