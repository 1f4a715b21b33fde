import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "../audit/errors.ts";
import { StudyError } from "./errors.ts";
import { runStudy, type StudyOptions, type StudyProgress } from "./run.ts";
import type { RunResult, Study, Task } from "./study.ts";
import { toyStudy } from "./testing/toy.ts";

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function newFolder(): Promise<string> {
  folders.push(await mkdtemp(join(tmpdir(), "lipschitz-study-")));
  return join(folders.at(-1)!, "out");
}

/** Runs the study here and counts its runs. */
function counting(study: Study, folder: string, options: Partial<StudyOptions> = {}) {
  const tasks: Task[] = [];
  const runTask = (task: Task): Promise<RunResult> => {
    tasks.push(task);
    return study.run(task, { progress() {} });
  };
  const all = { folder, quick: false, threads: 2, device: "none", runTask, ...options };
  return { tasks, report: runStudy(study, all) };
}

describe("runStudy", () => {
  it("sweeps, runs every arm with every seed, and writes document and page", async () => {
    const folder = await newFolder();
    const written: string[] = [];
    const { tasks, report } = counting(toyStudy(), folder, { onWritten: (file) => written.push(file) });
    const document = await report;
    // Two sweeps of 3 rates and 2 seeds; two cells of 3 seeds; one of 1.
    expect(tasks.filter(({ kind }) => kind === "sweep")).toHaveLength(12);
    expect(tasks.filter(({ kind }) => kind === "run")).toHaveLength(7);
    expect(document.sweeps.map(({ tuning, chosen }) => [tuning, chosen])).toEqual([
      ["none rates", 0.1],
      ["some rates", 0.3],
    ]);
    const [none, some, once] = document.arms;
    expect(none).toMatchObject({ name: "none", experiment: "sums", variant: "", learningRate: 0.1 });
    expect(none.runs.map(({ seed, value }) => [seed, value])).toEqual([
      [1, 1.1],
      [2, 2.1],
      [3, 3.1],
    ]);
    expect(none.summary.value).toMatchObject({ std: 1, count: 3 });
    expect(some.learningRate).toBe(0.3);
    expect(once).toMatchObject({ variant: "once", learningRate: null });
    expect(once.runs).toHaveLength(1);
    expect(document.findings[0].verdict).toBe("holds");
    expect(JSON.parse(await readFile(join(folder, "study.json"), "utf8"))).toEqual(document);
    const page = await readFile(join(folder, "report.html"), "utf8");
    for (const said of [
      "Does it add up?",
      "some &amp; more",
      "2.10 ± 1.00",
      "20.0 ± 10.0 %",
      "Euclid",
      "0.30: 0",
    ]) {
      expect(page).toContain(said);
    }
    expect(page).toContain("Numbers &lt;b&gt;add&lt;/b&gt; up.");
    const text = await readFile(join(folder, "report.md"), "utf8");
    expect(text).toContain("- **holds**: It adds up. 3 cells.");
    expect(text).toContain("|  | none | 2.10 ± 1.00 | **20.0 ± 10.0 %** | 0.10 | 3 |");
    expect(text).toContain("| once | some & more | 1.00 | 10.0 % | – | 1 |");
    expect(written).toHaveLength(19 + 3);
  });

  it("does no run twice, and adds arms to those that are there", async () => {
    const folder = await newFolder();
    const first = counting(toyStudy(), folder, { arms: ["none"] });
    expect((await first.report).arms.map(({ name }) => name)).toEqual(["none"]);
    expect(first.tasks.every(({ arm }) => arm === "none")).toBe(true);
    const second = counting(toyStudy(), folder, { arms: ["some"] });
    expect((await second.report).arms.map(({ name }) => name)).toEqual(["none", "some", "some"]);
    expect(second.tasks.every(({ arm }) => arm === "some")).toBe(true);
    const third = counting(toyStudy(), folder);
    await third.report;
    expect(third.tasks).toEqual([]);
  });

  it("takes its seeds from where the plan says", async () => {
    const plan = toyStudy().plan("full");
    const { report } = counting(toyStudy({ plan: () => ({ ...plan, firstSeed: 101 }) }), await newFolder());
    expect((await report).arms[0].runs.map(({ seed }) => seed)).toEqual([101, 102, 103]);
  });

  it("does runs again whose protocol changed or whose file was damaged", async () => {
    const folder = await newFolder();
    await counting(toyStudy(), folder).report;
    const [file] = await readdir(join(folder, "runs"));
    await writeFile(join(folder, "runs", file), "{ not json");
    const after = counting(toyStudy(), folder);
    await after.report;
    expect(after.tasks).toHaveLength(1);
    const changed = counting(toyStudy({ revision: 2 }), folder);
    await changed.report;
    expect(changed.tasks).toHaveLength(19);
  });

  it("keeps finished runs when one fails, and names the one that failed", async () => {
    const folder = await newFolder();
    const failing = toyStudy({
      run: async (task, context) => {
        if (task.kind === "run" && task.arm === "some" && task.seed === 2)
          throw new Error("It does not add up.");
        return toyStudy().run(task, context);
      },
    });
    const { report } = counting(failing, folder, { threads: 1 });
    await expect(report).rejects.toThrow(StudyError);
    await expect(report).rejects.toThrow(/sums · some seed 2: It does not add up\./);
    const after = counting(toyStudy(), folder);
    await after.report;
    expect(after.tasks.map(({ arm, seed }) => [arm, seed])).toEqual([
      ["some", 2],
      ["some", 3],
      ["some", 1],
    ]);
  });

  it("gives a rate without a score to no arm that has another, and the smallest where none has", async () => {
    const diverging = (from: number) =>
      toyStudy({
        run: async (task, context) =>
          task.kind === "sweep" && task.learningRate! >= from
            ? { metrics: { score: null }, detail: null }
            : toyStudy().run(task, context),
      });
    const some = await counting(diverging(0.3), await newFolder()).report;
    expect(some.sweeps.map(({ chosen }) => chosen)).toEqual([0.1, 0.2]);
    expect(some.sweeps[1].rates.at(-1)!.score).toBeNull();
    const none = await counting(diverging(0), await newFolder()).report;
    expect(none.sweeps.map(({ chosen }) => chosen)).toEqual([0.1, 0.1]);
  });

  it("counts the shares of runs under way and those kept from before", async () => {
    const folder = await newFolder();
    await counting(toyStudy(), folder, { arms: ["none"] }).report;
    const steps: StudyProgress[] = [];
    const study = toyStudy();
    await runStudy(study, {
      folder,
      quick: false,
      threads: 1,
      device: "none",
      runTask: async (task, onProgress) => {
        onProgress(1, 2);
        return study.run(task, { progress() {} });
      },
      onProgress: (step) => steps.push(step),
    });
    const runs = steps.filter(({ phase }) => phase === "run");
    expect(runs.map(({ done }) => done)).toEqual([3, 3.5, 4, 4, 4.5, 5, 5, 5.5, 6, 6, 6.5, 7]);
    expect(runs.every(({ total }) => total === 7)).toBe(true);
  });

  it("refuses arms the study does not have, naming those it has", async () => {
    const { report } = counting(toyStudy(), await newFolder(), { arms: ["none", "most"] });
    await expect(report).rejects.toThrow(UsageError);
    await expect(report).rejects.toMatchObject({ hint: "Its arms are none, some." });
  });

  it("stops between runs when it is interrupted", async () => {
    const controller = new AbortController();
    const { tasks, report } = counting(toyStudy(), await newFolder(), {
      threads: 1,
      signal: controller.signal,
      onWritten: () => controller.abort(),
    });
    await expect(report).rejects.toMatchObject({ name: "AbortError" });
    expect(tasks).toHaveLength(1);
  });
});
