import { readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import type { StudyReport } from "../src/study/schema.ts";
import { VERSION } from "../src/version.ts";
import { STUDIES } from "../studies/index.ts";

const root = new URL("../docs/studies/", import.meta.url);
const names = (await readdir(root, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const text = (file: string) => readFile(new URL(file, root), "utf8");

it("results are kept of studies that exist, and the page of all links to them", async () => {
  const all = STUDIES.map(({ name }) => name);
  expect(names.filter((name) => !all.includes(name))).toEqual([]);
  const page = await text("../studies.md");
  for (const name of names) expect(page).toContain(`(studies/${name}/report.md)`);
});

it.each(names)("%s: a full run of this version and protocol, told as its document has it", async (name) => {
  const report: StudyReport = JSON.parse(await text(`${name}/study.json`));
  const study = await STUDIES.find((each) => each.name === name)!.load();
  expect(report).toMatchObject({
    schema: "lipschitz.study/1",
    study: name,
    title: study.title,
    claim: study.claim,
    settings: { version: VERSION, revision: study.revision, quick: false },
  });
  expect(report.settings.seeds).toBeGreaterThanOrEqual(5);
  // Every cell that the plan has was run, with every seed that it has.
  const { cells } = study.plan("full");
  expect(report.arms.map(({ experiment, variant, name: arm }) => [experiment, variant, arm])).toEqual(
    cells.map(({ experiment, variant, arm }) => [experiment, variant ?? "", arm]),
  );
  report.arms.forEach(({ runs }, i) => {
    expect(runs).toHaveLength(Math.min(report.settings.seeds, cells[i].seeds ?? report.settings.seeds));
  });
  const told = await text(`${name}/report.md`);
  const page = await text(`${name}/report.html`);
  expect(report.findings.map(({ verdict }) => verdict)).not.toContain("not measured");
  for (const { verdict, because } of report.findings) {
    expect(told).toContain(because);
    expect(page).toContain(verdict);
  }
});
