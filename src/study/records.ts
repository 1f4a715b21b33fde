import { FormatError } from "../formats/errors.ts";
import { sha256 } from "../platform/digest.ts";
import { joinPath, makeFolder, openFile } from "../platform/files.ts";
import { writeText } from "../platform/write-text.ts";
import { VERSION } from "../version.ts";
import type { RunRecord, Task } from "./study.ts";

const SCHEMA = "lipschitz.study-run/1";

/** Finished runs in a folder, one file each, so that a study goes on where it stopped. */
export interface Records {
  /** The finished run of exactly this task, by this version; null where there is none. */
  find(task: Task): Promise<RunRecord | null>;
  /** @returns the file that was written. */
  keep(record: RunRecord): Promise<string>;
}

/**
 * @param revision of the study's protocol.
 * @throws WriteError when the folder cannot be made.
 */
export async function openRecords(folder: string, revision: number): Promise<Records> {
  await makeFolder(folder);
  const fileOf = (task: Task) => joinPath(folder, `${nameOf(task)}-${fingerprint(task, revision)}.json`);
  return {
    async find(task) {
      const stored = await readJson(fileOf(task));
      return isRecord(stored) ? stored : null;
    },
    async keep(record) {
      const file = fileOf(record.task);
      await writeText(file, `${JSON.stringify({ schema: SCHEMA, ...record })}\n`, { overwrite: true });
      return file;
    },
  };
}

/** Equal for equal tasks of one version and revision only. */
function fingerprint(task: Task, revision: number): string {
  return sha256(JSON.stringify([VERSION, revision, task])).slice(0, 12);
}

function nameOf({ experiment, arm, variant, learningRate, kind, seed }: Task): string {
  const parts = [experiment, variant, arm, kind === "sweep" ? `rate${learningRate}` : "", `seed${seed}`];
  return parts
    .map((part) => part.replace(/[^A-Za-z0-9.]+/g, "_"))
    .filter((part) => part !== "")
    .join("-");
}

/** null for a file that is not there, or is not JSON: its run is done again. */
async function readJson(path: string): Promise<unknown> {
  try {
    const file = await openFile(path);
    try {
      return JSON.parse(new TextDecoder().decode(await file.read(0, file.byteLength)));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof FormatError || error instanceof SyntaxError) return null;
    throw error;
  }
}

function isRecord(value: unknown): value is RunRecord {
  return typeof value === "object" && value !== null && "schema" in value && value.schema === SCHEMA;
}
