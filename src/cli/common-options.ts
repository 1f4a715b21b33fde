import { type Command, Option } from "commander";
import type { Guarantee } from "../linalg/bound.ts";
import { type InputShapes, parseInput, parseMemory, parseSeed, parseThreads } from "./parse.ts";

/** Options that every measuring command has. */
export interface CommonFlags {
  readonly json?: true;
  readonly guarantee: Guarantee;
  readonly seed?: bigint;
  readonly threads?: number;
  readonly memory?: number;
  readonly only?: string;
  readonly input?: InputShapes;
  readonly quiet?: true;
  /** `--no-progress` makes it false. */
  readonly progress: boolean;
}

/** Adds the options shared by all measuring commands. */
export function addCommonOptions(command: Command, guarantees: readonly Guarantee[]): Command {
  return command
    .addOption(
      new Option("--guarantee <kind>", "how much the bounds are worth; see the documentation")
        .choices(guarantees)
        .default("probable"),
    )
    .option("--only <glob>", "only layers or tensors whose name matches, such as '*.q_proj.*'")
    .option(
      "--input <[name=]shape>",
      "size of a graph input that the file leaves open, such as 1x3x32x32; may be repeated",
      parseInput,
    )
    .option(
      "--memory <size>",
      "memory to use; larger tensors are read in blocks (default: 2GiB)",
      parseMemory,
    )
    .option("--threads <n>", "threads to use (default: the machine's)", parseThreads)
    .option("--seed <n>", "seed of the random starts (default: from the operating system)", parseSeed)
    .option("--json", "print one JSON document")
    .option("--quiet", "print nothing but errors")
    .option("--no-progress", "show no progress line");
}

/** The flags as the library's options. */
export function libraryOptions(flags: CommonFlags, signal: AbortSignal) {
  const { guarantee, seed, threads, memory, only, input } = flags;
  return { guarantee, seed, threads, memory, only, inputs: input, signal };
}
