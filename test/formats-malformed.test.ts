import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FormatError } from "../src/formats/errors.ts";
import { openModel } from "../src/formats/open.ts";
import type { ByteSource } from "../src/formats/source.ts";
import { npy, npyHeader, zip } from "./fixtures/bytes.ts";
import { MALFORMED } from "./fixtures/formats/malformed.ts";

async function openAndRead(source: ByteSource | string): Promise<void> {
  const model = await openModel(source);
  for (const entry of model.tensors) await entry.read(0, entry.byteLength);
  await model.close();
}

describe("malformed files", () => {
  it("have names of their own", () => {
    expect(new Set(MALFORMED.map(({ name }) => name)).size).toBe(MALFORMED.length);
    expect(MALFORMED.length).toBeGreaterThan(120);
  });

  it.each(MALFORMED)("$name", async ({ source, code, says, tensor, byte }) => {
    const error = await openAndRead(source).then(
      () => null,
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(FormatError);
    if (!(error instanceof FormatError)) return;
    expect(error.message).toContain(says);
    expect(error.code).toBe(code);
    expect(error.message.length).toBeLessThan(1200);
    if (tensor !== undefined) expect(error.tensor).toBe(tensor);
    if (byte !== undefined) expect(error.byte).toBe(byte);
  });

  it("stops a zip bomb at the declared size, without inflating it", async () => {
    // 64 MB of zeros behind an array that declares four bytes.
    const bytes = npy(npyHeader("'<f4'", "(1,)"), new Uint8Array(64e6));
    const packed = zip([{ name: "w.npy", bytes, deflate: true, size: bytes.length - 64e6 + 4 }]);
    expect(packed.length).toBeLessThan(100_000);
    const before = process.memoryUsage().arrayBuffers;
    await expect(openAndRead(await asSource(packed))).rejects.toThrow(/inflates to more than/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8e6);
  });

  it("says what a folder, a missing and an unreadable file are", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lipschitz-malformed-"));
    await expect(openModel(join(folder, "none.onnx"))).rejects.toMatchObject({ code: "not-found" });
    await expect(openModel(folder)).rejects.toMatchObject({ code: "not-found" });
    const secret = join(folder, "secret.npy");
    await writeFile(secret, "", { mode: 0 });
    const expected = process.getuid?.() === 0 ? "truncated" : "unreadable";
    await expect(openModel(secret)).rejects.toMatchObject({ code: expected });
    await rm(folder, { recursive: true });
  });
});

async function asSource(bytes: Uint8Array): Promise<ByteSource> {
  const { memorySource } = await import("../src/formats/sources.ts");
  return memorySource(bytes, "bomb.npz");
}
