import { describe, expect, it } from "vitest";
import { clientScript } from "../src/audit/html/client/script.ts";
import { renderIndex, renderReport } from "../src/audit/html/report.ts";
import type { AuditReport } from "../src/audit/schema.ts";
import {
  chainReport,
  emptyReport,
  estimateReport,
  HOSTILE_NAMES,
  hostileReport,
  sampleLayer,
  transformerReport,
  unboundedReport,
} from "./support/sample-reports.ts";

const reports: Record<string, AuditReport> = {
  chain: chainReport(),
  transformer: transformerReport(),
  unbounded: unboundedReport(),
  estimate: estimateReport(),
  hostile: hostileReport(),
  empty: emptyReport(),
};

function dataOf(html: string): {
  panels: unknown[];
  tables: Record<string, { title: string; values: unknown[] }[]>;
} {
  return JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]!);
}

describe.each(Object.entries(reports))("the page of the %s report", (_, report) => {
  const html = renderReport(report);

  it("stands alone: no address to fetch, a policy against it", () => {
    expect(html).toContain(`content="default-src &#39;none&#39;; style-src`);
    expect(html).not.toMatch(/<(link|img|iframe|object|embed)[^>]+(href|src)=["'](?!data:,)/);
    expect(html).not.toMatch(/@import|url\(|https?:\/\/(?!www\.w3\.org)/);
  });

  it("holds exactly its own two scripts", () => {
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html.match(/<\/script/g)).toHaveLength(2);
  });

  it("has no number that is none", () => {
    const drawn = html.slice(0, html.indexOf("<script"));
    expect(drawn).not.toMatch(/NaN[%"]|Infinity|undefined|\[object/);
  });

  it("carries every layer for sorting and choosing", () => {
    const { panels, tables } = dataOf(html);
    expect(panels).toHaveLength(report.layers.length);
    for (const { values } of tables.layers!) expect(values).toHaveLength(report.layers.length);
  });
});

it("embeds a script that neither ends its element early nor leans on a bundler's helpers", () => {
  const script = clientScript();
  expect(script).not.toMatch(/<\/script|<!--/i);
  expect(script).not.toMatch(/__\w+/);
  expect(() => new Function(script)).not.toThrow();
});

it("draws the same page for the same report", () => {
  expect(renderReport(chainReport())).toBe(renderReport(chainReport()));
});

it("shows hostile names as text only", () => {
  const html = renderReport(hostileReport());
  const data = html.indexOf('<script type="application/json"');
  expect(html.slice(0, data)).not.toMatch(/<(img|b>|i>|svg onload)/);
  expect(html).toContain("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;");
  expect(html.slice(0, data)).not.toContain("\u202e");
  expect(dataOf(html).tables.layers!.find(({ title }) => title === "Layer")!.values).toEqual(HOSTILE_NAMES);
});

it("leads with the bound, or with the reason why there is none", () => {
  expect(renderReport(chainReport())).toContain('<p class="figure">2.513–620.6</p>');
  const unbounded = renderReport(unboundedReport());
  expect(unbounded).toContain("No finite bound");
  expect(unbounded).toContain("/blocks/0/attn/MatMul");
  const transformer = renderReport(transformerReport());
  expect(transformer).toContain("No graph, no bound");
  expect(transformer).toContain(
    "Cumulative product in file order: shows growth, not a bound on the network.",
  );
});

it("says what a layer without singular values lacks", () => {
  expect(renderReport(estimateReport())).toContain(
    "This report holds no further singular values of this layer.",
  );
});

it("stays under 2 MB for thousands of layers, and says what it leaves out", () => {
  const report = transformerReport(400);
  const html = renderReport(report);
  expect(Buffer.byteLength(html)).toBeLessThan(2e6);
  expect(html).toContain("1,401 flatter layers are left out here");
  const unread = report.layers[17]!.name;
  expect(html).toContain(unread);
});

it("draws zeros, wide and open intervals without breaking the axis", () => {
  const html = renderReport({
    ...chainReport(),
    network: null,
    layers: [
      sampleLayer("zero", 0, { frobenius: 0, stableRank: null, spectrum: [0, 0] }),
      sampleLayer("wide", 1, { sigma: { lower: 0, upper: 1e30, guarantee: "proof", method: "symbol-grid" } }),
      sampleLayer("huge", 1e300),
    ],
  });
  expect(html.slice(0, html.indexOf("<script"))).not.toMatch(/NaN|Infinity/);
});

describe("renderIndex", () => {
  const html = renderIndex([
    { href: "digits.html", report: chainReport() },
    { href: "javascript:alert(1)", report: hostileReport() },
    { href: 'a b"#?.html', report: emptyReport() },
  ]);

  it("links each model to its own page, and nowhere else", () => {
    expect(Array.from(html.matchAll(/href="([^"]*)"/g), ([, href]) => href)).toEqual([
      "data:,",
      "./digits.html",
      "./javascript%3Aalert(1)",
      "./a%20b%22%23%3F.html",
    ]);
  });

  it("compares networks and steepest layers", () => {
    expect(html).toContain("2.513–620.6");
    expect(html).toContain("no graph");
    expect(html).toContain("6.187–6.213");
  });

  it("lists what could not be audited, escaped", () => {
    const failed = [{ file: "<b>.onnx", message: "<b>.onnx: no such file." }];
    const page = renderIndex([{ href: "digits.html", report: chainReport() }], failed);
    expect(page).toContain("1 not audited");
    expect(page).toContain('<bdi class="where">&lt;b&gt;.onnx</bdi>');
    expect(page).toContain("&lt;b&gt;.onnx: no such file.");
    expect(html).not.toContain("ot audited");
  });

  it("accepts no entry", () => {
    expect(renderIndex([])).toContain("0 models");
  });
});
