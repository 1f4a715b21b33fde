import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fakeEngine } from "../../test/support/fake-engine.ts";
import { diagonal, safetensorsFile } from "../../test/support/safetensors-file.ts";
import type { Model, TensorEntry } from "../formats/model.ts";
import type { NodeDescription } from "../formats/onnx/encode.ts";
import { openModel } from "../formats/open.ts";
import {
  encodeTestModel,
  float,
  float32,
  type Initializers,
  int,
  type TestModel,
} from "../network/testing/run-onnx.ts";
import { type NormalizeOptions, normalizePlan } from "./normalize.ts";
import { planModel } from "./plan.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-preserve-"));
const opened: Model[] = [];
afterAll(async () => {
  await Promise.all(opened.map((model) => model.close()));
  await rm(folder, { recursive: true });
});

let files = 0;

async function open(model: TestModel): Promise<Model> {
  const path = join(folder, `model-${files++}.onnx`);
  await writeFile(path, encodeTestModel(model));
  opened.push(await openModel(path));
  return opened.at(-1)!;
}

async function run(model: Model, options: NormalizeOptions = {}) {
  const given = { seed: 1n, threads: 1, preserve: true, ...options };
  return normalizePlan(fakeEngine(), model, await planModel(model, given), given);
}

/** A layer of two units: y = x·diag(a, b) + c. */
function layer(name: string, input: string, output: string): NodeDescription {
  return { name, opType: "Gemm", inputs: [input, `${name}.w`, `${name}.b`], outputs: [output] };
}

const numbers = (name: string, a: number, b: number): Initializers => [
  float32(`${name}.w`, [a, 0, 0, b], [2, 2]),
  float32(`${name}.b`, [0.5, -0.25]),
];

const op = (opType: string, input: string, output: string): NodeDescription => ({
  name: opType.toLowerCase(),
  opType,
  inputs: [input],
  outputs: [output],
});

function modelOf(nodes: readonly NodeDescription[], initializers: Initializers): TestModel {
  return { opset: 17, inputs: [{ name: "x", shape: [1, 2] }], outputs: [{ name: "y" }], nodes, initializers };
}

const chain = modelOf(
  [layer("one", "x", "h"), op("Relu", "h", "r"), layer("two", "r", "y")],
  [...numbers("one", 4, 1), ...numbers("two", 2, 1)],
);

const residual = modelOf(
  [
    layer("stem", "x", "s"),
    layer("one", "s", "h"),
    op("Relu", "h", "r"),
    layer("two", "r", "v"),
    { name: "join", opType: "Add", inputs: ["s", "v"], outputs: ["y"] },
  ],
  [...numbers("stem", 2, 1), ...numbers("one", 4, 1), ...numbers("two", 2, 1)],
);

/** x → left and right, added. */
const branches = modelOf(
  [
    layer("left", "x", "l"),
    layer("right", "x", "r"),
    { name: "join", opType: "Add", inputs: ["l", "r"], outputs: ["y"] },
  ],
  [...numbers("left", 4, 1), ...numbers("right", 2, 1)],
);

describe("normalize with preserve", () => {
  it("multiplies biases along and says what multiplies the outputs", async () => {
    const model = await open(chain);
    const before = await readFile(model.sources[0]!.name);
    const normalization = await run(model);
    const { report } = normalization;
    const [one, two] = report.layers.map((each) => each.factor!);
    expect(report.preserve).toEqual({
      scale: one! * two!,
      outputs: [{ name: "y", scale: one! * two! }],
      constants: [
        { tensor: "one.b", factor: one },
        { tensor: "two.b", factor: one! * two! },
      ],
      checked: null,
    });
    expect(one).toBeCloseTo(0.25, 4);
    const written = await normalization.write(join(folder, "chain-out.onnx"));
    expect(written.preserve!.checked!.inputs).toBe(3);
    expect(written.preserve!.checked!.difference).toBeLessThan(1e-6);
    expect(await readFile(model.sources[0]!.name)).toEqual(before);
  });

  it("changes nothing where nothing changes", async () => {
    const normalization = await run(await open(chain), { method: "cap", to: 10 });
    expect(normalization.report.preserve).toMatchObject({ scale: 1, constants: [] });
    const { preserve } = await normalization.write(join(folder, "same.onnx"));
    expect(preserve!.checked).toEqual({ inputs: 3, difference: 0 });
  });

  it("lowers the branch that would be larger, and says so", async () => {
    const { report } = await run(await open(branches));
    const [left, right] = report.layers;
    expect(right!.factor).toBeCloseTo(left!.factor!, 12);
    expect(right!.after!.upper).toBeCloseTo(0.5, 3);
    expect(report.kept).toBe(true);
    expect(report.problems).toEqual([
      {
        severity: "warning",
        where: "right",
        message:
          'multiplied by 0.2500 instead of 0.5000, so that the branches of Add "join" are multiplied alike: ' +
          "its σ ends at 0.4999990–0.4999996",
      },
    ]);
  });

  it("with cap, too, and for a layer that was left as it is", async () => {
    const { report } = await run(await open(branches), { method: "cap", to: 3 });
    expect(report.layers.map(({ factor }) => factor)).toEqual([
      expect.closeTo(0.75, 4),
      expect.closeTo(0.75, 4),
    ]);
    expect(report.problems[0]!.message).toContain("instead of staying as it is");
  });

  it("--network: the common factor's biases follow", async () => {
    const normalization = await run(await open(chain), { network: 2 });
    const { report } = normalization;
    expect(report.layers[0]!.factor).toBeCloseTo(0.5, 4);
    expect(report.preserve!.scale).toBeCloseTo(0.25, 4);
    expect((await normalization.write(join(folder, "net.onnx"))).network!.after.upper).toBeLessThanOrEqual(2);
  });

  it("--network on branches keeps the limit though one is lowered", async () => {
    const deeper = modelOf(
      [
        ...branches.nodes.slice(0, 1),
        layer("more", "l", "m"),
        ...branches.nodes.slice(1, 2),
        {
          ...branches.nodes[2]!,
          inputs: ["m", "r"],
        },
      ],
      [...branches.initializers!, ...numbers("more", 3, 1)],
    );
    const { report } = await run(await open(deeper), { network: 2 });
    const [left, more, right] = report.layers.map(({ factor }) => factor!);
    expect(left).toBe(more);
    expect(right).toBeCloseTo(left! * more!, 12);
    expect(report.network!.after.upper).toBeLessThanOrEqual(2);
  });

  it("states several outputs one by one", async () => {
    const two = { ...chain, outputs: [{ name: "r" }, { name: "y" }] };
    const normalization = await run(await open(two));
    const { preserve } = await normalization.write(join(folder, "two.onnx"));
    expect(preserve).toMatchObject({ scale: null, outputs: [{ name: "r" }, { name: "y" }] });
    expect(preserve!.checked!.difference).toBeLessThan(1e-6);
  });

  it("leaves biases of zeros alone", async () => {
    const zero = modelOf(chain.nodes, chain.initializers!.slice(0, -1).concat(float32("two.b", [0, 0])));
    const { report } = await run(await open(zero));
    expect(report.preserve!.constants.map(({ tensor }) => tensor)).toEqual(["one.b"]);
  });
});

/** What normalize says, and what it advises. */
async function refusal(
  model: TestModel,
  options: NormalizeOptions = {},
): Promise<[string, string | undefined]> {
  const error = await run(await open(model), options).catch((e) => e);
  expect(error.name, String(error)).toBe("UsageError");
  return [error.message, error.hint];
}

describe("normalize with preserve refuses", () => {
  it("a file without a graph", async () => {
    const path = join(folder, "plain.safetensors");
    await writeFile(path, safetensorsFile({ w: diagonal([3, 1]) }));
    opened.push(await openModel(path));
    await expect(run(opened.at(-1)!)).rejects.toMatchObject({
      name: "UsageError",
      message:
        "--preserve needs to know how layers are connected, which files of this format (safetensors) do not say",
      hint: "Export the model to ONNX, or do without --preserve.",
    });
  });

  it("clipping", async () => {
    expect(await refusal(chain, { method: "clip" })).toEqual([
      "--preserve follows one factor per layer through the network, and clipping has none",
      "Use --method divide or cap, or do without --preserve.",
    ]);
  });

  it("a final softmax", async () => {
    const nodes = [layer("one", "x", "z"), op("Softmax", "z", "y")];
    expect(await refusal(modelOf(nodes, numbers("one", 4, 1)))).toEqual([
      '--preserve stops at Softmax "softmax", which gives the network\'s output: softmax(s·z) keeps which entry is ' +
        "largest, but is no multiple of softmax(z) unless s = 1",
      "Cut the softmax off the model: the largest class stays the same. Or do without --preserve.",
    ]);
  });

  it("a curved activation, but not layers behind it alone", async () => {
    const model = modelOf(
      [layer("one", "x", "h"), op("Sigmoid", "h", "r"), layer("two", "r", "y")],
      [...numbers("one", 4, 1), ...numbers("two", 2, 1)],
    );
    expect(await refusal(model)).toEqual([
      '--preserve stops at Sigmoid "sigmoid": it is curved, so multiplying its input does not multiply its output',
      "Name layers behind it with --only, so that nothing before it changes, or do without --preserve.",
    ]);
    const { report } = await run(await open(model), { only: "two" });
    expect(report.preserve!.constants.map(({ tensor }) => tensor)).toEqual(["two.b"]);
  });

  it("an identity skip beside layers that shrink", async () => {
    expect(await refusal(residual)).toEqual([
      '--preserve stops at Add "join": it joins "v" (from Gemm "two"), multiplied by 0.06250, and "s" (from Gemm ' +
        '"stem"), multiplied by 0.5000; these numbers must agree, and "s" is read by Gemm "one" and Add "join", ' +
        "which would be lowered with it",
      "Leave one and two as they are: name the other layers with --only, or try --method cap, which leaves layers " +
        "below --to alone.",
    ]);
    expect((await refusal(residual, { method: "cap" }))[1]).toBe(
      "Leave one and two as they are: name the other layers with --only, or raise --to above their norms.",
    );
    expect((await refusal(residual, { network: 1 }))[1]).toBe(
      "Leave one and two as they are: name the other layers with --only.",
    );
    expect((await run(await open(residual), { only: "stem" })).report.preserve!.scale).toBeCloseTo(0.5, 4);
    expect((await run(await open(residual), { method: "cap", to: 4.5 })).report.preserve!.scale).toBe(1);
  });

  it("a bias that two nodes would need multiplied differently", async () => {
    const nodes = [layer("one", "x", "h"), { ...layer("two", "h", "y"), inputs: ["h", "two.w", "one.b"] }];
    const model = modelOf(nodes, [...numbers("one", 4, 1), float32("two.w", [2, 0, 0, 1], [2, 2])]);
    expect(await refusal(model)).toEqual([
      '--preserve would have to change the stored tensor "one.b" in two ways: Gemm "one" needs it multiplied by ' +
        '0.2500, and Gemm "two" needs it multiplied by 0.1250',
      "Give each reader a tensor of its own, or leave layers out with --only.",
    ]);
  });

  it("a bias that is also read as it is", async () => {
    const nodes: NodeDescription[] = [
      { name: "first", opType: "Sub", inputs: ["x", "one.b"], outputs: ["c"] },
      layer("one", "c", "y"),
    ];
    expect((await refusal(modelOf(nodes, numbers("one", 4, 1))))[0]).toBe(
      '--preserve would have to change the stored tensor "one.b" in two ways: Sub "first" needs it as it is, and ' +
        'Gemm "one" needs it multiplied by 0.2500',
    );
  });

  it("a weight that something else adds", async () => {
    const nodes: NodeDescription[] = [
      layer("one", "x", "h"),
      {
        name: "row",
        opType: "ReduceSum",
        inputs: ["one.w"],
        outputs: ["k"],
        attributes: { keepdims: int(0) },
      },
      { name: "add", opType: "Add", inputs: ["h", "k"], outputs: ["y"] },
    ];
    expect((await refusal(modelOf(nodes, numbers("one", 4, 1))))[0]).toBe(
      '--preserve stops at Add "add": its constant "k" would have to be multiplied by 0.25, but it is computed by ' +
        'ReduceSum "row" from other constants',
    );
  });

  it("a constant kept in an attribute", async () => {
    const nodes: NodeDescription[] = [
      layer("one", "x", "h"),
      {
        name: "c",
        opType: "Constant",
        inputs: [],
        outputs: ["k"],
        attributes: { value_float: { kind: "float", value: 2 } },
      },
      { name: "add", opType: "Add", inputs: ["h", "k"], outputs: ["y"] },
    ];
    expect(await refusal(modelOf(nodes, numbers("one", 4, 1)))).toEqual([
      '--preserve stops at Add "add": its constant "k" would have to be multiplied by 0.25, but Constant "c" holds ' +
        "it as an attribute",
      "Fold constants into stored tensors first, or do without --preserve.",
    ]);
  });

  it("bounds kept in attributes", async () => {
    const clip = { ...op("Clip", "h", "y"), attributes: { min: float(0), max: float(6) } };
    const model = { ...modelOf([layer("one", "x", "h"), clip], numbers("one", 4, 1)), opset: 10 };
    expect(await refusal(model)).toEqual([
      '--preserve stops at Clip "clip": its bounds are attributes, which rewriting the file leaves as they are',
      "Convert the model to operator set 11 or later, where it is a stored tensor, or do without --preserve.",
    ]);
  });

  it("a network that cannot be run, for then nothing could be checked", async () => {
    const nodes = [layer("one", "x", "h"), { ...op("Nobody", "h", "y"), domain: "nobody" }];
    const model = { ...modelOf(nodes, numbers("one", 4, 1)), domains: { nobody: 1 } };
    const [message] = await refusal(model, { method: "cap", to: 9 });
    expect(message).toMatch(
      /^--preserve runs the network, which is not possible here: .*model-\d+\.onnx: y: Nobody "nobody" cannot be run/,
    );
  });
});

describe("a promise about outputs", () => {
  it("is not kept where a bias becomes too small for its type", async () => {
    const half = (name: string, values: readonly number[], shape: readonly number[] = [values.length]) => ({
      name,
      dtype: "float16",
      shape,
      data: Uint16Array.from(values, toHalf),
    });
    const model: TestModel = {
      opset: 17,
      inputs: [{ name: "x", shape: [1, 2], dtype: "float16" }],
      outputs: [{ name: "y", dtype: "float16" }],
      nodes: [layer("one", "x", "y")],
      initializers: [half("one.w", [1024, 0, 0, 1], [2, 2]), half("one.b", [0.0625, 0])],
    };
    const { report } = await run(await open(model), { to: 0.5 });
    expect(report).toMatchObject({ kept: false });
    expect(report.preserve).toBeUndefined();
    expect(report.problems.filter(({ severity }) => severity === "error")).toEqual([
      {
        severity: "error",
        where: "one.b",
        message: expect.stringMatching(
          /^multiplied by 0\.000488\d to follow the weights before it, its largest number is 3\.05\de-5, too small for float16$/,
        ),
      },
    ]);
  });

  it("is held against the file as written: a bias that went wrong leaves no file", async () => {
    const model = await open(chain);
    const wrong: Model = {
      ...model,
      rewrite: (replaced, replace) =>
        model.rewrite(replaced, async (entry: TensorEntry) =>
          entry.name === "two.b" ? entry.read(0, entry.byteLength) : replace(entry),
        ),
    };
    const target = join(folder, "wrong.onnx");
    const normalization = await run(wrong);
    await expect(normalization.write(target)).rejects.toMatchObject({
      name: "PromiseError",
      message: expect.stringMatching(
        /^Gemm "two" of the file as written gives .* where .* was to be kept; rounding/,
      ),
    });
    expect((await readdir(folder)).filter((name) => name.includes("wrong"))).toEqual([]);
  });
});

/** The bits of a float16, for numbers that it holds. */
function toHalf(x: number): number {
  if (x === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  return (
    (x < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.round((Math.abs(x) / 2 ** exponent - 1) * 1024)
  );
}
