import { describe, expect, it } from "vitest";
import {
  chainReport,
  emptyReport,
  estimateReport,
  transformerReport,
  unboundedReport,
} from "../../test/support/sample-reports.ts";
import { networkHeadline } from "./report-network.ts";
import { allProblems, coverageShare, guaranteeSentence, steepestLayer } from "./report-text.ts";

describe("networkHeadline", () => {
  it("gives the interval where there is one", () => {
    const { interval, sentence } = networkHeadline(chainReport());
    expect(interval).toBe("2.513–620.6");
    expect(sentence).toContain("at most 620.6 · d (ℓ2; probable, by the product of its steps)");
  });

  it("says exactly why there is none", () => {
    expect(networkHeadline(transformerReport(10)).sentence).toContain(
      "safetensors file holds weights without a graph",
    );
    const unbounded = networkHeadline(unboundedReport());
    expect(unbounded.interval).toBeNull();
    expect(unbounded.sentence).toBe(
      "6 operators have no finite Lipschitz constant, so the network has no finite bound by these rules. The constant is ≥ 2.500.",
    );
    expect(unbounded.reasons.map(({ node, op }) => [op, node])).toEqual([
      ["MatMul", "/blocks/0/attn/MatMul, /blocks/1/attn/MatMul, /blocks/2/attn/MatMul"],
      ["Pow", "/head/Pow"],
      ["Div", "/head/Div"],
      ["Exp", "/head/Exp"],
    ]);
    expect(networkHeadline(estimateReport()).sentence).toContain("with the guarantee probable or proof");
    const chain = chainReport();
    const network = {
      ...chain.network!,
      product: null,
      lipschitz: { ...chain.network!.lipschitz, lower: null, upper: null },
    };
    expect(networkHeadline({ ...chain, network }).sentence).toContain("Not every node");
    const broken = chain.layers.map((layer, i) => (i === 1 ? { ...layer, sigma: null } : layer));
    expect(networkHeadline({ ...chain, network, layers: broken }).sentence).toContain(
      "“conv2” could not be bounded",
    );
  });
});

it("finds the steepest layer, or none", () => {
  expect(steepestLayer(chainReport())).toMatchObject({ index: 4, layer: { name: "fc1" } });
  expect(steepestLayer(emptyReport())).toBeNull();
});

it("rounds the failure probability up", () => {
  expect(guaranteeSentence("probable", 1.31e-8)).toContain("at most 1.4e-8");
});

it("lists errors first and nothing twice", () => {
  const problems = allProblems(transformerReport());
  expect(problems.map(({ severity }) => severity)).toEqual(["error", "warning", "warning", "warning"]);
});

it("says once what holds for several layers, and names the first of them", () => {
  const chain = chainReport();
  const [first] = chain.layers;
  const advice = "the size of its input is not fixed by the file";
  const named = (name: string, ...problems: string[]) => ({ ...first!, name, problems });
  const convolutions = Array.from({ length: 26 }, (_, i) => named(`Conv_${i}`, advice));
  const layers = [named("odd", "on its own"), ...convolutions, named("Conv_0", advice)];
  expect(allProblems({ ...chain, layers, problems: [] })).toEqual([
    { severity: "warning", where: "odd", message: "on its own" },
    { severity: "warning", where: "26 layers (Conv_0, Conv_1, Conv_2, …), each", message: advice },
  ]);
  const two = allProblems({ ...chain, layers: layers.slice(1, 3), problems: [] });
  expect(two.map(({ where }) => where)).toEqual(["2 layers (Conv_0, Conv_1), each"]);
});

it("leaves out a lower end of zero, which says nothing", () => {
  const report = unboundedReport();
  const network = { ...report.network!, lipschitz: { ...report.network!.lipschitz, lower: 0 } };
  expect(networkHeadline({ ...report, network }).sentence).toMatch(/by these rules\.$/);
});

it("never rounds coverage up to all", () => {
  expect(coverageShare([999_999, 1_000_000])).toBe("99.9 %");
  expect(coverageShare([5, 5])).toBe("all");
  expect(coverageShare([0, 0])).toBe("none");
});
