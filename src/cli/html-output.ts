import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UsageError } from "../audit/errors.ts";
import type { FailedModel } from "../audit/html/index-page.ts";
import type { AuditReport } from "../audit/schema.ts";
import { listFolder, sameFile } from "../platform/files.ts";
import { writeText } from "../platform/write-text.ts";
import type { Session } from "./session.ts";

/** Singular values per layer in the HTML report: enough to see how a spectrum falls. */
export const SPECTRUM_SHOWN = 16;

/** Said before the work, not after it. @throws UsageError when the target cannot be what it should be. */
export async function checkHtmlTarget(target: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    if (file === target || ((await sameFile(file, target)) && (await listFolder(target)) === null)) {
      throw new UsageError(`--html ${target} would overwrite a model`);
    }
  }
  const isFolder = (await listFolder(target)) !== null;
  if (files.length > 1) {
    // The folder is created, with those above it, unless something else has its name.
    if (isFolder || !existsSync(target)) return;
    throw new UsageError(`--html ${target} is a file`, "Of several models a folder is written: name that.");
  }
  if (isFolder)
    throw new UsageError(`--html ${target} is a folder`, "Name a file in it, such as report.html.");
  const parent = dirname(target);
  if ((await listFolder(parent)) === null) {
    throw new UsageError(`--html ${target}: there is no folder ${parent}`, "Create it first.");
  }
}

/** What was audited of how many models, and what could not be. */
export interface Audited {
  readonly reports: readonly AuditReport[];
  readonly failed: readonly FailedModel[];
  readonly several: boolean;
}

/** One file for one model; a folder of files with an index for several. */
export async function writeHtml(
  { reports, failed, several }: Audited,
  target: string,
  session: Session,
): Promise<void> {
  const { renderReport, renderIndex } = await import("../audit/html/report.ts");
  const inputs = reports.flatMap((report) => report.model.files);
  const write = async (path: string, html: string) => {
    await writeText(path, html, { overwrite: true, inputs });
    session.written.push(path);
  };
  if (!several) return write(target, renderReport(reports[0]!));
  await mkdir(target, { recursive: true });
  const names = reportNames(reports);
  for (const [i, report] of reports.entries()) await write(join(target, names[i]!), renderReport(report));
  const entries = reports.map((report, i) => ({ href: names[i]!, report }));
  await write(join(target, "index.html"), renderIndex(entries, failed));
}

/** A file name per report: the model's own, numbered where two models share it. */
export function reportNames(reports: readonly AuditReport[]): string[] {
  const taken = new Set(["index.html"]);
  return reports.map((report) => {
    const stem = basename(report.model.files[0]!);
    let name = `${stem}.html`;
    for (let n = 2; taken.has(name); n++) name = `${stem}-${n}.html`;
    taken.add(name);
    return name;
  });
}
