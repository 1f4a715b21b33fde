import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FormatError } from "../src/formats/errors.ts";
import { onnxFormat } from "../src/formats/onnx/onnx.ts";
import { BESIDE, malformedModels } from "./fixtures/onnx/malformed.ts";
import { memorySource } from "./fixtures/onnx/memory-source.ts";

const FOLDER = "test/fixtures/onnx/malformed/";
/** Larger files are made when the tests run instead of being kept. */
const KEPT_BYTES = 10_000;

/** What opening a file says, as kept beside it. */
async function outcome(name: string, bytes: Uint8Array): Promise<object> {
  const source = memorySource(bytes, `${name}.onnx`, BESIDE);
  try {
    await onnxFormat.open(source);
    return { opened: true };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const { code, message, tensor, byte } = error;
    return { code, message, tensor, byte };
  }
}

const models = malformedModels();

// UPDATE_FIXTURES=1 writes the corpus and its twins anew; read the difference before committing it.
if (process.env.UPDATE_FIXTURES !== undefined) {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, bytes] of Object.entries(models)) {
    if (bytes.length <= KEPT_BYTES) writeFileSync(`${FOLDER}${name}.onnx`, bytes);
    const twin = await outcome(name, bytes);
    writeFileSync(`${FOLDER}${name}.json`, `${JSON.stringify(twin, null, 2)}\n`);
  }
}

describe("malformed models", () => {
  it.each(Object.entries(models))("%s", async (name, made) => {
    const path = `${FOLDER}${name}.onnx`;
    const bytes = existsSync(path) ? new Uint8Array(readFileSync(path)) : made;
    expect(Buffer.compare(bytes, made), "the kept file is what its generator makes").toBe(0);
    const expected = JSON.parse(readFileSync(`${FOLDER}${name}.json`, "utf8"));
    expect(expected.code).toBeTypeOf("string");
    expect(JSON.parse(JSON.stringify(await outcome(name, bytes)))).toEqual(expected);
  });

  it("has a twin for each, and no more", () => {
    const twins = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));
    expect(twins.sort()).toEqual(
      Object.keys(models)
        .map((name) => `${name}.json`)
        .sort(),
    );
  });
});
