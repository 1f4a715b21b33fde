import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeModel } from "../src/formats/onnx/encode.ts";

const CHROMIUM = "/usr/bin/chromium";
const present = existsSync(CHROMIUM);
if (!present) console.log(`package.browser.test.ts skipped: no Chromium at ${CHROMIUM}`);

/** A page that has the built package and no bundler. */
async function servePackage(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const name = /^\/dist\/([\w-]+\.js)$/.exec(request.url ?? "")?.[1];
    const found = name === undefined ? null : await readFile(join("dist", name)).catch(() => null);
    if (found !== null) response.setHeader("content-type", "text/javascript").end(found);
    else response.setHeader("content-type", "text/html").end("<!doctype html><title>package</title>");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return server;
}

describe.skipIf(!present)("the built package in Chromium, unbundled", () => {
  let server: Server;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    server = await servePackage();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const evaluate = (body: string) => page.evaluate(`(async () => { ${body} })()`);

  it("bounds matrices and convolutions, on one thread and on workers", async () => {
    const bounds = await evaluate(`
      const { conv2d, dense, spectralNorm, spectralNormAsync } = await import("/dist/core.js");
      const n = 1500;
      const diagonal = new Float32Array(n * n);
      for (let i = 0; i < n; i++) diagonal[i * n + i] = 4 / (i + 1);
      const matrix = dense(diagonal, n, n);
      const kernel = { data: Float32Array.of(1, 1, 1, 1, 1, 1, 1, 1, 1), shape: [1, 1, 3, 3] };
      const box = conv2d(kernel, { inputShape: [1, 8, 8], padding: [[1, 1], [1, 1]], boundary: "circular" });
      return [
        spectralNorm(matrix),
        await spectralNormAsync(matrix, { threads: 2 }),
        await spectralNormAsync(box, { threads: 2 }),
      ].map(({ lower, upper }) => [lower, upper]);
    `);
    // The calling thread is the second.
    expect(page.workers()).toHaveLength(1);
    const expected = [4, 4, 9];
    for (const [i, [lower, upper]] of (bounds as [number, number][]).entries()) {
      expect(lower).toBeLessThanOrEqual(expected[i]!);
      expect(upper).toBeGreaterThanOrEqual(expected[i]!);
      expect(upper - lower).toBeLessThanOrEqual(0.011 * upper);
    }
  });

  it("does without workers where a bundle lacks their file", async () => {
    const lacking = await browser.newPage();
    // The server answers unknown names with its start page, as the servers of many web apps do.
    let asked = 0;
    await lacking.route("**/worker.js", (route) => {
      asked++;
      return route.fulfill({ contentType: "text/html", body: "<p>" });
    });
    await lacking.goto(page.url());
    const bound = await lacking.evaluate(`(async () => {
      const { dense, spectralNormAsync } = await import("/dist/core.js");
      const n = 1500;
      const diagonal = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 4 / (i + 1) : 0));
      return spectralNormAsync(dense(diagonal, n, n), { threads: 3, guarantee: "proof" });
    })()`);
    expect(asked).toBeGreaterThanOrEqual(2);
    const { lower, upper } = bound as { lower: number; upper: number };
    expect(lower).toBeLessThanOrEqual(4);
    expect(upper).toBeGreaterThanOrEqual(4);
    expect(upper).toBeLessThan(4.05);
    await lacking.close();
  });

  it("audits a model from a Blob, and says of a path what to pass instead", async () => {
    const audited = await evaluate(`
      const { audit, openModel } = await import("/dist/index.js");
      const header = JSON.stringify({ w: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] } }).padEnd(64);
      const size = new BigUint64Array([64n]);
      const model = await openModel(new Blob([size, header, Float32Array.of(4, 0, 0, 3)]));
      const report = await audit(model, { threads: 2 });
      const refusal = await openModel("model.onnx").then(() => "opened", (error) => error.message);
      return { sigma: report.layers[0].sigma, refusal };
    `);
    const { sigma, refusal } = audited as { sigma: { lower: number; upper: number }; refusal: string };
    expect(sigma.lower).toBeLessThanOrEqual(4);
    expect(sigma.upper).toBeGreaterThanOrEqual(4);
    expect(sigma.upper).toBeLessThan(4.05);
    expect(refusal).toContain("Pass a File, a Blob or bytes instead");
  });

  it("runs, bounds and certifies a network from bytes", async () => {
    const model = encodeModel({
      opset: 13,
      graph: {
        inputs: [{ name: "x", shape: ["n", 2] }],
        outputs: [{ name: "y", shape: ["n", 2] }],
        initializers: [{ name: "w", dtype: "float32", shape: [2, 2], data: Float32Array.of(3, 0, 0, 4) }],
        nodes: [
          { opType: "Relu", inputs: ["x"], outputs: ["r"] },
          { opType: "MatMul", inputs: ["r", "w"], outputs: ["y"] },
        ],
      },
    });
    const found = await evaluate(`
      const { bound, certify, forward, importOnnx, openModel, outputsOf } = await import("/dist/index.js");
      const network = await importOnnx(await openModel(new Uint8Array([${[...model]}])));
      const [y] = outputsOf(network, forward(network, [Float64Array.of(1, -1)]));
      const { lower, upper } = bound(network, { guarantee: "proof" });
      const report = await certify(network, Float64Array.of(5, 0), [0], { epsilons: [0.5], attackSteps: 5 });
      return { y: [...y], lower, upper, certified: report.certified, violations: report.violations };
    `);
    const { lower, upper, ...rest } = found as { lower: number; upper: number };
    expect(rest).toEqual({ y: [3, 0], certified: { "0.5": 1 }, violations: 0 });
    expect(lower).toBeLessThanOrEqual(4);
    expect(lower).toBeGreaterThan(3.99);
    expect(upper).toBeGreaterThanOrEqual(4);
    expect(upper).toBeLessThan(4.001);
  });
});
