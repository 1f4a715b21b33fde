#!/usr/bin/env node
import { interruptSignal } from "../platform/signals.ts";
import { terminalOf } from "../platform/terminal.ts";
import { run } from "./run.ts";

/** A reader that went away (`| head`) is no error; there is nobody left to tell. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

/** Resolves when everything written so far has left the process. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) resolve();
    else {
      stream.once("close", resolve);
      stream.write("", () => resolve());
    }
  });
}

const { stdout, stderr, env } = process;
stdout.on("error", ignoreClosedPipe);
stderr.on("error", ignoreClosedPipe);
const { signal, release } = interruptSignal();
const code = await run(process.argv.slice(2), {
  out: (text) => void stdout.write(text),
  err: (text) => void stderr.write(text),
  stdout: terminalOf(stdout, env),
  stderr: terminalOf(stderr, env),
  signal,
  debug: env.LIPSCHITZ_DEBUG === "1",
});
await flushed(stdout);
await flushed(stderr);
release();
// Worker threads may still hold the process open after an interruption.
process.exit(code);
