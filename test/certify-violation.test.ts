import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { denseModel } from "./support/certify-models.ts";
import { commandLine } from "./support/command-line.ts";
import { labelledArchive } from "./support/data-files.ts";

// A defect planted: radii twice as large as they are.
vi.mock("../src/network/certifier.ts", async (original) => {
  const { makeCertifier } = await original<typeof import("../src/network/certifier.ts")>();
  return {
    makeCertifier: async (...args: Parameters<typeof makeCertifier>) => {
      const good = await makeCertifier(...args);
      return {
        lipschitz: good.lipschitz,
        certify(x: Float64Array, label: number) {
          const { predicted, radius } = good.certify(x, label);
          return { predicted, radius: 2 * radius };
        },
      };
    },
  };
});

const folder = await mkdtemp(join(tmpdir(), "lipschitz-violation-"));
afterAll(() => rm(folder, { recursive: true }));
const model = join(folder, "m.onnx");
const data = join(folder, "d.npz");
await writeFile(
  model,
  denseModel([
    {
      weights: [
        [1, 0],
        [-1, 0],
      ],
    },
  ]),
);
const points = Array.from({ length: 25 }, (_, i) => [0.5 + i / 16, 1]);
await writeFile(
  data,
  labelledArchive(
    points,
    points.map(() => 0),
  ),
);

it("fails loudly when the attack contradicts certificates: exit 1, the points named, called a defect", async () => {
  const html = join(folder, "r.html");
  const { code, out, err } = await commandLine([
    "certify",
    model,
    "--data",
    data,
    "--seed",
    "7",
    "--json",
    "--html",
    html,
  ]);
  expect(code).toBe(1);
  const report = JSON.parse(out);
  expect(report.violations).toBe(25);
  expect(report.violated[0]).toMatchObject({ point: 0, label: 0, predicted: 1 });
  const lines = err.trimEnd().split("\n");
  expect(lines).toHaveLength(20 + 3);
  expect(lines[0]).toMatch(
    /^error: point 0: a change of length 0\.\d+ turns class 0 into class 1, inside the certified radius 0\.999\d*$|^error: point 0: a change of length 0\.\d+ turns class 0 into class 1, inside the certified radius 1\.?0*$/,
  );
  expect(lines[20]).toBe("error: and 5 more points (--json lists all)");
  expect(lines[21]).toMatch(
    /^This is a defect in lipschitz: trust none of these radii, and report it with the model, the data and --seed 7\. Chance explains it with probability at most \d/,
  );
  expect(await readFile(html, "utf8")).toContain("The attack contradicts 25 certificates");
});

it("says so under --quiet too", async () => {
  const { code, out, err } = await commandLine([
    "certify",
    model,
    "--data",
    data,
    "--quiet",
    "--attack-points",
    "1",
  ]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toMatch(/^error: point 0: .*\nThis is a defect in lipschitz/);
});

it("cannot say so without an attack", async () => {
  const { code, out } = await commandLine(["certify", model, "--data", data, "--attack", "none"]);
  expect(code).toBe(0);
  expect(out).toContain("None was made, so nothing shows how far the radii are from the truth.");
});
