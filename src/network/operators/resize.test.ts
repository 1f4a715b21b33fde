import { describe, expect, it } from "vitest";
import { importOnnx } from "../import-onnx.ts";
import { checkModel } from "../testing/check-operation.ts";
import { constantsOf } from "../testing/constants-of.ts";
import { largestSingularValue, matrixOfModel } from "../testing/linear.ts";
import { type OneNode, oneNode } from "../testing/one-node.ts";
import {
  float,
  float32,
  int,
  int64,
  ints,
  openTestModel,
  string,
  type TestModel,
} from "../testing/run-onnx.ts";

interface Case {
  readonly x: readonly number[];
  readonly scales?: readonly number[];
  readonly sizes?: readonly number[];
  readonly roi?: readonly number[];
  readonly attributes?: NonNullable<OneNode["attributes"]>;
  readonly opset?: number;
}

function resize({ x, scales, sizes, roi, attributes = {}, opset = 19 }: Case): TestModel {
  // Inputs that may not be left out before operator set 13.
  const old = opset < 13;
  return oneNode("Resize", {
    opset,
    shapes: [x],
    attributes,
    inputs: ["x0", roi || old ? "roi" : "", scales || old ? "scales" : "", ...(sizes ? ["sizes"] : [])],
    constants: [
      ...(roi || old ? [float32("roi", roi ?? [])] : []),
      ...(scales || old ? [float32("scales", scales ?? [])] : []),
      ...(sizes ? [int64("sizes", sizes)] : []),
    ],
  });
}

/** The constant must be the largest singular value of the runtime's own matrix, whose entries are float32. */
async function check(model: TestModel): Promise<void> {
  await checkModel(model, { points: 2 });
  const found = await constantsOf(await openTestModel(model));
  const norm = largestSingularValue(await matrixOfModel(model));
  expect(found!.constants[0]).toBeGreaterThanOrEqual(norm * (1 - 1e-6));
  expect(found!.constants[0]).toBeLessThanOrEqual(norm * (1 + 1e-5));
}

const attributes = (mode: string, coordinates?: string, more: NonNullable<OneNode["attributes"]> = {}) => ({
  mode: string(mode),
  ...(coordinates ? { coordinate_transformation_mode: string(coordinates) } : {}),
  ...more,
});

const COORDINATES = [
  "half_pixel",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "half_pixel_symmetric",
];
const ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];

describe("nearest", () => {
  for (const coordinates of [...COORDINATES, "tf_half_pixel_for_nn"]) {
    for (const rounding of ROUNDINGS) {
      it(`${coordinates}, ${rounding}`, async () => {
        const opset = coordinates === "tf_half_pixel_for_nn" ? 11 : 19;
        const how = attributes("nearest", coordinates, { nearest_mode: string(rounding) });
        await check(resize({ x: [1, 2, 3, 4], scales: [1, 1, 2, 3], attributes: how, opset }));
        await check(resize({ x: [1, 1, 5, 6], scales: [1, 1, 0.6, 0.5], attributes: how, opset }));
        await check(resize({ x: [1, 1, 3, 4], sizes: [1, 1, 5, 6], attributes: how, opset }));
      });
    }
  }

  it("one axis, five axes, odd scales", async () => {
    await check(resize({ x: [7], scales: [1.3], attributes: attributes("nearest") }));
    await check(resize({ x: [7], scales: [2 / 3], attributes: attributes("nearest", "asymmetric") }));
    await check(resize({ x: [1, 2, 2, 3, 2], scales: [1, 1, 2, 1, 2], attributes: attributes("nearest") }));
    await check(
      resize({ x: [1, 1, 12], sizes: [1, 1, 14], attributes: attributes("nearest", "half_pixel") }),
    );
  });

  it("keeps known copies where sizes are open", async () => {
    const model = resize({
      x: ["n", 1, "h", "w"] as unknown as number[],
      scales: [1, 1, 2, 3],
      attributes: attributes("nearest", "asymmetric", { nearest_mode: string("floor") }),
    });
    expect((await constantsOf(await openTestModel(model)))?.constants[0]).toBeCloseTo(Math.sqrt(6), 14);
  });
});

describe("linear", () => {
  for (const coordinates of COORDINATES) {
    it(coordinates, async () => {
      const how = attributes("linear", coordinates);
      await check(resize({ x: [1, 2, 3, 4], scales: [1, 1, 2, 3], attributes: how }));
      await check(resize({ x: [1, 1, 5, 6], scales: [1, 1, 0.6, 0.5], attributes: how }));
      await check(resize({ x: [1, 1, 3, 4], sizes: [1, 1, 5, 6], attributes: how }));
      await check(resize({ x: [1, 1, 3, 3], sizes: [1, 1, 1, 1], attributes: how }));
    });
  }

  it("tf_half_pixel_for_nn", async () => {
    const how = attributes("linear", "tf_half_pixel_for_nn");
    await check(resize({ x: [1, 2, 3, 4], scales: [1, 1, 2, 1.5], attributes: how, opset: 11 }));
  });

  it("two, three and five axes", async () => {
    await check(resize({ x: [3, 4], scales: [1.5, 2], attributes: attributes("linear") }));
    await check(resize({ x: [2, 3, 2], scales: [2, 1.5, 1], attributes: attributes("linear") }));
    await check(resize({ x: [1, 2, 2, 3, 2], scales: [1, 1, 2, 2, 1.5], attributes: attributes("linear") }));
  });
});

describe("cubic", () => {
  for (const coordinates of COORDINATES) {
    it(coordinates, async () => {
      await check(
        resize({ x: [1, 2, 3, 4], scales: [1, 1, 2, 3], attributes: attributes("cubic", coordinates) }),
      );
      const how = attributes("cubic", coordinates, { exclude_outside: int(1), cubic_coeff_a: float(-0.5) });
      await check(resize({ x: [1, 1, 5, 6], scales: [1, 1, 0.6, 1.5], attributes: how }));
    });
  }

  it("sizes", () => check(resize({ x: [4, 5], sizes: [7, 3], attributes: attributes("cubic") })));
});

describe("tf_crop_and_resize", () => {
  for (const mode of ["nearest", "linear", "cubic"]) {
    it(`${mode} inside and outside`, async () => {
      const how = attributes(mode, "tf_crop_and_resize", { extrapolation_value: float(7) });
      await check(
        resize({
          x: [1, 1, 4, 5],
          sizes: [1, 1, 3, 6],
          roi: [0, 0, 0.4, 0.1, 1, 1, 0.6, 0.9],
          attributes: how,
        }),
      );
      await check(
        resize({
          x: [1, 1, 4, 5],
          sizes: [1, 1, 3, 6],
          roi: [0, 0, -0.2, 0.5, 1, 1, 0.6, 1.3],
          attributes: how,
        }),
      );
      await check(
        resize({
          x: [1, 1, 4, 5],
          sizes: [1, 1, 1, 2],
          roi: [0, 0, 0.2, 0.1, 1, 1, 0.6, 0.9],
          attributes: how,
        }),
      );
    });
  }
});

describe("antialias", () => {
  for (const mode of ["linear", "cubic"]) {
    for (const exclude of [0, 1]) {
      it(`${mode}, exclude_outside ${exclude}`, async () => {
        const how = attributes(mode, "half_pixel", { antialias: int(1), exclude_outside: int(exclude) });
        await check(resize({ x: [1, 1, 8, 9], sizes: [1, 1, 3, 4], attributes: how }));
        await check(resize({ x: [1, 1, 4, 7], scales: [1, 1, 1.5, 0.4], attributes: how }));
      });
    }
  }

  it("is not covered with a region", async () => {
    const how = attributes("linear", "tf_crop_and_resize", { antialias: int(1) });
    const model = resize({
      x: [1, 1, 4, 4],
      sizes: [1, 1, 2, 2],
      roi: [0, 0, 0, 0, 1, 1, 1, 1],
      attributes: how,
    });
    await expect(importOnnx(await openTestModel(model))).rejects.toThrow("antialias with tf_crop_and_resize");
  });
});

describe("axes and aspect", () => {
  it("some axes", async () => {
    const axes = { axes: ints([3, 2]) };
    await check(
      resize({ x: [1, 1, 3, 4], scales: [2, 1.5], attributes: attributes("linear", undefined, axes) }),
    );
    await check(
      resize({ x: [1, 1, 3, 4], sizes: [5, 4], attributes: attributes("nearest", undefined, axes) }),
    );
  });

  for (const policy of ["not_larger", "not_smaller"]) {
    it(policy, async () => {
      const how = { axes: ints([2, 3]), keep_aspect_ratio_policy: string(policy) };
      await check(
        resize({ x: [1, 1, 3, 5], sizes: [7, 8], attributes: attributes("linear", undefined, how) }),
      );
      await check(
        resize({ x: [1, 1, 3, 5], sizes: [7, 8], attributes: attributes("nearest", undefined, how) }),
      );
    });
  }
});

describe("older operator sets", () => {
  it("Resize 10", async () => {
    for (const mode of ["nearest", "linear"]) {
      for (const scales of [
        [1, 1, 2, 2],
        [1, 1, 1.5, 3],
        [1, 1, 0.5, 0.6],
      ]) {
        const node = {
          shapes: [[1, 2, 3, 5]],
          constants: [float32("s", scales)],
          attributes: { mode: string(mode) },
          opset: 10,
        };
        await check(oneNode("Resize", node));
      }
    }
  });

  it("Resize 11 with empty scales", async () => {
    const node = {
      shapes: [[1, 1, 3, 4]],
      constants: [float32("roi", []), float32("s", []), int64("sizes", [1, 1, 6, 8])],
      attributes: attributes("linear", "half_pixel"),
      opset: 11,
    };
    await check(oneNode("Resize", node));
  });

  it("Upsample", async () => {
    for (const mode of ["nearest", "linear"]) {
      const seven = {
        shapes: [[1, 2, 3, 2]],
        attributes: { mode: string(mode), scales: { kind: "floats", value: [1, 1, 2, 3] } as const },
        opset: 7,
      };
      await check(oneNode("Upsample", seven));
      const nine = {
        shapes: [[1, 2, 3, 2]],
        constants: [float32("s", [1, 1, 2, 1.5])],
        attributes: { mode: string(mode) },
        opset: 9,
      };
      await check(oneNode("Upsample", nine));
    }
  });
});

it("needs sizes for an interpolation", async () => {
  const model = resize({
    x: ["n", 1, "h", "w"] as unknown as number[],
    scales: [1, 1, 2, 2],
    attributes: attributes("linear"),
  });
  expect(await constantsOf(await openTestModel(model))).toBeNull();
});
