import { describe, expect, it } from "vitest";
import type { AttributeDescription } from "../../formats/onnx/encode.ts";
import { enclose } from "../enclose.ts";
import { forward, outputsOf } from "../evaluate.ts";
import { importOnnx } from "../import-onnx.ts";
import { planFromOnnx } from "../plan-from-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { largestSingularValue } from "../testing/linear.ts";
import {
  float,
  float32,
  int,
  int64,
  openTestModel,
  randomNumbers,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";

type Attributes = Readonly<Record<string, AttributeDescription>>;

const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;
type Kind = keyof typeof GATES;

function numbers(count: number, seed: number, scale = 1): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: count }, () => scale * random());
}

interface Options {
  readonly steps?: number | string;
  readonly batch?: number;
  readonly direction?: "forward" | "reverse" | "bidirectional";
  readonly attributes?: Attributes;
  readonly bias?: boolean;
  /** Initial states as constants or signals. */
  readonly states?: "constant" | "signal";
  readonly outputs?: readonly string[];
  readonly opset?: number;
  readonly scale?: number;
  readonly batchFirst?: boolean;
}

const WIDTH = 3;
const HIDDEN = 2;

function model(kind: Kind, options: Options = {}): TestModel {
  const { steps = 4, batch = 2, direction = "forward", attributes = {}, bias = true, scale = 0.8 } = options;
  const { states, opset = 14, batchFirst = false } = options;
  const count = direction === "bidirectional" ? 2 : 1;
  const gates = GATES[kind] * HIDDEN;
  const kinds = kind === "LSTM" ? ["h0", "c0"] : ["h0"];
  const all = ["y", "h", ...(kind === "LSTM" ? ["c"] : [])];
  const outputs = options.outputs ?? all;
  const state = batchFirst ? [batch, count, HIDDEN] : [count, batch, HIDDEN];
  return {
    opset,
    nodes: [
      {
        opType: kind,
        inputs: ["x", "w", "r", bias ? "b" : "", "", ...(states ? kinds : [])],
        outputs: all.map((name) => (outputs.includes(name) ? name : "")),
        attributes: { hidden_size: int(HIDDEN), direction: string(direction), ...attributes },
      },
    ],
    initializers: [
      float32("w", numbers(count * gates * WIDTH, 1, scale), [count, gates, WIDTH]),
      float32("r", numbers(count * gates * HIDDEN, 2, scale), [count, gates, HIDDEN]),
      ...(bias ? [float32("b", numbers(count * 2 * gates, 3, scale), [count, 2 * gates])] : []),
      ...(states === "constant"
        ? kinds.map((name, i) => float32(name, numbers(count * batch * HIDDEN, 4 + i), state))
        : []),
    ],
    inputs: [
      { name: "x", shape: batchFirst ? [batch, steps, WIDTH] : [steps, batch, WIDTH] },
      ...(states === "signal" ? kinds.map((name) => ({ name, shape: state })) : []),
    ],
    outputs: outputs.map((name) => ({ name })),
  };
}

for (const kind of ["RNN", "GRU", "LSTM"] as const) {
  describe(kind, () => {
    for (const direction of ["forward", "reverse", "bidirectional"] as const) {
      for (const states of [undefined, "constant", "signal"] as const) {
        it(`${direction}, initial states ${states ?? "absent"}`, async () => {
          await checkModel(model(kind, { direction, ...(states ? { states } : {}) }), { points: 4 });
        });
      }
    }

    it("one step, one example, no bias, operator set 7", async () => {
      await checkModel(model(kind, { steps: 1, batch: 1, bias: false, opset: 7 }), { points: 3 });
    });

    it("gives what is asked for", async () => {
      for (const outputs of kind === "LSTM" ? [["y"], ["h"], ["c"], ["h", "c"]] : [["y"], ["h"]]) {
        await checkModel(model(kind, { outputs }), { points: 3 });
      }
    });

    it("takes examples first as steps first, transposed", async () => {
      // onnxruntime's CPU has no layout 1.
      const options = { steps: 3, batch: 2, direction: "bidirectional", states: "signal" } as const;
      const plain = await importOnnx(await openTestModel(model(kind, options)));
      const network = await checkModel(
        model(kind, { ...options, batchFirst: true, attributes: { layout: int(1) } }),
        {
          runtime: false,
        },
      );
      const swap = (x: Float64Array, [a, b, c]: readonly number[]) =>
        Float64Array.from({ length: x.length }, (_, i) => {
          const [j, k, l] = [Math.floor(i / (a * c)), Math.floor(i / c) % a, i % c];
          return x[(k * b + j) * c + l];
        });
      const given = network.inputs.map(({ size }, i) => Float64Array.from(numbers(size, 30 + i)));
      const first = given.map((x, i) => swap(x, i === 0 ? [2, 3, WIDTH] : [2, 2, HIDDEN]));
      const [y, ...last] = outputsOf(network, forward(network, given));
      const [z, ...rest] = outputsOf(plain, forward(plain, first));
      // [B, T, D, H] from [T, D, B, H].
      const expected = Float64Array.from({ length: z.length }, (_, i) => {
        const [b, t, d, h] = [
          Math.floor(i / (3 * 2 * HIDDEN)),
          Math.floor(i / (2 * HIDDEN)) % 3,
          Math.floor(i / HIDDEN) % 2,
          i % HIDDEN,
        ];
        return z[((t * 2 + d) * 2 + b) * HIDDEN + h];
      });
      expect(y).toEqual(expected);
      last.forEach((v, i) => void expect(v).toEqual(swap(rest[i], [2, 2, HIDDEN])));
    });

    it("says what is not covered", async () => {
      const refused = async (m: TestModel) => importOnnx(await openTestModel(m));
      await expect(refused(model(kind, { attributes: { clip: float(3) } }))).rejects.toThrow(
        /clip is not covered/,
      );
      const base = model(kind);
      const [node] = base.nodes;
      const inputs = ["x", "w", "r", "b", "lengths"];
      const lengths = (data: readonly number[]) => ({
        ...base,
        nodes: [{ ...node, inputs }],
        initializers: [
          ...(base.initializers ?? []),
          { ...int64("lengths", [], [2]), dtype: "int32", data: Int32Array.from(data) },
        ],
      });
      await expect(refused(lengths([4, 3]))).rejects.toThrow(/sequence_lens/);
      await refused(lengths([4, 4]));
      await expect(refused(model(kind, { attributes: { direction: string("up") } }))).rejects.toThrow(
        /its direction is up/,
      );
    });
  });
}

describe("variants", () => {
  const names = (value: readonly string[]): AttributeDescription => ({ kind: "strings", value });
  const floats = (value: readonly number[]): AttributeDescription => ({ kind: "floats", value });

  it("other activations", async () => {
    await checkModel(model("RNN", { attributes: { activations: names(["Relu"]) } }));
    await checkModel(
      model("RNN", {
        direction: "bidirectional",
        attributes: { activations: names(["Sigmoid", "LeakyRelu"]), activation_alpha: floats([0.3]) },
      }),
    );
    await checkModel(model("GRU", { attributes: { activations: names(["HardSigmoid", "Softsign"]) } }));
    await checkModel(model("GRU", { attributes: { activations: names(["Relu", "Tanh"]) }, steps: 2 }));
    await checkModel(model("LSTM", { attributes: { activations: names(["Sigmoid", "Relu", "Tanh"]) } }));
    const elu = model("RNN", { attributes: { activations: names(["ScaledTanh"]) } });
    await expect(importOnnx(await openTestModel(elu))).rejects.toThrow(/ScaledTanh is not covered/);
  });

  it("a GRU that resets after its product", async () => {
    for (const direction of ["forward", "bidirectional"] as const) {
      await checkModel(model("GRU", { direction, attributes: { linear_before_reset: int(1) } }));
    }
  });

  it("an LSTM with peepholes or coupled gates is refused", async () => {
    const base = model("LSTM");
    const [node] = base.nodes;
    const inputs = ["x", "w", "r", "b", "", "", "", "p"];
    const peepholes = {
      ...base,
      nodes: [{ ...node, inputs }],
      initializers: [...(base.initializers ?? []), float32("p", numbers(6, 9), [1, 6])],
    };
    await expect(importOnnx(await openTestModel(peepholes))).rejects.toThrow(/peephole/);
    const coupled = model("LSTM", { attributes: { input_forget: int(1) } });
    await expect(importOnnx(await openTestModel(coupled))).rejects.toThrow(/input_forget/);
  });
});

function sigma(m: TestModel, name: string): number {
  const tensor = m.initializers?.find((t) => t.name === name);
  const [, rows, cols] = tensor?.shape ?? [];
  return largestSingularValue({ data: Float64Array.from(tensor?.data as Float32Array), rows, cols });
}

describe("constants", () => {
  it("of an Elman network over T steps: ‖W‖Σ‖R‖ᵗ, and ‖W‖√Σ‖R‖²ᵗ for the last state", async () => {
    for (const scale of [0.3, 1.5]) {
      const m = model("RNN", { scale, steps: 5 });
      const [w, r] = [sigma(m, "w"), sigma(m, "r")];
      const powers = [0, 1, 2, 3, 4].map((t) => r ** t);
      const all = await constantsOf(await openTestModel(model("RNN", { scale, steps: 5, outputs: ["y"] })));
      const last = await constantsOf(await openTestModel(model("RNN", { scale, steps: 5, outputs: ["h"] })));
      const sum = w * powers.reduce((a, b) => a + b);
      const root = w * Math.hypot(...powers);
      expect(all!.constants[0]).toBeGreaterThanOrEqual(sum * (1 - 1e-12));
      expect(all!.constants[0]).toBeLessThan(sum * (1 + 1e-4));
      expect(last!.constants[0]).toBeGreaterThanOrEqual(root * (1 - 1e-12));
      expect(last!.constants[0]).toBeLessThan(root * (1 + 1e-4));
    }
  });

  it("of an Elman network whose state fades, for every number of steps", async () => {
    const m = model("RNN", { scale: 0.3, steps: "T", outputs: ["y"] });
    const found = await constantsOf(await openTestModel(m));
    const expected = sigma(m, "w") / (1 - sigma(m, "r"));
    expect(found!.constants[0]).toBeGreaterThanOrEqual(expected * (1 - 1e-12));
    expect(found!.constants[0]).toBeLessThan(expected * (1 + 1e-4));
  });

  it("count both directions, whose outputs lie side by side", async () => {
    const copies: TestModel = {
      opset: 14,
      nodes: [
        {
          opType: "RNN",
          inputs: ["x", "w", "r"],
          outputs: ["y"],
          attributes: {
            hidden_size: int(1),
            direction: string("bidirectional"),
            activations: { kind: "strings", value: ["Relu", "Relu"] },
          },
        },
      ],
      initializers: [float32("w", [1, 1], [2, 1, 1]), float32("r", [0, 0], [2, 1, 1])],
      inputs: [{ name: "x", shape: [3, 1, 1] }],
      outputs: [{ name: "y" }],
    };
    const found = await constantsOf(await openTestModel(copies));
    expect(found!.constants[0]).toBeCloseTo(Math.SQRT2, 10);
    await checkModel(copies, { range: [0.5, 2] });
  });

  it("of every layer with its initial state at hand hold, and are finite", async () => {
    for (const kind of ["RNN", "GRU", "LSTM"] as const) {
      for (const direction of ["forward", "bidirectional"] as const) {
        const m = model(kind, { direction, steps: 3, scale: 0.4, states: "constant" });
        expect((await constantsOf(await openTestModel(m)))?.constants[0]).toBeLessThan(1e3);
        await checkModel(m, { points: 2, range: [-4, 4] });
      }
    }
  });

  it("say why there is none", async () => {
    const reason = async (m: TestModel) =>
      (await planFromOnnx(await openTestModel(m))).graph?.nodes[0].unbounded;
    expect(await reason(model("LSTM", { steps: "T" }))).toMatch(/its cell adds up over time/);
    expect(await reason(model("GRU", { steps: "T" }))).toMatch(/may keep its state/);
    expect(await reason(model("RNN", { steps: "T", scale: 3 }))).toMatch(/need not forget/);
    expect(await reason(model("LSTM", { states: "signal" }))).toMatch(/its initial state may be any number/);
    expect(await reason(model("RNN", { states: "signal" }))).toBeUndefined();
  });
});

describe("boxes", () => {
  it("of unbounded sequences hold the states that gates keep bounded", async () => {
    for (const kind of ["GRU", "LSTM"] as const) {
      const network = await importOnnx(await openTestModel(model(kind, { steps: 6, batch: 1 })));
      const size = network.inputs[0].size;
      const [box] = enclose(network, [
        { lo: new Float64Array(size).fill(-Infinity), hi: new Float64Array(size).fill(Infinity) },
      ]);
      const states = 6 * HIDDEN;
      for (let i = 0; i < states; i++) {
        expect(box.lo[i]).toBeGreaterThanOrEqual(-1 - 1e-12);
        expect(box.hi[i]).toBeLessThanOrEqual(1 + 1e-12);
      }
      const { operation } = network.nodes[0];
      const everything = {
        lo: new Float64Array(size).fill(-Infinity),
        hi: new Float64Array(size).fill(Infinity),
      };
      expect(operation.kind === "general" && operation.local?.([everything])).toBeTruthy();
    }
  });

  it("hold wide ones, and their local constants differences over them", async () => {
    for (const kind of ["RNN", "GRU", "LSTM"] as const) {
      for (const states of ["constant", "signal"] as const) {
        await checkModel(model(kind, { direction: "bidirectional", states }), {
          width: 60,
          points: 4,
          range: [-3, 3],
        });
      }
    }
    const reset = model("GRU", { states: "signal", attributes: { linear_before_reset: int(1) } });
    await checkModel(reset, { width: 60, points: 4, range: [-3, 3] });
  });

  it("are tight at a point", async () => {
    for (const kind of ["RNN", "GRU", "LSTM"] as const) {
      const network = await importOnnx(await openTestModel(model(kind, { batch: 1 })));
      const x = Float64Array.from(numbers(network.inputs[0].size, 12));
      const [box] = enclose(network, [{ lo: x, hi: x }]);
      box.lo.forEach((l, i) => void expect(box.hi[i] - l).toBeLessThan(1e-12));
    }
  });
});
