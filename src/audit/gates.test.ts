import { describe, expect, it } from "vitest";
import { fakeEngine } from "../../test/support/fake-engine.ts";
import { chainOf, denseUse, plan, withGraph } from "../../test/support/plans.ts";
import { diagonal, safetensorsFile } from "../../test/support/safetensors-file.ts";
import { openModel } from "../formats/open.ts";
import { checkGates } from "./gates.ts";
import { auditPlan } from "./run.ts";

const model = await openModel(
  safetensorsFile({ a: diagonal([3, 1]), b: diagonal([2, 1]), bad: diagonal([Number.NaN, 1]) }),
  { name: "m" },
);
const a = denseUse(model, "a");
const b = denseUse(model, "b");
const bad = denseUse(model, "bad");
const chained = await auditPlan(fakeEngine(), withGraph(model), plan([a, b], { graph: chainOf([a, b]) }));
const loose = await auditPlan(fakeEngine(), model, plan([a, b]));

describe("gates", () => {
  it("hold at or above the upper bounds", () => {
    expect(checkGates(chained, {})).toEqual([]);
    expect(checkGates(chained, { failAbove: 6.01, layerLimit: 3.01 })).toEqual([]);
    expect(checkGates(chained, { failAbove: chained.network!.lipschitz.upper! })).toEqual([]);
  });

  it("name what exceeds a limit", () => {
    expect(checkGates(chained, { failAbove: 5 })[0]).toMatch(
      /^the network's upper bound 6\.\d+ is above the limit 5$/,
    );
    expect(checkGates(loose, { layerLimit: 2.5 })).toEqual(["a: upper bound 3.001 is above the limit 2.5"]);
  });

  it("fail on a null upper bound and say why there is none", async () => {
    expect(checkGates(loose, { failAbove: 100 })).toEqual([
      "the network has no finite upper bound (limit 100): a safetensors file has no graph; use --layer-limit",
    ]);
    const guess = await auditPlan(fakeEngine(), withGraph(model), plan([a], { graph: chainOf([a]) }), {
      guarantee: "estimate",
    });
    expect(checkGates(guess, { failAbove: 9 })[0]).toContain("estimates are no bounds");
    expect(checkGates(guess, { layerLimit: 9 })).toEqual(["a has no upper bound (limit 9)"]);
    const chain = chainOf([a]);
    const exp = { ...chain.nodes[1]!, node: "e", op: "Exp", unbounded: "no limit on its slope" };
    const graph = { ...chain, nodes: [chain.nodes[0]!, exp] };
    const open = await auditPlan(fakeEngine(), withGraph(model), plan([a], { graph }));
    expect(checkGates(open, { failAbove: 9 })[0]).toContain("e (Exp): no limit on its slope");
  });

  it("fail when no layer was bounded", async () => {
    const empty = await auditPlan(fakeEngine(), model, plan([]));
    expect(checkGates(empty, {})).toEqual([]);
    expect(checkGates(empty, { layerLimit: 9 })).toEqual([
      "no layer was bounded, so no limit is shown to hold",
    ]);
    const unread = await auditPlan(fakeEngine(), model, plan([bad]));
    expect(checkGates(unread, { layerLimit: 9 })[0]).toMatch(/^no layer was bounded/);
  });

  it("fail when a weight in scope has no bound at all", async () => {
    const report = await auditPlan(fakeEngine(), model, plan([a, bad]));
    const message = "the weight bad could not be audited, so no limit on it is known to hold";
    expect(checkGates(report, { layerLimit: 9 })).toEqual([message]);
    const only = await auditPlan(fakeEngine(), model, plan([a, bad]), { only: "a" });
    expect(checkGates(only, { layerLimit: 9 })).toEqual([]);
  });
});
