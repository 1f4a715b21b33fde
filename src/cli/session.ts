import type { Engine } from "../audit/engine.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import type { Io } from "./io.ts";

/** One run of the command line: what commands share and what they leave behind. */
export interface Session {
  readonly io: Io;
  /** The numerical engine, loaded when first needed. */
  engine(): Promise<Engine>;
  /** Files written so far, for the message after an interruption. */
  readonly written: string[];
  exitCode: ExitCode;
}

export function newSession(io: Io, engine: () => Promise<Engine>): Session {
  return { io, engine, written: [], exitCode: EXIT.done };
}
