import { defaultDevice, init } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { openModel } from "../../formats/open.ts";
import { singularValueDecomposition } from "../../linalg/svd.ts";
import { forward, jvp } from "../../network/evaluate.ts";
import { importOnnx } from "../../network/import-onnx.ts";
import type { Network } from "../../network/network.ts";
import { randomNumbers } from "../../network/testing/run-onnx.ts";
import { residual, sequential } from "../compositions.ts";
import { bjorck } from "../controls/bjorck.ts";
import { spectralNorm } from "../controls/spectral-norm.ts";
import { abs } from "../layers/activations.ts";
import { conv2d } from "../layers/convolution.ts";
import { flatten } from "../layers/flatten.ts";
import { linear } from "../layers/linear.ts";
import { averagePool2d } from "../layers/pooling.ts";
import { relu } from "../layers/relu.ts";
import { fullSort, maxMin } from "../layers/sorting.ts";
import { exportedAfterTraining } from "../testing/exported.ts";

beforeAll(async () => {
  await init("wasm");
  defaultDevice("wasm");
});

/** The whole Jacobian at a point, one column for each input. */
function jacobian(network: Network, x: Float64Array): { data: Float64Array; rows: number; cols: number } {
  const tape = forward(network, [x]);
  const columns = Array.from(x, (_, j) => {
    const direction = new Float64Array(x.length);
    direction[j] = 1;
    return jvp(network, tape, [direction])[0]!;
  });
  const rows = columns[0]!.length;
  const data = Float64Array.from(
    { length: rows * x.length },
    (_, i) => columns[i % x.length]![Math.floor(i / x.length)]!,
  );
  return { data, rows, cols: x.length };
}

describe("the Jacobian of a 1-Lipschitz network never exceeds 1", () => {
  const control = spectralNorm({ iterations: 3 });
  const orthonormal = bjorck();
  const half = spectralNorm({ cap: 0.5, iterations: 3 });
  it.each([
    [
      "dense",
      sequential(linear(8, { control }), maxMin(), linear(8, { control }), abs(), linear(4, { control })),
      [6],
    ],
    [
      "orthonormal",
      sequential(linear(8, { control: orthonormal }), fullSort(), linear(5, { control: orthonormal })),
      [8],
    ],
    [
      "convolutional",
      sequential(
        conv2d(4, 3, { control, padding: 1 }),
        maxMin(),
        averagePool2d(2),
        flatten(),
        linear(3, { control }),
      ),
      [2, 4, 4],
    ],
    [
      "averaged with a skip",
      sequential(
        linear(6, { control: half }),
        residual(sequential(linear(6, { control: half }), relu(), linear(6, { control }))),
      ),
      [5],
    ],
  ] as const)("%s", async (name, net, inputShape) => {
    const { bytes } = await exportedAfterTraining(net, inputShape);
    const network = await importOnnx(await openModel(bytes));
    // x + g(x) with ‖g‖ ≤ ½, after a layer of norm ½.
    const constant = name === "averaged with a skip" ? 0.75 : 1;
    const random = randomNumbers(7);
    let seen = 0;
    for (let point = 0; point < 40; point++) {
      const size = 10 ** ((point % 4) - 1);
      const x = Float64Array.from({ length: network.inputs[0]!.size }, () => size * random());
      const { data, rows, cols } = jacobian(network, x);
      const { s } = singularValueDecomposition(data, rows, cols);
      seen = Math.max(seen, s[0]!);
    }
    expect(seen).toBeLessThanOrEqual(constant * (1 + 1e-12));
    expect(seen).toBeGreaterThan(0.3);
  });
});
