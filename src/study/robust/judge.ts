import { exportOnnx } from "../../compile.ts";
import { type CertifyReport, certify, openModel } from "../../index.ts";
import { DIGIT_PIXELS, type Digits, gradientSearch, type Variables } from "../../train.ts";
import { CLASSES, type Classifier } from "./classifier.ts";

export interface JudgeOptions {
  readonly epsilons: readonly number[];
  /** The first so many digits are attacked with so many steps; null for no attack. */
  readonly attack: { readonly points: number; readonly steps: number } | null;
  /** Of the attack's random starts. */
  readonly seed: number;
  readonly onShare: (share: number) => void;
}

/**
 * What a trained network gets right, what is proved of it, and what withstands the attack. The network goes to a file, and all
 * of it is about the file. `params` and `state` are lent.
 */
export async function judge(
  { net, inputShape }: Classifier,
  { params, state }: Variables,
  { x, y }: Digits,
  { epsilons, attack, seed, onShare }: JudgeOptions,
): Promise<CertifyReport> {
  // The file is judged alone, so it may differ from the network in training by whatever its proof costs.
  const { bytes } = await exportOnnx(net, params, state, { inputShape, tolerance: 1 });
  const model = await openModel(bytes, { name: "network.onnx" });
  const search =
    attack === null ? null : await gradientSearch(net, params, state, { inputShape, classes: CLASSES });
  try {
    return await certify(model, x, y, {
      epsilons,
      guarantee: "proof",
      seed,
      ...(attack === null || search === null
        ? { attack: "none" }
        : { search, attackPoints: attack.points, attackSteps: attack.steps }),
      onProgress: ({ phase, index, count }) => onShare(phase === "attack" ? index / count : 0),
    });
  } finally {
    search?.dispose();
    await model.close();
  }
}

/** The digits from `start` to before `end`. */
export function part({ x, y }: Digits, start: number, end: number): Digits {
  const pixels = x.slice(start * DIGIT_PIXELS, end * DIGIT_PIXELS);
  return { count: end - start, x: pixels, y: y.slice(start, end) };
}
