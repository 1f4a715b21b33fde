/** A request that cannot be carried out as asked, whatever the file holds; the command line exits with 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** One sentence that tells the user what to try. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** A promise about the result that could not be kept, so nothing was written; the command line exits with 1. */
export class PromiseError extends Error {
  override readonly name = "PromiseError";
}

/** An optional package that is not installed; the command line exits with 4. */
export class MissingPartError extends Error {
  override readonly name = "MissingPartError";
  /** What to install. */
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}
