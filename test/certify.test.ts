import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { CertifyReport } from "../src/audit/certify-schema.ts";
import { denseModel } from "./support/certify-models.ts";
import { exactRadius, type Layer } from "./support/certify-networks.ts";
import { commandLine } from "./support/command-line.ts";
import { labelledArchive, labelsFile, pointsFile } from "./support/data-files.ts";
import { diagonal, safetensorsFile } from "./support/safetensors-file.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-certify-"));
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

async function save(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(at(name), bytes);
  return at(name);
}

/** Three classes of the plane; exact in float32. */
const layer: Layer = {
  weights: [
    [1, 0],
    [-1, 0],
    [0, 1],
  ],
  bias: [0, 0, -1],
};
const points = [
  [0.25, 0],
  [0.5, 0.5],
  [-0.75, -1],
  [-2, 1],
  [0.125, 3],
  [0.0625, 0],
];
/** The last one is wrong. */
const labels = [0, 0, 1, 1, 2, 1];
const radii = points.slice(0, 5).map((x, i) => exactRadius(layer, x, labels[i]));

const model = await save("plane.onnx", denseModel([layer]));
const data = await save("data.npz", labelledArchive(points, labels));
const x = await save("x.npy", pointsFile(points));
const y = await save("y.npy", labelsFile(labels));

async function report(...argv: string[]): Promise<CertifyReport> {
  const { code, out, err } = await commandLine([
    "certify",
    model,
    "--data",
    data,
    "--seed",
    "1",
    "--json",
    ...argv,
  ]);
  expect(err).toBe("");
  expect(code).toBe(0);
  return JSON.parse(out);
}

describe("lipschitz certify", () => {
  it("finds the radii of a linear classifier, rounded down, and the attack finds nothing inside", async () => {
    for (const guarantee of ["probable", "proof"]) {
      const { radii: found, ...rest } = await report("--guarantee", guarantee, "--epsilon", "0.1,0.3,1");
      radii.forEach((radius, i) => {
        expect(found.values[i]).toBeLessThanOrEqual(radius);
        expect(found.values[i]).toBeGreaterThan(radius * (1 - 1e-3));
      });
      expect(found.values[5]).toBe(0);
      expect(rest).toMatchObject({
        points: 6,
        clean: 5 / 6,
        certified: { "0.1": 5 / 6, "0.3": 4 / 6, "1": 2 / 6 },
        attacked: { "0.1": 5 / 6, "0.3": 4 / 6, "1": 2 / 6 },
        attackedPoints: 6,
        violations: 0,
        settings: { guarantee, seed: "1" },
      });
    }
  });

  it("gives a document of stable fields", async () => {
    const fields = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.length === 0 ? [] : [fields(value[0])];
      if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fields(each)]));
    };
    expect(fields(await report("--epsilon", "0.3"))).toMatchInlineSnapshot(`
      {
        "attacked": {
          "0.3": "number",
        },
        "attackedPoints": "number",
        "attackedSample": {
          "certified": {
            "0.3": "number",
          },
          "clean": "number",
        },
        "certified": {
          "0.3": "number",
        },
        "classes": [
          {
            "certified": {
              "0.3": "number",
            },
            "clean": "number",
            "label": "number",
            "median": "number",
            "points": "number",
          },
        ],
        "clean": "number",
        "data": {
          "classes": "number",
          "files": [
            "string",
          ],
          "shape": [
            "number",
          ],
        },
        "lipschitz": {
          "failureProbability": "number",
          "guarantee": "string",
          "lower": "number",
          "method": "string",
          "upper": "number",
        },
        "model": {
          "bytes": "number",
          "files": [
            "string",
          ],
          "format": "string",
        },
        "points": "number",
        "radii": {
          "attacked": [
            "number",
          ],
          "histogram": {
            "counts": [
              "number",
            ],
            "edges": [
              "number",
            ],
          },
          "median": "number",
          "values": [
            "number",
          ],
        },
        "schema": "string",
        "seconds": "number",
        "settings": {
          "attack": "string",
          "attackSteps": "number",
          "bound": "string",
          "epsilons": [
            "number",
          ],
          "failureProbability": "number",
          "guarantee": "string",
          "scale": "number",
          "seed": "string",
          "shift": "number",
          "version": "string",
        },
        "violated": [],
        "violations": "number",
      }
    `);
  });

  it("reads points and labels from two files, and sees scaled data", async () => {
    const argv = [
      "certify",
      model,
      "--data",
      x,
      "--labels",
      y,
      "--scale",
      "1/2",
      "--shift",
      "-0.0",
      "--json",
    ];
    const { out } = await commandLine(argv);
    const halved: CertifyReport = JSON.parse(out);
    expect(halved.data.files).toEqual([x, y]);
    expect(halved.settings).toMatchObject({ scale: 0.5 });
    // The boundary between classes 0 and 1 goes through the origin: as far away in x as before.
    expect(halved.radii.values[0]).toBeCloseTo(0.25, 3);
  });

  it("certifies balls with local bounds, those of every ε", async () => {
    const { certified, settings, violations } = await report("--bound", "local", "--epsilon", "0.1,0.3");
    expect(certified).toEqual({ "0.1": 5 / 6, "0.3": 4 / 6 });
    expect(settings.bound).toBe("local");
    expect(violations).toBe(0);
  });

  it("leaves a final softmax out", async () => {
    const softmax = { name: "probabilities", opType: "Softmax", inputs: ["h0"], outputs: ["y"] };
    const file = await save("softmax.onnx", denseModel([layer], [softmax]));
    const { out } = await commandLine(["certify", file, "--data", data, "--seed", "1", "--json"]);
    expect(JSON.parse(out).radii).toEqual((await report()).radii);
  });

  it("prints a table", async () => {
    const { code, out, err } = await commandLine([
      "certify",
      model,
      "--data",
      data,
      "--seed",
      "1",
      "--attack-points",
      "4",
    ]);
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out.replaceAll(folder, "").replace(/at most \d[\d.e-]*/g, "at most N")).toMatchInlineSnapshot(`
      "/plane.onnx
      6 points of /data.npz · 3 classes

      change ≤   certified  certified of 4  attacked of 4
      0 (clean)     83.3 %         100.0 %        100.0 %
      0.1           83.3 %         100.0 %        100.0 %
      0.3           66.6 %          75.0 %         75.0 %
      0.5           50.0 %          50.0 %         75.0 %
      1             33.3 %          25.0 %         25.0 %

      radii     at least 0.2499 for 75 %, 0.7499 for 50 %, 1.325 for 25 % of the points; largest 1.414.
      network   Lipschitz constant at least 1.414 and at most N over all inputs (probable, by the
                product of its steps). A radius is the smallest margin over the constant of that pair of
                classes.
      attack    PGD with 50 steps from 3 starts, on the 4 right ones of the first 4 points: none was
                changed inside its certified radius.
      probable  Radii speak of the stored weights in real arithmetic and of changes strictly shorter (ℓ2).
                All hold together except with probability at most N over the random start. Seed 1.
      "
    `);
  });

  it("prints nothing when asked to be quiet", async () => {
    const { code, out, err } = await commandLine([
      "certify",
      model,
      "--data",
      data,
      "--quiet",
      "--attack",
      "none",
    ]);
    expect([code, out, err]).toEqual([0, "", ""]);
  });

  it("writes a report to look at", async () => {
    const { code, err } = await commandLine([
      "certify",
      model,
      "--data",
      data,
      "--html",
      at("r.html"),
      "--seed",
      "1",
    ]);
    expect([code, err]).toEqual([0, `wrote ${at("r.html")}\n`]);
    expect(await readFile(at("r.html"), "utf8")).toContain("<title>plane.onnx: certified accuracy</title>");
  });

  it("shows progress on a terminal and clears it", async () => {
    const many = Array.from({ length: 400 }, (_, i) => points[i % 5]);
    const file = await save(
      "many.npz",
      labelledArchive(
        many,
        many.map((_, i) => labels[i % 5]),
      ),
    );
    const argv = ["certify", model, "--data", file, "--seed", "1"];
    const { err } = await commandLine(argv, { interactive: true });
    expect(err).toMatch(/attacking · \d+ of 400 points/);
    expect(err.endsWith("\r\x1b[K")).toBe(true);
    expect((await commandLine([...argv, "--no-progress"], { interactive: true })).err).toBe("");
  });

  it("stops when interrupted", async () => {
    const { code, err } = await commandLine(["certify", model, "--data", data], {
      signal: AbortSignal.abort(),
    });
    expect([code, err]).toEqual([130, "interrupted: nothing was written\n"]);
  });
});

describe("wrong usage (exit 2)", () => {
  it.each([
    [["--data", "d"], /missing required argument 'model'/],
    [["m.onnx"], /required option '--data <file>' not specified/],
    [["m.onnx", "--data", "d", "--epsilon", "0.1,0"], /Give a number above 0/],
    [["m.onnx", "--data", "d", "--epsilon", "0.1,"], /Give a number of at least 0/],
    [["m.onnx", "--data", "d", "--scale", "a"], /Give a number such as 0.5 or 1\/255/],
    [["m.onnx", "--data", "d", "--scale", "1/0"], /Give a number such as 0.5 or 1\/255/],
    [["m.onnx", "--data", "d", "--bound", "tight"], /Allowed choices are global, local/],
    [["m.onnx", "--data", "d", "--attack", "fgsm"], /Allowed choices are none, pgd/],
    [["m.onnx", "--data", "d", "--attack-points", "0"], /Give a whole number from 1/],
    [["m.onnx", "--data", "d", "--guarantee", "estimate"], /Allowed choices are probable, proof/],
    [["m.onnx", "--data", "d", "--only", "fc"], /unknown option '--only'/],
  ])("%j", async (argv, message) => {
    const { code, out, err } = await commandLine(["certify", ...argv]);
    expect(err).toMatch(message);
    expect([code, out]).toEqual([2, ""]);
  });

  it("a model without a graph", async () => {
    const file = await save("w.safetensors", safetensorsFile({ a: diagonal([1, 2]) }));
    const { code, err } = await commandLine(["certify", file, "--data", data]);
    expect(err).toBe(
      `error: ${file}: only ONNX models can be certified, this one is safetensors\n` +
        "Weights without a graph do not say how they are connected; export the model to ONNX.\n",
    );
    expect(code).toBe(2);
  });

  it("a scale of 0", async () => {
    const { code, err } = await commandLine(["certify", model, "--data", data, "--scale", "0"]);
    expect([code, err]).toEqual([2, "error: the scale must be a number other than 0, got 0\n"]);
  });

  it("a network without a finite bound", async () => {
    const square = { name: "square", opType: "Mul", inputs: ["h0", "h0"], outputs: ["y"] };
    const file = await save("square.onnx", denseModel([layer], [square]));
    const { code, err } = await commandLine(["certify", file, "--data", data]);
    expect(err).toMatch(/square\.onnx: .*no finite Lipschitz bound/);
    expect(code).toBe(2);
  });

  it("a report over the data or the model", async () => {
    for (const target of [data, model]) {
      const { code, err } = await commandLine(["certify", model, "--data", data, "--html", target]);
      expect(err).toMatch(/--html .* would overwrite/);
      expect(code).toBe(2);
    }
    expect(await readFile(data)).toEqual(Buffer.from(labelledArchive(points, labels)));
  });
});

describe("files that cannot be read (exit 3)", () => {
  it.each([
    ["no such data", ["--data", "nowhere.npz"], "nowhere.npz: no such file. Check the path."],
    ["points without labels", ["--data", x], "points without labels"],
    [
      "points of another size",
      ["--data", y, "--labels", y],
      "shape [6] has 1 number per point, but the network takes [2], 2 numbers.",
    ],
    ["labels of another kind", ["--data", x, "--labels", x], "labels of shape [6, 2] for 6 points."],
  ])("%s", async (_, argv, message) => {
    const { code, out, err } = await commandLine(["certify", model, ...argv]);
    expect(err).toContain(message);
    expect([code, out]).toEqual([3, ""]);
  });

  it("a label that is no class", async () => {
    const file = await save("labels.npz", labelledArchive(points, [0, 1, 2, 3, 0, 0]));
    const { code, err } = await commandLine(["certify", model, "--data", file]);
    expect(err).toContain('tensor "y": label 3 of point 3 is not a class');
    expect(code).toBe(3);
  });
});

describe("the documentation", () => {
  const page = (name: string) => readFile(new URL(`../docs/${name}`, import.meta.url), "utf8");
  const plain = (text: string) =>
    text.replaceAll(`${folder}/`, "").replace(/at most \d[\d.e-]*/g, "at most N");

  it("shows what the command prints", async () => {
    const argv = ["certify", model, "--data", data, "--epsilon", "0.1,0.3,1", "--seed", "1"];
    const { out } = await commandLine(argv);
    expect(plain(await page("certificates.md"))).toContain(`\`\`\`\n${plain(out)}\`\`\``);
  });

  it("mentions every option", async () => {
    const { out } = await commandLine(["certify", "--help"]);
    const options = out.match(/(?<=^ {2})--[a-z-]+/gm)!;
    expect(options.length).toBeGreaterThan(15);
    const text = await page("cli.md");
    expect(options.filter((option) => !text.includes(`\`${option}`))).toEqual([]);
  });

  it("shows the fields of the document", async () => {
    const keys = (value: unknown): unknown => {
      if (Array.isArray(value)) return "list";
      if (typeof value !== "object" || value === null) return typeof value;
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, keys(each)]));
    };
    const [, shown] = /### lipschitz\.certify\/1\n.*?```json\n(.*?)```/s.exec(await page("cli.md"))!;
    const whole = shown.replace(/,\s*…/g, "");
    expect(keys(JSON.parse(whole))).toEqual(keys(await report("--epsilon", "0.3")));
  });
});
