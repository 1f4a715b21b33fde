import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { StudyReport } from "../src/study/schema.ts";
import { STUDIES } from "../studies/index.ts";
import { commandLine } from "./support/command-line.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-studies-"));
afterAll(() => rm(folder, { recursive: true }));

/** What every study's runs have at least, of the contract. */
const METRICS: Readonly<Record<string, readonly string[]>> = {
  depth: ["diverged", "gradientRatio", "accuracy"],
  gan: ["modes", "hq", "reverseKl", "w1"],
  rnn: ["loss", "accuracy"],
  robust: ["clean", "certified", "attacked"],
  physics: ["bounded", "error", "drift"],
  penalty: ["sigma", "stableRank", "gap"],
};

describe("lipschitz study", () => {
  it("has the six studies", () => {
    expect(STUDIES.map(({ name }) => name)).toEqual(Object.keys(METRICS));
  });

  it.each(Object.entries(METRICS))(
    "%s --quick runs, reports and writes a page",
    async (name, metrics) => {
      const out = join(folder, name);
      const argv = ["study", name, "--quick", "--seeds", "1", "--out", out, "--json", "--quiet"];
      const { code, out: text, err } = await commandLine(argv);
      expect(err).toBe("");
      expect(code).toBe(0);
      const report: StudyReport = JSON.parse(text);
      expect(report).toMatchObject({
        schema: "lipschitz.study/1",
        study: name,
        settings: { quick: true, seeds: 1 },
      });
      const study = await STUDIES.find((each) => each.name === name)!.load();
      expect([...new Set(report.arms.map((cell) => cell.name))].sort()).toEqual(
        study.arms.map((arm) => arm.name).sort(),
      );
      const keys = new Set(report.arms.flatMap(({ summary }) => Object.keys(summary)));
      for (const metric of metrics) expect([...keys]).toContain(metric);
      for (const { runs } of report.arms) expect(runs.length).toBe(1);
      expect(report.findings.filter(({ verdict }) => verdict !== "not measured").length).toBeGreaterThan(1);
      expect(JSON.parse(await readFile(join(out, "study.json"), "utf8"))).toEqual(report);
      const page = await readFile(join(out, "report.html"), "utf8");
      for (const { title } of study.arms) expect(page).toContain(title.replaceAll("&", "&amp;"));
      // Of the drawings and tables, not of the script.
      expect(page.slice(0, page.indexOf("<script"))).not.toMatch(
        /="(?!data:)[^"]*(NaN|undefined)|>\s*(NaN|undefined|\[object)/,
      );
      expect(page.length).toBeLessThan(6e6);
    },
    240_000,
  );

  it("goes on where it stopped: a second call has nothing to run", async () => {
    const argv = ["study", "depth", "--quick", "--seeds", "1", "--out", join(folder, "depth")];
    await commandLine(argv);
    const start = performance.now();
    const { code, out } = await commandLine(argv);
    expect(code).toBe(0);
    expect(out).toContain("A quick run: enough to see, not to conclude.");
    expect(performance.now() - start).toBeLessThan(20_000);
  }, 240_000);

  it.each([
    [["study"], /missing required argument 'name'/],
    [["study", "breadth"], /there is no study "breadth"\nThe studies are depth, gan/],
    [["study", "depth", "--arms", "none,most"], /has no arm "most"\nIts arms are none, decay/],
    [["study", "depth", "--arms", "none,,decay"], /Give different names separated by commas/],
    [["study", "depth", "--seeds", "0"], /Give a whole number from 1/],
  ])("%j is refused", async (argv, message) => {
    const { code, out, err } = await commandLine(argv);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toMatch(message);
  });

  it("refuses a folder that cannot be one", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const { code, err } = await commandLine(["study", "depth", "--quick", "--out", join(file, "below")]);
    expect(code).toBe(2);
    expect(err).toMatch(/cannot be made a folder/);
  });

  it("says what was written when it is interrupted", async () => {
    const { code, err } = await commandLine(["study", "depth", "--quick", "--out", join(folder, "stopped")], {
      signal: AbortSignal.timeout(8000),
    });
    expect(code).toBe(130);
    expect(err).toMatch(/interrupted: (nothing was written|written: .*seed1001-)/);
  });
});
