import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromFloat64, toFloat64 } from "../src/formats/decode.ts";
import { isFloatType } from "../src/formats/dtype.ts";
import type { Model, TensorEntry } from "../src/formats/model.ts";
import { openModel } from "../src/formats/open.ts";
import { collect } from "./fixtures/bytes.ts";

const FOLDER = new URL("./fixtures/formats/", import.meta.url).pathname;
const FILES = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".expected.json"))
  .map((name) => name.replace(".expected.json", ""));

interface Expected {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly number[] | null;
}

function expectedOf(file: string): readonly Expected[] {
  return JSON.parse(readFileSync(join(FOLDER, `${file}.expected.json`), "utf8"));
}

/** Column-major values of a matrix as row-major ones. */
function rowMajor(values: readonly number[], [rows, cols]: readonly number[]): number[] {
  return values.map((_, i) => values[(i % cols) * rows + Math.floor(i / cols)]);
}

async function valuesOf(entry: TensorEntry): Promise<number[] | null> {
  if (entry.unsupported !== undefined || !isFloatType(entry.dtype)) return null;
  const values = [...toFloat64(entry.dtype, await entry.read(0, entry.byteLength))];
  return entry.fortranOrder ? rowMajor(values, entry.shape) : values;
}

async function contentsOf(model: Model): Promise<Expected[]> {
  const list: Expected[] = [];
  for (const entry of model.tensors) {
    const { name, dtype, shape } = entry;
    list.push({ name, dtype, shape, values: await valuesOf(entry) });
  }
  return list;
}

function byName(list: readonly Expected[]): Expected[] {
  return [...list].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** New bytes for a tensor: every value times −2, which every type holds exactly unless it overflows. */
async function scaled(entry: TensorEntry): Promise<Uint8Array> {
  if (!isFloatType(entry.dtype)) throw new Error(`${entry.name} is not a float tensor`);
  const values = toFloat64(entry.dtype, await entry.read(0, entry.byteLength));
  return fromFloat64(
    entry.dtype,
    values.map((value) => value * -2),
  );
}

describe.each(FILES)("%s", (file) => {
  it("holds the tensors that Python says it holds", async () => {
    const model = await openModel(join(FOLDER, file));
    expect(byName(await contentsOf(model))).toEqual(byName(expectedOf(file)));
    await model.close();
  });

  it("reads the same in any pieces, forward and backward, and from a Blob", async () => {
    const model = await openModel(join(FOLDER, file));
    const twin = await openModel(new Blob([readFileSync(join(FOLDER, file))]), { name: file });
    for (const [i, entry] of model.tensors.entries()) {
      const whole = await entry.read(0, entry.byteLength);
      expect(Buffer.from(await twin.tensors[i].read(0, entry.byteLength)).equals(whole)).toBe(true);
      for (const [start, end] of [
        [1, 3],
        [entry.byteLength >> 1, entry.byteLength],
        [0, 1],
        [3, 7],
      ]) {
        if (end > entry.byteLength) continue;
        expect(Buffer.from(await entry.read(start, end)).equals(whole.subarray(start, end))).toBe(true);
      }
      await expect(entry.read(0, entry.byteLength + 1).then((bytes) => bytes.length)).rejects.toMatchObject({
        code: "truncated",
      });
    }
    await model.close();
  });

  it("rewrites the replaced tensors and nothing else", async () => {
    const original = new Uint8Array(readFileSync(join(FOLDER, file)));
    const model = await openModel(original, { name: file });
    const chosen = model.tensors.filter((entry) => isFloatType(entry.dtype) && !entry.unsupported);
    // One tensor with a storage of its own, then all of them, where views do not overlap.
    const disjoint = chosen.filter(({ name }) => !["slice", "row", "transposed"].includes(name));
    for (const some of [disjoint.slice(0, 1), disjoint]) {
      const names = new Set(some.map((entry) => entry.name));
      const [output] = model.rewrite(new Set(some), scaled);
      const bytes = await collect(output.chunks());
      const again = await openModel(bytes, { name: file });
      const [before, after] = [await contentsOf(model), await contentsOf(again)];
      for (const [i, was] of before.entries()) {
        const shared = ["slice", "row", "transposed", "tied", "again"].includes(was.name);
        const doubled = toDouble(was, names.has(was.name) || (shared && names.has("tied")));
        expect(after[i]).toEqual(doubled);
      }
      if (!file.startsWith("deflated")) expect(bytes.length).toBe(original.length);
    }
    const [untouched] = model.rewrite(new Set(), scaled);
    expect(Buffer.from(await collect(untouched.chunks())).equals(original)).toBe(true);
  });
});

function toDouble(was: Expected, changed: boolean): Expected {
  if (!changed || was.values === null) return was;
  const limit = was.dtype === "float8_e4m3fn" ? 448 : Infinity;
  const double = (value: number) => {
    const twice = -2 * value;
    return was.dtype === "bfloat16" && Math.abs(twice) > 3.4e38
      ? Math.sign(twice) * Infinity
      : Math.max(-limit, Math.min(limit, twice));
  };
  return { ...was, values: was.values.map(double) };
}

describe("rewriting in place", () => {
  it("leaves every byte outside the tensor alone, except its CRC-32", async () => {
    for (const [file, crcs] of [
      ["types.safetensors", 0],
      ["plain.npy", 0],
      ["stored.npz", 2],
      ["state.pt", 2],
    ] as const) {
      const original = new Uint8Array(readFileSync(join(FOLDER, file)));
      const model = await openModel(original, { name: file });
      const entry = model.tensors.find((tensor) => tensor.range !== undefined && tensor.byteLength > 0)!;
      const [output] = model.rewrite(new Set([entry]), scaled);
      const bytes = await collect(output.chunks());
      const { start, end } = entry.range!;
      const changed = [...bytes.keys()].filter((i) => bytes[i] !== original[i] && (i < start || i >= end));
      expect(changed.length, file).toBeLessThanOrEqual(4 * crcs);
    }
  });

  it("refuses to replace two views that overlap", async () => {
    const model = await openModel(join(FOLDER, "views.pt"));
    const views = model.tensors.filter(({ name }) => name === "slice" || name === "tied");
    expect(() => model.rewrite(new Set(views), scaled)).toThrow(/shares part of its storage/);
    await model.close();
  });

  it("asks for tied weights once", async () => {
    const model = await openModel(join(FOLDER, "views.pt"));
    const asked: string[] = [];
    const tied = model.tensors.filter(({ name }) => name === "tied" || name === "again");
    const [output] = model.rewrite(new Set(tied), async (entry) => {
      asked.push(entry.name);
      return scaled(entry);
    });
    await collect(output.chunks());
    expect(asked).toEqual(["tied"]);
    await model.close();
  });
});

describe("PyTorch warnings", () => {
  it("names the classes that were not built, and ends on a checkpoint that contains itself", async () => {
    const model = await openModel(join(FOLDER, "checkpoint.pt"));
    expect(model.warnings.map(({ message }) => message).join()).toContain("argparse.Namespace");
    await model.close();
  });

  it("has nothing to say about a plain state_dict, a module or TorchScript", async () => {
    for (const file of ["state.pt", "module.pt", "script.pt", "views.pt"]) {
      const model = await openModel(join(FOLDER, file));
      expect(model.warnings, file).toEqual([]);
      await model.close();
    }
  });

  it("tells how to convert the format from before 1.6", async () => {
    await expect(openModel(join(FOLDER, "legacy.pt"))).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("torch.save(torch.load("),
    });
  });
});

describe("openModel on paths", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lipschitz-open-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function folderOf(name: string, files: Record<string, string>): Promise<string> {
    await mkdir(join(folder, name));
    for (const [file, from] of Object.entries(files)) {
      await writeFile(join(folder, name, file), readFileSync(join(FOLDER, from)));
    }
    return join(folder, name);
  }

  it("finds the model in a folder", async () => {
    const path = await folderOf("one", {
      "model.safetensors": "types.safetensors",
      "pytorch_model.bin": "state.pt",
    });
    const model = await openModel(path);
    expect(model.sources[0].name).toBe(join(path, "model.safetensors"));
    await model.close();
  });

  it("lists what it found when the choice is the user's", async () => {
    const path = await folderOf("two", {
      "a.safetensors": "types.safetensors",
      "b.safetensors": "types.safetensors",
    });
    await expect(openModel(path)).rejects.toThrow(/several models: a\.safetensors, b\.safetensors/);
    await expect(openModel(await folderOf("none", {}))).rejects.toThrow(
      /no model file in this folder, it is empty/,
    );
  });

  it("opens sharded PyTorch checkpoints through their index", async () => {
    const path = await folderOf("shards", { "pytorch_model-1.bin": "state.pt" });
    const map = Object.fromEntries(expectedOf("state.pt").map(({ name }) => [name, "pytorch_model-1.bin"]));
    await writeFile(join(path, "pytorch_model.bin.index.json"), JSON.stringify({ weight_map: map }));
    const model = await openModel(path);
    expect(model.format).toBe("pytorch");
    expect(byName(await contentsOf(model))).toEqual(byName(expectedOf("state.pt")));
    await model.close();
  });

  it("recognises formats by their bytes when the name says nothing", async () => {
    for (const [file, format] of [
      ["plain.npy", "npy"],
      ["stored.npz", "npz"],
      ["state.pt", "pytorch"],
      ["types.safetensors", "safetensors"],
    ]) {
      expect((await openModel(new Uint8Array(readFileSync(join(FOLDER, file))))).format).toBe(format);
    }
  });
});
