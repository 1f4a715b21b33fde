import { lax, nn, numpy as np } from "@jax-js/jax";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { fromFloat64, toFloat64 } from "../../formats/decode.ts";
import { ArrayType } from "../array-type.ts";
import { hostView } from "../element-types.ts";
import { lower } from "../lower.ts";
import { type ArrayFunction, evaluated, expectClose, type Sample, Seeded } from "../testing/reference.ts";
import { traceFunction } from "../trace.ts";

const random = new Seeded(31);

/** Half a unit in the last place of float16, and as much for rounding on the way. */
const HALF_PRECISION = 2 ** -9;

function toHalf({ shape, data }: Sample): Sample {
  return {
    shape,
    dtype: "float16",
    data: hostView("float16", fromFloat64("float16", Float64Array.from(data))),
  };
}

function fromHalf({ shape, data }: Sample): Sample {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { shape, dtype: "float32", data: Float32Array.from(toFloat64("float16", bytes)) };
}

/** The function on float16 in onnxruntime; jax-js has no float16 where JavaScript has none. */
async function onHalves(fn: ArrayFunction, samples: readonly Sample[]): Promise<Sample[]> {
  const types = samples.map(({ shape }) => new ArrayType(shape, "float16"));
  const program = lower(traceFunction(fn as never, types));
  const session = await InferenceSession.create(program.bytes, { logSeverityLevel: 3 });
  const feeds = Object.fromEntries(
    program.inputs.map(({ name, shape }, i) => [
      name,
      new Tensor("float16", samples[i].data as Uint16Array, shape),
    ]),
  );
  const results = await session.run(feeds);
  return program.outputs.map(({ name, shape, dtype }) => ({
    shape,
    dtype,
    data: results[name].data as Uint16Array,
  }));
}

async function expectRounded(fn: ArrayFunction, samples: readonly Sample[]): Promise<void> {
  const halves = samples.map(toHalf);
  const expected = await evaluated(fn, halves.map(fromHalf));
  const got = await onHalves(fn, halves);
  for (const [i, result] of got.entries()) {
    expect(result.dtype).toBe("float16");
    expectClose(fromHalf(result).data, expected[i].data, HALF_PRECISION);
  }
}

describe("float16", () => {
  const [x, y] = [random.sample([4, 6]), random.sample([4, 6])];

  it("elementwise", async () => {
    await expectRounded((a, b) => a.ref.mul(b.ref).add(a.sub(b).mul(1.5)), [x, y]);
    await expectRounded((a, b) => np.where(a.ref.less(b.ref), np.maximum(a, 0.25), np.exp(b)), [x, y]);
    await expectRounded(
      (a) => [np.tanh(a.ref), nn.sigmoid(a.ref), nn.relu(a.ref), nn.leakyRelu(a.ref, 0.5), lax.erf(a)],
      [x],
    );
  });

  it("products, sums, orders and convolutions", async () => {
    await expectRounded((a, b) => np.matmul(a, b.transpose()), [x, y]);
    await expectRounded((a) => [a.ref.sum(0), a.ref.sum(), a.ref.max(1), a.mean()], [x]);
    await expectRounded((a) => np.sort(a), [x]);
    await expectRounded(
      (a, w) => lax.conv(a, w, [1, 1], "SAME"),
      [random.sample([1, 2, 5, 5]), random.sample([3, 2, 3, 3])],
    );
    await expectRounded((a) => np.pad(np.concatenate([a.ref, np.flip(a)]), 1).slice([1, 4]), [x]);
  });
});
