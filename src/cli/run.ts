import { existsSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { type Engine, loadEngine } from "../audit/engine.ts";
import { VERSION } from "../version.ts";
import { addAuditCommand } from "./audit.ts";
import { addCertifyCommand } from "./certify.ts";
import { addDiffCommand } from "./diff.ts";
import { reportError } from "./errors.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import type { Io } from "./io.ts";
import { addNormalizeCommand } from "./normalize.ts";
import { newSession, type Session } from "./session.ts";
import { addStudyCommand } from "./study.ts";
import { addTourCommand } from "./tour.ts";

export interface RunOptions {
  /** Stands in for the numerical engine. */
  readonly engine?: (() => Promise<Engine>) | undefined;
}

/**
 * The whole command line.
 * @param argv arguments after the program's name.
 * @returns the exit code; nothing is thrown.
 */
export async function run(argv: readonly string[], io: Io, options: RunOptions = {}): Promise<ExitCode> {
  const session = newSession(io, options.engine ?? loadEngine);
  try {
    await commandLine(session, argv).parseAsync([...argv], { from: "user" });
    return session.exitCode;
  } catch (error) {
    if (io.signal.aborted) return interrupted(session);
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    return reportError(io, error);
  }
}

function commandLine(session: Session, argv: readonly string[]): Command {
  const { io } = session;
  const program = new Command("lipschitz")
    .description("Know, bound and control how steep a neural network is.")
    .version(VERSION, "-V, --version", "print the version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      getOutHelpWidth: () => io.stdout.width,
      getErrHelpWidth: () => io.stderr.width,
      getOutHasColors: () => io.stdout.color,
      getErrHasColors: () => io.stderr.color,
      outputError: (text, write) => write(text + hintFor(text, argv)),
    })
    .addHelpText("after", "\nRun 'lipschitz <command> --help' for a command's options and examples.");
  addAuditCommand(program, session);
  addNormalizeCommand(program, session);
  addCertifyCommand(program, session);
  addDiffCommand(program, session);
  addTourCommand(program, session);
  addStudyCommand(program, session);
  return program;
}

/** The next step after a wrong command line. */
function hintFor(text: string, argv: readonly string[]): string {
  const [first] = argv;
  if (text.includes("unknown command") && first !== undefined && existsSync(first)) {
    return `(Did you mean lipschitz audit ${first}?)\n`;
  }
  return text.includes("Did you mean") ? "" : "Run with --help to see what is accepted.\n";
}

function interrupted({ io, written }: Session): ExitCode {
  const what = written.length === 0 ? "nothing was written" : `written: ${written.join(", ")}`;
  io.err(`interrupted: ${what}\n`);
  return EXIT.interrupted;
}
