import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { expandPaths } from "./paths.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-paths-"));
afterAll(() => rm(folder, { recursive: true }));
await mkdir(join(folder, "runs/deep"), { recursive: true });
for (const name of [
  "runs/b.onnx",
  "runs/a.onnx",
  "runs/deep/c.onnx",
  "runs/.hidden.onnx",
  "runs/x[1].pt",
  "we{ird}.pt",
]) {
  await writeFile(join(folder, name), "");
}
const at = (pattern: string) => join(folder, pattern);

describe("expandPaths", () => {
  it("expands patterns in order of name and leaves paths as they are", () => {
    expect(expandPaths([at("runs/*.onnx")])).toEqual([at("runs/a.onnx"), at("runs/b.onnx")]);
    expect(expandPaths([at("runs/**/*.onnx")])).toEqual([
      at("runs/a.onnx"),
      at("runs/b.onnx"),
      at("runs/deep/c.onnx"),
    ]);
    expect(expandPaths([at("{runs,none}/?.onnx")])).toEqual([at("runs/a.onnx"), at("runs/b.onnx")]);
    expect(expandPaths(["missing.onnx", at("runs/x[1].pt")])).toEqual(["missing.onnx", at("runs/x[1].pt")]);
  });

  it("takes an existing file literally and counts every path once", () => {
    expect(expandPaths([at("we{ird}.pt")])).toEqual([at("we{ird}.pt")]);
    expect(expandPaths([at("runs/a.onnx"), at("runs/*.onnx")])).toEqual([
      at("runs/a.onnx"),
      at("runs/b.onnx"),
    ]);
  });

  it("says so when nothing matches", () => {
    expect(() => expandPaths([at("runs/*.npz")])).toThrow(/no file matches '.*runs\/\*\.npz'/);
    expect(() => expandPaths([at("nowhere/*")])).toThrow(/no file matches/);
  });
});
