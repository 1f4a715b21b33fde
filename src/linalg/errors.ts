/** An operator, or an argument of an algorithm on one, that makes no sense: what, got against expected. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
  /** What was given. */
  readonly got: string;
  /** What would have been accepted. */
  readonly expected: string;

  /** @param what the argument concerned, as its caller names it. */
  constructor(what: string, got: unknown, expected: string) {
    const shown = Array.isArray(got) ? `[${got.map(String).join(", ")}]` : String(got);
    super(`${what}: got ${shown}, expected ${expected}`);
    this.got = shown;
    this.expected = expected;
  }
}

/** @throws OperatorError unless `value` is an integer of at least `least`. */
export function checkInteger(what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new OperatorError(what, value, `an integer of at least ${least}`);
  }
}

/** @throws OperatorError unless `length` is `expected`. */
export function checkLength(what: string, length: number, expected: number): void {
  if (length !== expected) throw new OperatorError(what, `${length} numbers`, `${expected}`);
}

/** A matrix or kernel that holds a NaN or an infinity: it has no norm. */
export class NonFiniteError extends Error {
  override readonly name = "NonFiniteError";

  /** @param what the operator concerned. */
  constructor(what: string) {
    super(`${what} holds a NaN or an infinity, so it has no spectral norm. Find where training diverged.`);
  }
}
