import { builtin } from "./builtin.ts";
import { sameFile, WriteError, writeWhole } from "./files.ts";

/** Files on their way to `outPath`'s folder, all or none. */
export interface Stage {
  /** Where the main file is until it is placed. */
  readonly mainPath: string;
  write(relativeName: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Gives every file its final name. */
  place(): Promise<void>;
  /** Removes what was not placed. */
  discard(): Promise<void>;
}

/**
 * A folder beside `outPath` for files that must appear together, under names relative to it ("" is the main file).
 * Existing files of those names are replaced when placed.
 * @throws WriteError when a target is one of `inputs` or no plain file, or the folder cannot be written.
 */
export async function stageFiles(
  outPath: string,
  files: { readonly names: readonly string[]; readonly inputs: readonly string[] },
): Promise<Stage> {
  const fs = builtin("node:fs/promises");
  const { basename, dirname, join } = builtin("node:path");
  const folder = dirname(outPath);
  const nameOf = (relativeName: string) => relativeName || basename(outPath);
  for (const name of files.names) await checkTarget(join(folder, nameOf(name)), files.inputs);
  const stage = await fs.mkdtemp(join(folder, `.${basename(outPath).slice(0, 100)}.`)).catch(() => {
    throw new WriteError(outPath, "cannot write in this folder. Does it exist, and may you write there?");
  });
  // A second Ctrl-C ends the process at once; no hidden folder stays behind then either.
  const removeAtExit = () => builtin("node:fs").rmSync(stage, { recursive: true, force: true });
  process.once("exit", removeAtExit);
  return {
    mainPath: join(stage, basename(outPath)),
    write: async (relativeName, chunks) => {
      const path = join(stage, nameOf(relativeName));
      await fs.mkdir(dirname(path), { recursive: true });
      await writeWhole(path, chunks);
    },
    place: async () => {
      // The main file last: whoever finds it finds the files it refers to.
      const order = [...files.names].sort((a, b) => Number(a === "") - Number(b === ""));
      for (const name of order) {
        const target = join(folder, nameOf(name));
        await fs.mkdir(dirname(target), { recursive: true });
        await fs.rename(join(stage, nameOf(name)), target).catch((cause: NodeJS.ErrnoException) => {
          throw new WriteError(target, `cannot be written (${cause.code ?? cause.message}).`);
        });
      }
    },
    discard: async () => {
      await fs.rm(stage, { recursive: true, force: true });
      process.off("exit", removeAtExit);
    },
  };
}

/** @throws WriteError when writing `path` would destroy one of `inputs`, or something that is no file. */
export async function checkTarget(path: string, inputs: readonly string[]): Promise<void> {
  for (const input of inputs) {
    if (await sameFile(path, input)) {
      throw new WriteError(path, `is the input file ${input} itself. Choose another output name.`);
    }
  }
  const info = await builtin("node:fs/promises")
    .stat(path)
    .catch(() => null);
  if (info !== null && !info.isFile()) {
    throw new WriteError(path, "exists and is not a file. Choose another output name.");
  }
}
