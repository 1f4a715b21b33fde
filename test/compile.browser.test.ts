import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const CHROMIUM = "/usr/bin/chromium";
const present = existsSync(CHROMIUM);
if (!present) console.log(`compile.browser.test.ts skipped: no Chromium at ${CHROMIUM}`);

/** What a bundler or a content delivery network does for a page. */
const IMPORTS = {
  "@jax-js/jax": "/node_modules/@jax-js/jax/dist/index.js",
  "onnxruntime-web/wasm": "/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
  "onnxruntime-web/webgpu": "/node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs",
};
const PAGE = `<!doctype html><title>compile</title>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** The built package and its peers. The page /isolated is cross-origin isolated, as threads need it; / is not. */
async function serve(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    const type = /^\/(dist|node_modules)\//.test(path) ? TYPES[extname(path)] : undefined;
    const file = type === undefined ? null : await readFile(join(".", path)).catch(() => null);
    if (path === "/isolated" || file !== null) {
      response.setHeader("cross-origin-embedder-policy", "require-corp");
      response.setHeader("cross-origin-opener-policy", "same-origin");
    }
    response.setHeader("content-type", file === null ? "text/html" : type!).end(file ?? PAGE);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return server;
}

interface Trained {
  readonly losses: number[];
  readonly expected: number[];
  readonly leaves: string[];
  readonly leaked: number;
  readonly isolated: boolean;
  /** Where onnxruntime-web had the results of the runs. */
  readonly locations: string[];
  readonly warnings: string[];
}

/** Five steps of gradient descent on a layer, compiled, and the same by jax-js's jit. Runs in the page. */
const TRAIN = `async (options) => {
  const warnings = [];
  console.warn = (text) => warnings.push(text);
  const { grad, jit, numpy: np, tree } = await import("@jax-js/jax");
  const { compile, liveArrays, toNative } = await import("/dist/compile.js");
  const locations = [];
  if (options.device === "webgpu") {
    const { InferenceSession } = await import("onnxruntime-web/webgpu");
    const create = InferenceSession.create.bind(InferenceSession);
    InferenceSession.create = async (...args) => {
      const session = await create(...args);
      const run = session.run.bind(session);
      session.run = async (...operands) => {
        const results = await run(...operands);
        for (const tensor of Object.values(results)) locations.push(tensor.location);
        return results;
      };
      return session;
    };
  }
  const layer = (params, x) => np.tanh(np.dot(x, params.w).add(params.b));
  const step = (params, x, y) => {
    const loss = (p) => np.square(layer(p, x.ref).sub(y.ref)).mean();
    const gradient = grad(loss)(tree.ref(params));
    const value = loss(tree.ref(params));
    const moved = tree.map((p, g) => p.sub(g.mul(0.5)), params, gradient);
    x.dispose();
    y.dispose();
    return { params: moved, loss: value };
  };
  const init = () => ({ w: np.array([[0.5, -1], [0.25, 1], [1, 0]]), b: np.zeros([2]) });
  const x = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
  const y = Float32Array.from({ length: 8 }, (_, i) => Math.cos(i));
  const run = async (call, batch) => {
    let params = init();
    const losses = [];
    for (let i = 0; i < 5; i++) {
      const result = await call(params, batch(x, [4, 3]), batch(y, [4, 2]));
      params = result.params;
      losses.push((await result.loss.data())[0]);
    }
    const leaves = tree.leaves(params).map((leaf) => leaf.toString());
    tree.dispose(params);
    return { losses, leaves };
  };
  const jitted = jit(step);
  const { losses: expected } = await run(jitted, (data, shape) => np.array(data, { shape }));
  const compiled = compile(step, options);
  const { losses, leaves } = await run(compiled, toNative);
  compiled.dispose();
  return { losses, expected, leaves, leaked: liveArrays(), isolated: crossOriginIsolated, locations, warnings };
}`;

describe.skipIf(!present)("lipschitz/compile in Chromium, unbundled", () => {
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    server = await serve();
    // WebGPU computes in software (SwiftShader) where there is no GPU.
    const args = ["--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
    browser = await chromium.launch({ executablePath: CHROMIUM, args });
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  async function evaluate(expression: string, path: string): Promise<unknown> {
    const page = await browser.newPage();
    try {
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
      return await page.evaluate(expression);
    } finally {
      await page.close();
    }
  }

  const train = (options: object, path = "/") =>
    evaluate(`(${TRAIN})(${JSON.stringify(options)})`, path) as Promise<Trained>;

  const hasGpuAdapter = () =>
    evaluate("navigator.gpu?.requestAdapter().then((adapter) => adapter !== null) ?? false", "/");

  function checkTraining({ losses, expected, leaves, leaked }: Trained) {
    expect(losses).toHaveLength(5);
    for (const [i, loss] of losses.entries()) {
      expect(Math.abs(loss - expected[i])).toBeLessThanOrEqual(1e-5 * Math.abs(expected[i]));
    }
    expect(losses[4]).toBeLessThan(0.9 * losses[0]);
    expect(leaves).toEqual(["NativeArray:float32[3,2]", "NativeArray:float32[2]"]);
    expect(leaked).toBe(0);
  }

  it("trains on wasm", async () => {
    const trained = await train({ device: "wasm" });
    checkTraining(trained);
    expect([trained.isolated, trained.warnings]).toEqual([false, []]);
  });

  it("trains on wasm with two threads where the page is isolated", async () => {
    const trained = await train({ device: "wasm", threads: 2 }, "/isolated");
    checkTraining(trained);
    expect([trained.isolated, trained.warnings]).toEqual([true, []]);
  });

  it("trains on webgpu, with the state in the GPU's memory", async ({ skip }) => {
    skip(!(await hasGpuAdapter()), "this Chromium offers no WebGPU adapter");
    const trained = await train({ device: "webgpu" });
    checkTraining(trained);
    expect(trained.warnings).toEqual([]);
    expect(trained.locations).toEqual(new Array(5 * 3).fill("gpu-buffer"));
  });

  it("trains on jax-js by default, and says what to choose instead", async () => {
    const trained = await train({});
    checkTraining(trained);
    expect(trained.warnings).toEqual([
      expect.stringMatching(/In a browser, compile with \{ device: "wasm" \}/),
    ]);
  });
});
