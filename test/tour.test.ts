import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tourText } from "../src/cli/tour-table.ts";
import { loadDigits } from "../src/digits/digits.ts";
import { openModel } from "../src/formats/open.ts";
import { RECIPES } from "../src/tour/networks.ts";
import type { TourName, TourReport } from "../src/tour/schema.ts";
import { trainDigits } from "../src/tour/train.ts";
import { commandLine } from "./support/command-line.ts";
import { tourStory } from "./support/tour-stories.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-tour-"));
afterAll(() => rm(folder, { recursive: true }));

/** What each network of one size, trained on 8,000 digits, is to reach. */
const AIMS: Readonly<Record<TourName, { clean: number; certified: Record<string, number> }>> = {
  plain: { clean: 0.96, certified: {} },
  spectral: { clean: 0.94, certified: { "0.3": 0.86 } },
  orthonormal: { clean: 0.955, certified: { "0.3": 0.91, "1.58": 0.34 } },
};

describe("lipschitz tour", () => {
  it("trains, exports, audits, certifies and attacks three networks, and writes one page", async () => {
    const { code, out, err } = await commandLine([
      "tour",
      "--out",
      join(folder, "tour"),
      "--json",
      "--quiet",
    ]);
    expect(err).toBe("");
    expect(code).toBe(0);
    const report: TourReport = JSON.parse(out);
    expect(report).toMatchObject({
      schema: "lipschitz.tour/1",
      seed: "1",
      device: "native",
      data: { train: 8000, test: 2000 },
    });
    expect(report.networks.map(({ name }) => name)).toEqual(Object.keys(AIMS));
    for (const network of report.networks) {
      const aim = AIMS[network.name];
      expect(network.accuracy, network.name).toBeGreaterThanOrEqual(aim.clean);
      for (const [epsilon, share] of Object.entries(aim.certified)) {
        expect(network.certified[epsilon], `${network.name} at ${epsilon}`).toBeGreaterThanOrEqual(share);
      }
      expect(network.violations).toBe(0);
      expect(network.attackedSample.points).toBe(500);
      for (const [epsilon, share] of Object.entries(network.attacked)) {
        expect(network.attackedSample.certified[epsilon]).toBeLessThanOrEqual(share);
        expect(share).toBeLessThanOrEqual(network.attackedSample.clean);
      }
      expect(network.lipschitz.guarantee).toBe("proof");
      const model = await openModel(network.model);
      expect(model.format).toBe("onnx");
      await model.close();
    }
    const [plain, spectral, orthonormal] = report.networks;
    expect(plain.certified["1.58"]).toBeLessThanOrEqual(0.02);
    expect(plain.lipschitz.upper).toBeGreaterThan(10);
    expect(spectral.lipschitz.upper).toBeLessThanOrEqual(1 + 1e-6);
    expect(orthonormal.lipschitz.upper).toBeLessThanOrEqual(1 + 1e-6);
    expect(orthonormal.lipschitz.lower).toBeGreaterThan(0.99);

    expect((await readdir(join(folder, "tour"))).sort()).toEqual([
      "orthonormal.onnx",
      "plain.onnx",
      "spectral.onnx",
      "tour.html",
    ]);
    const page = await readFile(report.report!, "utf8");
    expect(page).toContain("Three networks, the same digits");
    expect(page).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)="http/);
  }, 400_000);

  it("gives the same numbers for the same seed, and others for another", async () => {
    const { train } = await loadDigits();
    const recipe = { ...RECIPES[2], epochs: 0.2 };
    const curves = [];
    for (const seed of [3, 3, 4]) {
      const trained = await trainDigits(recipe, train, { seed, onStep: () => {} });
      curves.push(trained.curves);
      await trained.dispose();
    }
    expect(curves[0].loss.length).toBeGreaterThan(1);
    expect(curves[1]).toEqual(curves[0]);
    expect(curves[2]).not.toEqual(curves[0]);
  });

  it("tells, of the digits that were attacked, what is certified and what withstood", () => {
    const { report } = tourStory();
    const text = tourText(report, 100);
    const [head, ...rows] = text.split("\n").slice(0, 4);
    expect(head.trim().split(/ {2,}/)).toEqual([
      "network",
      "accuracy",
      "Lipschitz constant (proof)",
      "at ε = 0.3",
      "at ε = 1.58",
    ]);
    for (const [i, { attacked, attackedSample }] of report.networks.entries()) {
      const shares = ["0.3", "1.58"].map((epsilon) => {
        const ends = [attackedSample.certified[epsilon], attacked[epsilon]];
        return [...new Set(ends.map((share) => (100 * share).toFixed(1)))].join("–");
      });
      expect(rows[i].split(/ {2,}/).slice(-2)).toEqual(shares.map((share) => `${share} %`));
    }
    expect(text).toContain("of all 2,000 test digits");
    expect(text).toContain(`of the first ${report.networks[0].attackedSample.points},`);
    for (const line of text.split("\n\n")[0].split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    const estimated = report.networks.map((network) => ({
      ...network,
      lipschitz: { ...network.lipschitz, guarantee: "probable" as const },
    }));
    expect(tourText({ ...report, networks: estimated }, 100)).toContain("Lipschitz constant (probable)");
  });

  it("says what is in the way where it cannot write", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const { code, out, err } = await commandLine(["tour", "--out", file]);
    expect(code).toBe(2);
    expect(out).toBe("");
    expect(err).toBe(`error: ${file}: cannot be made a folder (EEXIST). Choose another name.\n`);
    const below = join(file, "below");
    expect(await commandLine(["tour", "--out", below])).toMatchObject({
      code: 2,
      err: `error: ${below}: cannot be made a folder (ENOTDIR). Choose another name.\n`,
    });
  });

  it.each([
    [["--seed", "-1"], /Give a whole number from 0/],
    [["model.onnx"], /too many arguments/],
  ])("%j is wrong usage", async (argv, message) => {
    const { code, err } = await commandLine(["tour", ...argv]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});
