import { MissingPartError, PromiseError, UsageError } from "../audit/errors.ts";
import { printable } from "../audit/printable.ts";
import { FormatError } from "../formats/errors.ts";
import { InputShapeError } from "../network/input-shapes.ts";
import { WriteError } from "../platform/files.ts";
import { StudyError } from "../study/errors.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import type { Io } from "./io.ts";

/** Writes one or two lines about an error to stderr, never a stack trace unless debugging, and gives its exit code. */
export function reportError(io: Io, error: unknown): ExitCode {
  io.err(`error: ${printable(messageOf(error))}\n`);
  const hint = error instanceof UsageError || error instanceof MissingPartError ? error.hint : undefined;
  if (hint !== undefined) io.err(`${printable(hint)}\n`);
  const code = exitCodeOf(error);
  if (code === undefined) {
    io.err("This is a defect in lipschitz; LIPSCHITZ_DEBUG=1 shows where.\n");
  }
  if (io.debug && error instanceof Error) io.err(`${error.stack}\n`);
  return code ?? EXIT.failed;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True when another command line would help, whatever the files hold. */
export function isUsageError(error: unknown): boolean {
  return error instanceof UsageError || error instanceof InputShapeError;
}

/** undefined for an error that nobody foresaw. */
function exitCodeOf(error: unknown): ExitCode | undefined {
  if (isUsageError(error) || error instanceof WriteError) return EXIT.usage;
  if (error instanceof FormatError) return EXIT.unreadable;
  if (error instanceof PromiseError || error instanceof StudyError) return EXIT.failed;
  if (error instanceof MissingPartError) return EXIT.missingPart;
  return undefined;
}
