import type { Io } from "../../src/cli/io.ts";
import { run } from "../../src/cli/run.ts";

/** What a command line printed, and its exit code. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One command line, without a process. */
export async function commandLine(
  argv: readonly string[],
  outside: { readonly signal?: AbortSignal; readonly interactive?: boolean } = {},
): Promise<Outcome> {
  let out = "";
  let err = "";
  const terminal = { interactive: outside.interactive ?? false, width: 100, color: false };
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    stdout: terminal,
    stderr: terminal,
    signal: outside.signal ?? new AbortController().signal,
    debug: false,
  };
  const code = await run(argv, io);
  return { code, out, err };
}
