import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { concat, npy, npyHeader, utf8, zip } from "../../../test/fixtures/bytes.ts";
import { memorySource } from "../sources.ts";
import { readLabelled } from "./labelled.ts";
import { readPoints } from "./points.ts";

function array(descr: string, shape: readonly number[], data: ArrayBufferView, order?: string): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const dims = `(${shape.map((size) => `${size},`).join(" ")})`;
  return npy(npyHeader(`'${descr}'`, dims, order), bytes);
}

function archive(arrays: Readonly<Record<string, Uint8Array>>, deflate = false): Uint8Array {
  return zip(Object.entries(arrays).map(([name, bytes]) => ({ name: `${name}.npy`, bytes, deflate })));
}

function idx(code: number, shape: readonly number[], data: readonly number[] | Uint8Array): Uint8Array {
  const sizes = shape.flatMap((size) => [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255]);
  return concat([0, 0, code, shape.length], sizes, data);
}

/** Bytes under a file's name. */
function file(bytes: Uint8Array, name: string) {
  return memorySource(bytes, name);
}

const six = Float32Array.of(0, 0.5, 1, -1, 2, 0.25);
const floats = (shape: readonly number[]) => array("<f4", shape, six);

async function all(source: Uint8Array, shape: readonly number[]): Promise<number[][]> {
  const points = await readPoints(source, shape);
  const rows: number[][] = [];
  for (let i = 0; i < points.count; i++) rows.push([...(await points.read(i, i + 1))]);
  const whole = await points.read(0, points.count);
  expect(rows.flat()).toEqual([...whole]);
  await points.close();
  return rows;
}

const threePoints = [
  [0, 0.5],
  [1, -1],
  [2, 0.25],
];

describe("points are read", () => {
  it.each([
    ["npy", floats([3, 2]), [2]],
    ["npz", archive({ x: floats([3, 2]) }), [2]],
    [
      "deflated npz with other arrays",
      archive({ notes: array("|S3", [1], new Uint8Array(3)), x: floats([3, 2]) }, true),
      [2],
    ],
    ["gzipped npy", new Uint8Array(gzipSync(floats([3, 2]))), [2]],
    ["flattened points for an image", floats([3, 2]), [1, 1, 2]],
    ["images for a flat input", floats([3, 1, 2]), [2]],
    ["axes of length 1 added", floats([3, 1, 2]), [1, 2, 1]],
    ["float64", array("<f8", [3, 2], Float64Array.from(six)), [2]],
    ["big-endian float32", array(">f4", [3, 2], swapped(new Uint8Array(six.buffer.slice(0)), 4)), [2]],
  ])("%s", async (_, bytes, shape) => {
    expect(await all(bytes, shape)).toEqual(threePoints);
  });

  it.each([
    ["|u1", Uint8Array.of(0, 255, 1, 2)],
    ["<i8", BigInt64Array.of(0n, 255n, 1n, 2n)],
    ["<i4", Int32Array.of(0, 255, 1, 2)],
    ["<u2", Uint16Array.of(0, 255, 1, 2)],
  ] as const)("whole numbers of type %s", async (descr, data) => {
    expect(await all(array(descr, [2, 2], data), [2])).toEqual([
      [0, 255],
      [1, 2],
    ]);
  });

  it("IDX of bytes, and of big-endian floats", async () => {
    expect(await all(idx(8, [2, 1, 2], [0, 255, 1, 2]), [2])).toEqual([
      [0, 255],
      [1, 2],
    ]);
    const big = swapped(new Uint8Array(six.buffer.slice(0)), 4);
    expect(await all(idx(13, [3, 2], big), [2])).toEqual(threePoints);
    expect(await all(new Uint8Array(gzipSync(idx(13, [3, 2], big))), [2])).toEqual(threePoints);
  });

  it("one point alone needs no axis that counts it", async () => {
    expect(await all(floats([6]), [6])).toEqual([[...six]]);
    expect(await all(floats([2, 3]), [2, 3])).toEqual([[...six]]);
    expect(await all(floats([1, 6]), [6])).toEqual([[...six]]);
    expect(await all(floats([6]), [1])).toHaveLength(6);
  });

  it("a Blob, and a column of Fortran order that is as long in C order", async () => {
    const points = await readPoints(new Blob([floats([3, 2]) as Uint8Array<ArrayBuffer>]), [2]);
    expect([...(await points.read(1, 2))]).toEqual([1, -1]);
    expect(await all(array("<f4", [6, 1], six, "True"), [1])).toHaveLength(6);
  });
});

describe("points are refused", () => {
  const order =
    "bad.npy: points of shape [2, 3] are as large as the network's [3, 2], but their axes differ. " +
    "Bring the axes in order, such as x.transpose(0, 3, 1, 2), or flatten them on purpose to [n, 6].";
  it.each([
    [
      "another size",
      floats([3, 2]),
      [3],
      "bad.npy: shape [3, 2] has 2 numbers per point, but the network takes [3], 3 numbers. Give points as [n, 3], or flattened as [n, 3].",
    ],
    [
      "no points",
      array("<f4", [0, 2], new Uint8Array(0)),
      [2],
      "bad.npy: shape [0, 2] holds no points. Give points as [n, 2], or flattened as [n, 2].",
    ],
    ["axes in another order", array("<f4", [2, 2, 3], new Float32Array(12)), [3, 2], order],
    ["one point with axes in another order", floats([2, 3]), [3, 2], order],
    [
      "text",
      array("|S4", [2], new Uint8Array(8)),
      [1],
      "bad.npy: its elements are of type bytes32, not numbers. Save it as float32, or whole numbers as uint8 or int64.",
    ],
    [
      "complex numbers",
      array("<c8", [2, 1], six.subarray(0, 4)),
      [1],
      "bad.npy: its elements are of type complex64, not numbers. Save it as float32, or whole numbers as uint8 or int64.",
    ],
    [
      "Fortran order",
      array("<f4", [3, 2], six, "True"),
      [2],
      "bad.npy: it is stored column by column (fortran_order), not point by point. Save numpy.ascontiguousarray(x) instead.",
    ],
    [
      "an archive without x",
      archive({ images: floats([3, 2]), y: floats([6]) }),
      [2],
      'bad.npy: no array "x" in this archive; it holds "images", "y". Save points and labels with numpy.savez(FILE, x=points, y=labels).',
    ],
    ["nothing", new Uint8Array(0), [2], "bad.npy: the file is empty. Download or save it again."],
    [
      "another format",
      utf8("1,2,3\n4,5,6\n7"),
      [2],
      'bad.npy, byte 0: an array must begin with "\\x93NUMPY".',
    ],
    [
      "damaged gzip",
      new Uint8Array(gzipSync(floats([3, 2]))).subarray(0, 40),
      [2],
      /^bad\.npy: it cannot be inflated \(.*\)\. The file is damaged: download it again\.$/,
    ],
    [
      "gzip in gzip",
      new Uint8Array(gzipSync(gzipSync(floats([3, 2])))),
      [2],
      'bad.npy, byte 0: an array must begin with "\\x93NUMPY".',
    ],
  ])("%s", async (_, bytes, shape, message) => {
    const error = await readPoints(file(bytes, "bad.npy"), shape).catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      name: "FormatError",
      message: expect.stringMatching(message instanceof RegExp ? message : /./),
    });
    if (typeof message === "string") expect((error as Error).message).toBe(message);
  });

  it.each([
    [
      "not recognised",
      utf8("1,2,3\n"),
      "p.csv: not a data file that is recognised (it begins 31 2c 32 2c 33 0a). These are read: NumPy (.npz with x and y, .npy) and IDX (.idx, -ubyte), the latter two also gzipped.",
    ],
    [
      "IDX cut short",
      idx(8, [2, 2], [1, 2, 3]),
      "p.csv, byte 4: shape [2, 2] of uint8 makes a file of 16 bytes, got 15.",
    ],
    [
      "IDX too long",
      idx(8, [2, 2], [1, 2, 3, 4, 5]),
      "p.csv, byte 4: shape [2, 2] of uint8 makes a file of 16 bytes, got 17.",
    ],
    [
      "IDX with a header cut short",
      Uint8Array.of(0, 0, 8, 3, 0, 0),
      "p.csv, byte 3: the header needs 16 bytes, the file has 6.",
    ],
    [
      "IDX of an absurd shape",
      idx(14, [0xffffffff, 0xffffffff, 0xffffffff], []),
      "p.csv, byte 4: [4294967295, 4294967295, 4294967295] is not a possible shape.",
    ],
    [
      "IDX with too many axes",
      concat([0, 0, 8, 65], new Uint8Array(300)),
      "p.csv, byte 3: 65 axes are claimed; at most 64 are read.",
    ],
  ])("%s", async (_, bytes, message) => {
    await expect(readPoints(file(bytes, "p.csv"), [2])).rejects.toThrow(
      expect.objectContaining({ name: "FormatError", message }),
    );
  });

  it("a number that is not finite, when it is read", async () => {
    const bad = Float32Array.of(0, 1, 2, Number.NaN, 4, 5);
    const points = await readPoints(file(archive({ x: array("<f4", [3, 2], bad) }), "d.npz"), [2]);
    await expect(points.read(0, 1)).resolves.toHaveLength(2);
    await expect(points.read(1, 3)).rejects.toThrow(
      'd.npz, tensor "x": point 1 holds NaN. Leave such points out, or find where they come from.',
    );
  });

  it("a file that is not there", async () => {
    await expect(readPoints("/nowhere/x.npy", [2])).rejects.toThrow(
      "/nowhere/x.npy: no such file. Check the path.",
    );
  });
});

describe("labels", () => {
  const x = floats([3, 2]);
  const expected = { shape: [2], classes: 3 };
  const int64 = (...values: number[]) => BigInt64Array.from(values.map(BigInt));

  it.each([
    ["an archive", { points: archive({ x, y: array("<i8", [3], int64(2, 0, 1)) }) }],
    ["two files", { points: x, labels: array("|u1", [3], Uint8Array.of(2, 0, 1)) }],
    ["a column", { points: x, labels: array("|u1", [3, 1], Uint8Array.of(2, 0, 1)) }],
    ["IDX", { points: x, labels: idx(8, [3], [2, 0, 1]) }],
    ["floats that are whole", { points: x, labels: array("<f4", [3], Float32Array.of(2, 0, 1)) }],
    [
      "a file of their own beats y",
      { points: archive({ x, y: x }), labels: archive({ y: idxless(2, 0, 1) }) },
    ],
  ])("from %s", async (_, sources) => {
    const points = await readLabelled(sources, expected);
    expect([...points.labels]).toEqual([2, 0, 1]);
    expect(points.count).toBe(3);
    await points.close();
  });

  it("from arrays at hand", async () => {
    const points = await readLabelled({ points: six, labels: [2, 0, 1] }, expected);
    expect([...points.labels]).toEqual([2, 0, 1]);
    expect([...(await points.read(1, 3))]).toEqual([...six.subarray(2)]);
    expect(points.files).toEqual(["points in memory", "labels in memory"]);
    const flat = { points: Float64Array.from(six), labels: Int32Array.of(1, 0, 0) };
    expect((await readLabelled(flat, { shape: [1, 2], classes: 2 })).count).toBe(3);
    await expect(readLabelled({ points: six, labels: [0] }, { shape: [4], classes: 2 })).rejects.toThrow(
      "points in memory: 6 numbers are not a whole number of points of 4.",
    );
  });

  it("names the files it read", async () => {
    const own = file(archive({ x, y: idxless(0, 1, 2) }), "d.npz");
    expect((await readLabelled({ points: own }, expected)).files).toEqual(["d.npz"]);
    const sources = { points: file(x, "x.npy"), labels: file(idxless(0, 1, 2), "y.npy") };
    expect((await readLabelled(sources, expected)).files).toEqual(["x.npy", "y.npy"]);
  });

  it.each([
    [
      "none",
      undefined,
      "x.npy: points without labels. Give the labels' file too (--labels), or both in one: numpy.savez(FILE, x=points, y=labels).",
    ],
    [
      "too few",
      array("|u1", [2], Uint8Array.of(0, 1)),
      "y.npy: labels of shape [2] for 3 points. Give one label per point: [3].",
    ],
    [
      "one-hot",
      array("|u1", [3, 3], new Uint8Array(9)),
      "y.npy: labels of shape [3, 3] look one-hot. Save class numbers: y.argmax(axis=1).",
    ],
    [
      "a class too many",
      array("|u1", [3], Uint8Array.of(1, 2, 3)),
      "y.npy: label 3 of point 2 is not a class: whole numbers from 0 to 2 are. Classes count from 0.",
    ],
    [
      "negative",
      array("|i1", [3], Int8Array.of(1, -1, 2)),
      "y.npy: label -1 of point 1 is not a class: whole numbers from 0 to 2 are.",
    ],
    [
      "broken",
      array("<f4", [3], Float32Array.of(0, 0.5, 1)),
      "y.npy: label 0.5 of point 1 is not a class: whole numbers from 0 to 2 are.",
    ],
    [
      "an archive without y",
      archive({ x }),
      'y.npy: no array "y" in this archive; it holds "x". Save points and labels with numpy.savez(FILE, x=points, y=labels).',
    ],
  ])("%s are refused", async (_, labels, message) => {
    const sources = { points: file(x, "x.npy"), labels: labels && file(labels, "y.npy") };
    await expect(readLabelled(sources, expected)).rejects.toThrow(
      expect.objectContaining({ name: "FormatError", message }),
    );
  });

  function idxless(...values: number[]): Uint8Array {
    return array("|u1", [values.length], Uint8Array.from(values));
  }
});

function swapped(bytes: Uint8Array, itemBytes: number): Uint8Array {
  for (let at = 0; at < bytes.length; at += itemBytes) bytes.subarray(at, at + itemBytes).reverse();
  return bytes;
}
