import type { Terminal } from "../platform/terminal.ts";

/** Everything a command touches of the outside, so that tests can stand in for it. */
export interface Io {
  /** Results. */
  out(text: string): void;
  /** Progress, notes and errors. */
  err(text: string): void;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
  /** Show stack traces. */
  readonly debug: boolean;
}
