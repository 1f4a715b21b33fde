import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CertifyReport } from "../src/audit/certify-schema.ts";
import { renderCertifyReport } from "../src/audit/html/certify-report.ts";
import { certifyReport, VIOLATION } from "./support/certify-reports.ts";

const HOSTILE = '</script><img src=x onerror=alert(1)>"\u202e.onnx';
const violated = Array.from({ length: 120 }, (_, point) => ({ ...VIOLATION, point }));

const reports: Record<string, CertifyReport> = {
  usual: certifyReport(),
  local: certifyReport({
    settings: { bound: "local", scale: 1 / 255, shift: -0.5 },
    lipschitz: { upper: null },
  }),
  unattacked: certifyReport({ attacked: 0 }),
  small: certifyReport({ points: 1, classes: 2, epsilons: [0.5] }),
  hopeless: certifyReport({ scale: 0 }),
  huge: certifyReport({
    points: 20_000,
    classes: 1500,
    scale: 1e6,
    epsilons: Array.from({ length: 40 }, (_, i) => i + 1),
  }),
  violated: certifyReport({ violated, settings: { guarantee: "proof" } }),
  hostile: certifyReport({ file: HOSTILE }),
};

describe.each(Object.entries(reports))("the page of the %s report", (_, report) => {
  const html = renderCertifyReport(report);

  it("stands alone: no address to fetch, a policy against it", () => {
    expect(html).toContain(`content="default-src &#39;none&#39;; style-src`);
    expect(html).not.toMatch(/<(link|img|iframe|object|embed)[^>]+(href|src)=["'](?!data:,)/);
    expect(html).not.toMatch(/@import|url\(|https?:\/\/(?!www\.w3\.org)/);
  });

  it("holds exactly its own two scripts, and no number that is none", () => {
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html.match(/<\/script/g)).toHaveLength(2);
    expect(html.slice(0, html.indexOf("<script"))).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });

  it("closes what it opens", () => {
    const body = html.slice(html.indexOf("<body>"), html.indexOf("<script"));
    const open: string[] = [];
    for (const [tag, closing, name, own] of body.matchAll(/<(\/?)([a-z0-9]+)[^>]*?(\/?)>/g)) {
      if (["input", "br"].includes(name) || own === "/") continue;
      if (closing === "") open.push(name);
      else expect(open.pop(), tag).toBe(name);
    }
    expect(open).toEqual(["body"]);
  });

  it("stays small", () => {
    expect(html.length).toBeLessThan(2_000_000);
  });
});

/** Heights of the certified curve in its own coordinates, as [from, to, height]. */
function stepsOf(html: string): [number, number, number][] {
  const path = /<path class="certified" d="([^"]+)"/.exec(html)![1];
  const [, start] = /^M0 ([\d.]+)/.exec(path)!;
  let [x, y] = [0, Number(start)];
  return [...path.matchAll(/H(\d+)(?:V([\d.]+))?/g)].map(([, to, height]) => {
    const step: [number, number, number] = [x, Number(to), y];
    x = Number(to);
    if (height !== undefined) y = Number(height);
    return step;
  });
}

it("draws certified accuracy as the step function of the radii", () => {
  const report = certifyReport({ points: 12, epsilons: [1], attacked: 0 });
  const steps = stepsOf(renderCertifyReport(report));
  const radii = report.radii.values.filter((radius) => radius > 0);
  expect(steps).toHaveLength(radii.length + 1);
  // 1.04 is where the axis ends; 8 pixels are kept free above and below 300.
  for (const [from, to, y] of steps) {
    const share = (292 - y) / 284;
    const middle = (((from + to) / 2) * 1.04) / 2000;
    expect(12 * share).toBeCloseTo(radii.filter((radius) => radius > middle).length, 1);
  }
});

it("shows hostile names as text only", () => {
  const html = renderCertifyReport(reports.hostile);
  expect(html.slice(0, html.indexOf('<script type="application/json"'))).not.toMatch(/<img|\u202e/);
  expect(html).toContain("onerror=alert(1)&gt;&quot;\\u202e.onnx");
});

it("leads with the violations where there are some, and names at most a hundred", () => {
  const html = renderCertifyReport(reports.violated);
  expect(html.indexOf("The attack contradicts 120 certificates")).toBeLessThan(
    html.indexOf("Certified radius, median"),
  );
  expect(html.match(/inside the certified radius 0\.2514/g)).toHaveLength(100);
  expect(html).toContain("and 20 more, all in the JSON report.");
  expect(renderCertifyReport(reports.usual)).not.toContain("contradicts");
});

it("says what the numbers mean", () => {
  const text = renderCertifyReport(reports.usual);
  expect(text).toContain("stored weights in real arithmetic and of changes strictly shorter");
  expect(text).toContain("All hold together except with probability at most 4.1e-8");
  expect(renderCertifyReport(reports.violated)).toContain("They hold for certain");
  expect(renderCertifyReport(reports.local)).toContain("the network sees x · 0.003922 − 0.5000");
  expect(renderCertifyReport(reports.hopeless)).toContain(
    "Fewer than half of the points have a certified radius.",
  );
});

const CHROMIUM = "/usr/bin/chromium";
const present = existsSync(CHROMIUM);
if (!present) console.log(`certify-report.test.ts: no Chromium at ${CHROMIUM}, so no page was opened`);

describe.skipIf(!present)("in Chromium", () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
    folder = await mkdtemp(join(tmpdir(), "lipschitz-certify-report-"));
  });
  afterAll(async () => {
    await browser?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  it.each(Object.keys(reports))("the page of the %s report loads silently and fits a phone", async (name) => {
    const file = join(folder, `${name}.html`);
    await writeFile(file, renderCertifyReport(reports[name]));
    const context = await browser.newContext({ viewport: { width: 375, height: 812 } });
    const page = await context.newPage();
    const problems: string[] = [];
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      if (!request.url().startsWith("file:")) problems.push(request.url());
    });
    await page.goto(pathToFileURL(file).href);
    const [content, screen] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ]);
    expect(content).toBeLessThanOrEqual(screen);
    expect(problems).toEqual([]);
    await context.close();
  });

  it("tells the numbers of an ε on focus, and saves the curve with its colours", async () => {
    const file = join(folder, "usual.html");
    await writeFile(file, renderCertifyReport(reports.usual));
    const page = await browser.newPage();
    await page.goto(pathToFileURL(file).href);
    await page.locator("#robustness-title").scrollIntoViewIfNeeded();
    const chart = page.locator("svg[data-walk]").first();
    await chart.locator(".column").first().focus();
    expect(await page.locator(".tip").textContent()).toMatch(/^changes up to 0\.1 · certified [\d.]+ %/);
    await page.keyboard.press("End");
    expect(await page.locator(".tip").textContent()).toMatch(/^changes up to 1 · /);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.locator("[data-save-svg='robustness']").click(),
    ]);
    expect(download.suggestedFilename()).toBe("digits.onnx-robustness.svg");
    await page.close();
  });
});
