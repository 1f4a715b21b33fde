import { grad, jit, numpy as np, random, tree } from "@jax-js/jax";
import { beforeAll, describe, expect, it } from "vitest";
import { linear } from "../layers/linear.ts";
import { controlCases, gradientOfUse, onWasm, started, used } from "../testing/control-cases.ts";
import {
  distance,
  drawn,
  heldOf,
  numbers,
  sizeOf,
  tensor,
  weightCases,
} from "../testing/controlled-weights.ts";
import { expectNothingKept } from "../testing/ownership.ts";
import type { LayerTree, Tensor, Tree } from "../types.ts";
import { bjorck } from "./bjorck.ts";
import { cayley } from "./cayley.ts";
import { clipWeights } from "./clip-weights.ts";
import type { Control } from "./control.ts";
import { projectNorm } from "./project-norm.ts";
import { ruleOf } from "./rules.ts";
import { clipSingularValues, singularBand } from "./singular-band.ts";
import { spectralNorm } from "./spectral-norm.ts";
import { uncontrolled } from "./uncontrolled.ts";

const shapes = weightCases.filter(({ name }) => ["wide", "tall", "convolution"].includes(name));
const each = controlCases.flatMap(([name, control]) =>
  shapes.map((given) => [name, given.name, control, given] as const),
);

beforeAll(onWasm);

describe.each(each)("%s on %s", (_, __, control, given) => {
  const rule = ruleOf(control);

  it("keeps nothing of what it is lent, and owns what it returns", () => {
    const { weight, state } = started(control, given);
    const held = heldOf(given, weight);
    const lent: Tree = { weight, state };
    expectNothingKept(lent, () => {
      const { weight, scale } = rule.effective(control, held, state);
      return scale ? [weight, scale] : [weight];
    });
    expectNothingKept(lent, () => rule.advance(control, held, state));
    expectNothingKept(lent, () => ({ ...rule.project(control, held, state) }));
    expectNothingKept([], () => ({ ...started(control, given) }));
    const cotangent = tensor(drawn(sizeOf(given.shape), 11), given.shape);
    expectNothingKept([lent, cotangent], () => gradientOfUse(control, given, weight, state, cotangent.ref));
    tree.dispose([lent, cotangent] as never);
  });

  it("is the same traced as run step by step", () => {
    const { weight, state } = started(control, given);
    const everything = (w: Tensor, s: LayerTree) => {
      const held = heldOf(given, w);
      const advanced = rule.advance(control, held, s);
      const projected = rule.project(control, held, advanced);
      const inUse = used(control, given, w, s);
      tree.dispose([w, s, advanced] as never);
      return { inUse, ...projected };
    };
    const traced = (jit(everything as never) as unknown as typeof everything)(weight.ref, tree.ref(state));
    const plain = everything(weight, state);
    expect(distance(numbers(traced.inUse), numbers(plain.inUse))).toBeLessThan(1e-5);
    expect(distance(numbers(traced.weight), numbers(plain.weight))).toBeLessThan(1e-5);
    tree.dispose([plain.state, traced.state] as never);
  });
});

describe("learnableScale", () => {
  it("multiplies the normalised weight by a trained factor, held in [−1, 1]", () => {
    const net = linear(3, { bias: false, control: spectralNorm({ cap: 2, learnableScale: true }) });
    const { params, state } = net.init(random.key(1), [5]) as { params: LayerTree; state: LayerTree };
    const { weight, weightScale } = params as { weight: Tensor; weightScale: Tensor };
    expect([...numbers(weightScale.ref)]).toEqual([1]);
    const outputs = (factor: Tensor) => {
      const x = tensor(drawn(10, 1), [2, 5]);
      const { y, state: after } = net.apply({ weight, weightScale: factor }, state, x);
      tree.dispose([after, factor] as never);
      return y;
    };
    const whole = numbers(outputs(tensor([1], [])));
    expect(
      distance(
        numbers(outputs(tensor([-0.25], []))),
        whole.map((y) => -0.25 * y),
      ),
    ).toBeLessThan(1e-6);
    const slope = grad((factor: Tensor) => np.sum(outputs(factor)))(tensor([0.5], [])) as Tensor;
    expect(numbers(slope)[0]).toBeCloseTo(
      whole.reduce((sum, y) => sum + y, 0),
      5,
    );
    const projected = net.project({ weight, weightScale: tensor([3], []) }, state);
    expect([...numbers((projected.params as LayerTree).weightScale as Tensor)]).toEqual([1]);
  });
});

describe("options", () => {
  const makers = { spectralNorm, bjorck, cayley, singularBand, clipSingularValues, projectNorm, clipWeights };

  it.each(Object.entries(makers))(
    "%s refuses a limit that is no positive number, and unknown names",
    (name, maker) => {
      const make = maker as (options?: object) => Control;
      const limit = name === "singularBand" ? "max" : name === "clipWeights" ? "limit" : "cap";
      for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "1"]) {
        expect(() => make({ [limit]: value })).toThrow(/must be a positive number; got/);
      }
      expect(() => make({ caps: 1 })).toThrow(`${name} has no option "caps". It takes: `);
      expect(JSON.stringify(make({ [limit]: 2 }))).toContain("2");
      expect(make()).toEqual(make({}));
    },
  );

  it("are checked one by one", () => {
    expect(() => singularBand({ min: 2, max: 1 })).toThrow(/min must not be above max; got min 2 and max 1/);
    expect(() => singularBand({ min: -1 })).toThrow(/min must be zero or a positive number/);
    expect(() => spectralNorm({ norm: "frobenius" as never })).toThrow(/"operator" or "reshaped"/);
    expect(() => bjorck({ iterations: 1.5 })).toThrow(/whole number of 1 or more/);
    expect(clipSingularValues({ cap: 3 })).toEqual(singularBand({ min: 0, max: 3 }));
  });

  it("name what is no control", () => {
    expect(ruleOf(uncontrolled).promise(uncontrolled)).toBeNull();
    expect(() => ruleOf({ kind: "spectral" } as never)).toThrow(
      /Unknown control .*Make one with spectralNorm/,
    );
    expect(() => ruleOf(undefined as never)).toThrow(/Unknown control/);
  });
});
