import { describe, expect, it } from "vitest";
import { concat, pickle, u32, u64, utf8 } from "../../test/fixtures/bytes.ts";
import { readPickle } from "./pickle.ts";
import { isDangerous } from "./pickle-danger.ts";

const { program, text, int, tuple } = pickle;
const read = (...operations: Parameters<typeof program>) => readPickle(program(...operations), { file: "x" });

describe("readPickle", () => {
  it("reads scalars of every protocol", () => {
    expect(read(utf8("I-12\n"))).toBe(-12);
    expect(read(utf8("I01\n"))).toBe(true);
    expect(read(utf8("L123456789012345678901L\n"))).toBe(123456789012345678901n);
    expect(read(utf8("F1.5\n"))).toBe(1.5);
    expect(read(utf8("S'abc'\n"))).toBe("abc");
    expect(read(concat([0x8a, 2], [0xff, 0x7f]))).toBe(32767);
    expect(read(concat([0x8a, 1], [0xff]))).toBe(-1);
    expect(read([0x8a, 0])).toBe(0);
    expect(read(concat([0x47], [0x3f, 0xf8, 0, 0, 0, 0, 0, 0]))).toBe(1.5);
    expect(read(concat([0x8d], u64(2n), utf8("hi")))).toBe("hi");
    expect(read(concat([0x95], u64(9n), [0x4d], [1, 2]))).toBe(513);
    expect(read(concat([0x42], u32(2), [7, 8]))).toEqual(Uint8Array.of(7, 8));
  });

  it("reads containers and shares what was memoised", () => {
    const list = concat([0x5d, 0x94], int(1), [0x61]);
    expect(read(tuple(list, [0x68, 0]))).toMatchObject({
      kind: "tuple",
      items: [{ items: [1] }, { items: [1] }],
    });
    expect(read(int(1), int(2), int(3), [0x87])).toMatchObject({ kind: "tuple", items: [1, 2, 3] });
    expect(read([0x28], int(1), text("a"), [0x64])).toMatchObject({ kind: "dict", entries: [[1, "a"]] });
    expect(read([0x8f, 0x28], int(1), int(2), [0x90])).toMatchObject({ kind: "set", items: [1, 2] });
  });

  it("records calls instead of making them", () => {
    const call = read(pickle.global("mine", "f"), tuple(int(1)), [0x52]);
    expect(call).toMatchObject({
      kind: "call",
      callee: { path: "mine.f" },
      args: { items: [1] },
      state: undefined,
    });
  });
});

describe("isDangerous", () => {
  it("knows what runs programs from what model files refer to", () => {
    for (const path of [
      "os.system",
      "os.path.join",
      "subprocess.Popen",
      "builtins.eval",
      "code.interact",
      "torch.os.system",
    ]) {
      const dot = path.indexOf(".");
      expect(isDangerous(path.slice(0, dot), path.slice(dot + 1)), path).toBe(true);
    }
    for (const [module, name] of [
      ["collections", "OrderedDict"],
      ["torch._utils", "_rebuild_tensor_v2"],
      ["code.models", "Net"],
      ["builtins", "set"],
      ["argparse", "Namespace"],
      ["ultralytics.nn.modules", "Conv.forward"],
    ]) {
      expect(isDangerous(module, name), `${module}.${name}`).toBe(false);
    }
  });
});
