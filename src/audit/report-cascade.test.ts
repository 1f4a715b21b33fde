import { describe, expect, it } from "vitest";
import {
  chainReport,
  estimateReport,
  sampleLayer,
  transformerReport,
} from "../../test/support/sample-reports.ts";
import { cascadeOf, formatCumulative } from "./report-cascade.ts";

describe("cascadeOf", () => {
  it("follows the graph where there is one, and ends at the network's bound", () => {
    const report = chainReport();
    const cascade = cascadeOf(report);
    expect(cascade.isBound).toBe(true);
    expect(cascade.steps).toHaveLength(12);
    expect(cascade.steps.at(-1)!.cumulative).toBe(report.network!.product);
    expect(cascade.steps.map(({ layer }) => layer)).toEqual([
      0,
      null,
      1,
      null,
      2,
      null,
      3,
      null,
      4,
      null,
      5,
      null,
    ]);
  });

  it("multiplies in file order without a graph, says so, and counts what is left out", () => {
    const report = transformerReport(10);
    const cascade = cascadeOf({
      ...report,
      layers: report.layers.map((l, i) => (i === 3 ? { ...l, sigma: null } : l)),
    });
    expect(cascade.isBound).toBe(false);
    expect(cascade.caption).toMatch(/file order.*not a bound.*2 layers without a σ left out/);
    expect(cascade.steps).toHaveLength(report.layers.length - 2);
  });

  it("survives products beyond float64, and zeros", () => {
    const report = chainReport();
    const steep = cascadeOf({
      ...report,
      network: null,
      layers: Array.from({ length: 300 }, (_, i) => sampleLayer(`l${i}`, 1e3)),
    });
    const last = steep.steps.at(-1)!;
    expect(last.cumulative).toBe(Number.POSITIVE_INFINITY);
    expect(formatCumulative(last)).toMatch(/^\d\.\d+e900$/);
    const flat = cascadeOf({
      ...report,
      network: null,
      layers: [sampleLayer("zero", 0), sampleLayer("one", 1)],
    });
    expect(flat.steps.map(formatCumulative)).toEqual(["0", "0"]);
  });

  it("names what an estimate's factor is", () => {
    expect(cascadeOf(estimateReport()).steps[0]!.because).toBe("estimate of σ");
  });
});
