import { describe, expect, it } from "vitest";
import { collect, concat, pickle, rebuildTensor, torchFile, utf8, zip } from "../../test/fixtures/bytes.ts";
import { toFloat64 } from "./decode.ts";
import { openModel } from "./open.ts";

const { program, global, text, int, tuple, dict, reduce } = pickle;
const storage = new Uint8Array(Float32Array.of(1.5, -2).buffer);

describe("pytorch", () => {
  it("reads and rewrites an archive from a big-endian machine", async () => {
    const big = concat([...storage.slice(0, 4)].reverse(), [...storage.slice(4)].reverse());
    const file = zip([
      { name: "m/data.pkl", bytes: program(dict(text("w"), rebuildTensor())) },
      { name: "m/byteorder", bytes: utf8("big") },
      { name: "m/data/0", bytes: big },
    ]);
    const model = await openModel(file, { name: "m.pt" });
    const [entry] = model.tensors;
    expect(entry.range).toBeUndefined();
    expect([...toFloat64("float32", await entry.read(0, 8))]).toEqual([1.5, -2]);
    expect([...(await entry.read(3, 5))]).toEqual([...storage.slice(3, 5)]);
    const [output] = model.rewrite(
      new Set([entry]),
      async () => new Uint8Array(Float32Array.of(3, 4).buffer),
    );
    const again = await openModel(await collect(output.chunks()), { name: "m.pt" });
    expect([...toFloat64("float32", await again.tensors[0].read(0, 8))]).toEqual([3, 4]);
  });

  it("reads float8 tensors from untyped storages", async () => {
    const id = tuple(
      text("storage"),
      global("torch.storage", "UntypedStorage"),
      text("0"),
      text("cpu"),
      int(2),
    );
    const shape = concat(
      int(0),
      tuple(int(2)),
      tuple(int(1)),
      [0x89],
      [0x4e],
      global("torch", "float8_e4m3fn"),
    );
    const tensor = concat(
      global("torch._utils", "_rebuild_tensor_v3"),
      tuple(concat(id, [0x51]), shape),
      reduce,
    );
    const model = await openModel(torchFile(program(dict(text("w"), tensor)), Uint8Array.of(0x38, 0x7e)));
    expect(model.tensors[0].dtype).toBe("float8_e4m3fn");
    expect([...toFloat64("float8_e4m3fn", await model.tensors[0].read(0, 2))]).toEqual([1, 448]);
  });

  it("lists tensors beside and inside objects of unknown classes, without building them", async () => {
    const object = concat(
      global("mine", "Trainer"),
      [0x29],
      [0x81],
      dict(text("ema"), rebuildTensor()),
      [0x62],
    );
    const model = await openModel(
      torchFile(program(dict(text("trainer"), object, text("w"), rebuildTensor()))),
    );
    expect(model.tensors.map(({ name }) => name)).toEqual(["trainer.ema", "w"]);
    expect(model.warnings[0].message).toContain("mine.Trainer");
  });

  it("lists what it does not read, with the reason", async () => {
    const sparse = concat(global("torch._utils", "_rebuild_sparse_tensor"), tuple(int(1)), reduce);
    const model = await openModel(torchFile(program(dict(text("s"), sparse))));
    expect(model.tensors[0]).toMatchObject({
      name: "s",
      unsupported: expect.stringContaining("_rebuild_sparse_tensor"),
    });
  });

  it("numbers tensors that share a path", async () => {
    const nested = dict(text("b"), rebuildTensor());
    const model = await openModel(torchFile(program(dict(text("a.b"), rebuildTensor(), text("a"), nested))));
    expect(model.tensors.map(({ name }) => name)).toEqual(["a.b", "a.b#2"]);
    expect(model.warnings.map(({ where }) => where)).toEqual(["a.b#2"]);
  });

  it("keeps names that mean something to JavaScript as plain names", async () => {
    const model = await openModel(torchFile(program(dict(text("__proto__"), rebuildTensor()))));
    expect(model.tensors.map(({ name }) => name)).toEqual(["__proto__"]);
  });

  it("ends on a list that contains itself", async () => {
    // l = []; l.append(l)
    const model = await openModel(torchFile(program([0x5d, 0x71, 0], [0x68, 0], [0x61])));
    expect(model.tensors).toEqual([]);
  });
});
