/** What the process's exit code says. */
export const EXIT = {
  done: 0,
  /** A limit was exceeded, a promise could not be kept, or a weight is not finite. */
  failed: 1,
  usage: 2,
  /** The input cannot be read. */
  unreadable: 3,
  /** An optional part is not installed. */
  missingPart: 4,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const ORDER: readonly ExitCode[] = [EXIT.unreadable, EXIT.failed];

/** Of several models: 3 over 1 over 0. */
export function worst(codes: readonly ExitCode[]): ExitCode {
  return ORDER.find((code) => codes.includes(code)) ?? EXIT.done;
}
