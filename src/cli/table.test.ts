import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  chainReport,
  emptyReport,
  estimateReport,
  hostileReport,
  sampleLayer,
  transformerReport,
  unboundedReport,
} from "../../test/support/sample-reports.ts";
import type { AuditReport } from "../audit/schema.ts";
import { renderTable } from "./table.ts";
import { textWidth } from "./text-width.ts";

const plain = (report: AuditReport, width: number) => renderTable(report, { width, color: false });

describe("renderTable", () => {
  it("fits 80 columns", () => {
    expect(plain(chainReport(), 80)).toMatchInlineSnapshot(`
      "models/digits-cnn.onnx
      onnx · 439.5 KiB · 112,006 parameters

      layer  operator  shape                 σ       reshaped  σ, log          product
      ────────────────────────────────────────────────────────────────────────────────
      conv1  conv      16×3×3×3    2.305–2.315  1.2622–1.2636  ██████▎           2.315
      conv2  conv      32×16×3×3   3.812–3.828  2.0874–2.0896  ██████████▎       8.860
      conv3  conv      64×32×3×3   1.936–1.944  1.0601–1.0612  ████▉             17.23
      conv4  conv      128×64×3×3  4.401–4.419  2.4098–2.4123  ███████████▍      76.11
      fc1    dense     128×1024    6.187–6.213                 ██████████████    472.8
      fc2    dense     10×128      1.307–1.313                 █▊                620.6

      layers    6; 6 of 6 tensors, all of 229,552 parameters
      steepest  fc1, σ 6.187–6.213
      product   620.6. Bound of each value from the input on, in the graph's order;
                branches add where they meet. Where it ends, the network's bound by
                products ends.
      network   2.513–620.6. Moving the input by d moves the output by at most 620.6 ·
                d (ℓ2; probable, by the product of its steps).
      probable  The lower end is certain; all upper ends hold together except with
                probability at most 1.3e-8 over the random start, in exact arithmetic.
                Seed 8410293847.

      warning   conv3: the lower bound uses the input size 32×32 found by shape
                inference
      "
    `);
  });

  it("uses 140 columns", () => {
    expect(plain(chainReport(), 140)).toMatchInlineSnapshot(`
      "models/digits-cnn.onnx
      onnx · 439.5 KiB · 112,006 parameters

      layer  operator  shape                 σ       reshaped  Frobenius  stable rank  σ, log                    product
      ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
      conv1  conv      16×3×3×3    2.305–2.315  1.2622–1.2636      7.161        9.610  ██████████▊                 2.315
      conv2  conv      32×16×3×3   3.812–3.828  2.0874–2.0896      11.84        9.610  █████████████████▌          8.860
      conv3  conv      64×32×3×3   1.936–1.944  1.0601–1.0612      6.014        9.610  ████████▍                   17.23
      conv4  conv      128×64×3×3  4.401–4.419  2.4098–2.4123      13.67        9.610  ███████████████████▍        76.11
      fc1    dense     128×1024    6.187–6.213                     19.22        9.610  ████████████████████████    472.8
      fc2    dense     10×128      1.307–1.313                     4.061        9.610  ███▏                        620.6

      layers    6; 6 of 6 tensors, all of 229,552 parameters
      steepest  fc1, σ 6.187–6.213
      product   620.6. Bound of each value from the input on, in the graph's order; branches add where they meet. Where it ends, the network's
                bound by products ends.
      network   2.513–620.6. Moving the input by d moves the output by at most 620.6 · d (ℓ2; probable, by the product of its steps).
      probable  The lower end is certain; all upper ends hold together except with probability at most 1.3e-8 over the random start, in exact
                arithmetic. Seed 8410293847.

      warning   conv3: the lower bound uses the input size 32×32 found by shape inference
      "
    `);
  });

  it("says why a network has no bound", () => {
    expect(plain(unboundedReport(), 100)).toMatchInlineSnapshot(`
      "models/digits-cnn.onnx
      onnx · 439.5 KiB · 112,006 parameters

      layer  operator  shape                 σ       reshaped  Frobenius  stable rank  σ, log      product
      ────────────────────────────────────────────────────────────────────────────────────────────────────
      conv1  conv      16×3×3×3    2.305–2.315  1.2622–1.2636      7.161        9.610  ████▌         2.315
      conv2  conv      32×16×3×3   3.812–3.828  2.0874–2.0896      11.84        9.610  ███████▎      8.860
      conv3  conv      64×32×3×3   1.936–1.944  1.0601–1.0612      6.014        9.610  ███▌          17.23
      conv4  conv      128×64×3×3  4.401–4.419  2.4098–2.4123      13.67        9.610  ████████▏     76.11
      fc1    dense     128×1024    6.187–6.213                     19.22        9.610  ██████████    472.8
      fc2    dense     10×128      1.307–1.313                     4.061        9.610  █▎            620.6

      layers    6; 6 of 6 tensors, all of 229,552 parameters
      steepest  fc1, σ 6.187–6.213
      product   620.6. Cumulative product in file order: shows growth, not a bound on the network.
      network   6 operators have no finite Lipschitz constant, so the network has no finite bound by these
                rules. The constant is ≥ 2.500.
                MatMul /blocks/0/attn/MatMul, /blocks/1/attn/MatMul, /blocks/2/attn/MatMul: product of two
                activations: no finite constant over the whole space
                Pow /head/Pow: product of two activations: no finite constant over the whole space
                Div /head/Div: product of two activations: no finite constant over the whole space
                Exp /head/Exp: product of two activations: no finite constant over the whole space
      probable  The lower end is certain; all upper ends hold together except with probability at most
                1.3e-8 over the random start, in exact arithmetic. Seed 8410293847.

      warning   conv3: the lower bound uses the input size 32×32 found by shape inference
      "
    `);
  });

  it("marks estimates", () => {
    expect(plain(estimateReport(), 100)).toMatchInlineSnapshot(`
      "models/digits-cnn.onnx
      onnx · 439.5 KiB · 112,006 parameters

      layer  operator  shape                       σ       reshaped  Frobenius  σ, log             product
      ────────────────────────────────────────────────────────────────────────────────────────────────────
      conv1  conv      16×3×3×3    ≈ 2.306 (≥ 2.305)  1.2622–1.2636      7.161  ███████▋             2.306
      conv2  conv      32×16×3×3   ≈ 3.813 (≥ 3.812)  2.0874–2.0896      11.84  ████████████▍        8.793
      conv3  conv      64×32×3×3   ≈ 1.937 (≥ 1.936)  1.0601–1.0612      6.014  █████▉               17.03
      conv4  conv      128×64×3×3  ≈ 4.402 (≥ 4.401)  2.4098–2.4123      13.67  █████████████▊       74.96
      fc1    dense     128×1024    ≈ 6.189 (≥ 6.187)                     19.22  █████████████████    463.9
      fc2    dense     10×128      ≈ 1.308 (≥ 1.307)                     4.061  ██▎                  606.6

      layers    6; 6 of 6 tensors, all of 229,552 parameters
      steepest  fc1, σ ≈ 6.189 (≥ 6.187)
      product   606.6. Cumulative product in file order: shows growth, not a bound on the network.
      network   Estimates are not bounds: audit with the guarantee probable or proof to bound the network.
                The constant is ≥ 1.200.
      estimate  The lower end is certain; the estimate approaches σ from below and says nothing about how
                much larger σ may be. Seed 8410293847.

      warning   conv3: the lower bound uses the input size 32×32 found by shape inference
      "
    `);
  });

  it("needs no layer", () => {
    expect(plain(emptyReport(), 80)).toMatchInlineSnapshot(`
      "models/sample.onnx
      onnx · 4.0 KiB · 0 parameters

      no layers: the file holds no weight that acts as a linear operator

      layers    0; 0 of 0 tensors, none of 0 parameters
      network   This onnx file holds weights without a graph, so how the layers are
                connected is unknown; every layer is bounded on its own.

      warning   tokens: int64 values are no weights; not audited
      "
    `);
  });

  it("shows a weight that could not be read in its place", () => {
    const lines = plain(transformerReport(10), 100).split("\n");
    expect(lines.find((line) => line.includes(" unknown "))).toMatch(/^model.*up_proj {2}dense/);
    expect(lines.some((line) => line.startsWith("error     model.layers.2.mlp.up_proj: holds 3 NaN"))).toBe(
      true,
    );
  });

  const reports = [
    chainReport(),
    transformerReport(10),
    unboundedReport(),
    estimateReport(),
    hostileReport(),
    emptyReport(),
  ];

  it("keeps every line within the width, at every width", () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 200 }), fc.constantFrom(...reports), (width, report) => {
        for (const line of plain(report, width).split("\n"))
          expect(textWidth(line)).toBeLessThanOrEqual(width);
      }),
    );
  });

  it("sends no control character of a name, and no escape code without colour", () => {
    const unsafe = (character: string) => /[\p{Cc}\u202e]/u.test(character) && character !== "\n";
    for (const report of reports) expect(Array.from(plain(report, 100)).filter(unsafe)).toEqual([]);
  });

  it("differs only by escape codes with colour", () => {
    for (const report of reports) {
      const painted = renderTable(report, { width: 100, color: true });
      expect(painted).not.toBe(plain(report, 100));
      const bare = stripVTControlCharacters(painted);
      const trimmed = (text: string) => text.split("\n").map((line) => line.trimEnd());
      expect(trimmed(bare)).toEqual(trimmed(plain(report, 100)));
    }
  });

  it("draws longer bars for steeper layers, and none for zero", () => {
    const layers = [sampleLayer("zero", 0), sampleLayer("flat", 1), sampleLayer("steep", 50)];
    const lines = plain({ ...chainReport(), network: null, layers }, 140).split("\n");
    const blocks = (name: string) =>
      (lines.find((line) => line.startsWith(name))!.match(/[█▏▎▍▌▋▊▉]/g) ?? []).length;
    expect(blocks("zero")).toBe(0);
    expect(blocks("flat")).toBeGreaterThan(0);
    expect(blocks("steep")).toBeGreaterThan(blocks("flat"));
  });
});
