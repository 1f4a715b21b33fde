import { describe, expect, it } from "vitest";
import { collect, concat, npy, npyHeader, u16, u32, u64, utf8, zip } from "../../test/fixtures/bytes.ts";
import { crc32 } from "./crc32.ts";
import { memorySource } from "./sources.ts";
import { readZip } from "./zip.ts";
import { readMember } from "./zip-read.ts";
import { rewriteZip } from "./zip-writer.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("crc32", () => {
  it("gives the published check value, whole and in parts", () => {
    const bytes = utf8("123456789");
    expect(crc32(bytes)).toBe(0xcbf43926);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(0xcbf43926);
    }
  });
});

/** An archive of one stored member whose sizes, offset and end record are all in zip64 form. */
function zip64(name: string, bytes: Uint8Array): Uint8Array {
  const wide = u32(0xffffffff);
  const named = utf8(name);
  const common = concat(u16(45), u16(0), u16(0), u32(0), u32(crc32(bytes)), wide, wide, u16(named.length));
  const size = u64(BigInt(bytes.length));
  const local = concat(u32(0x04034b50), common, u16(20), named, u16(1), u16(16), size, size);
  const record = concat(
    concat(u32(0x02014b50), u16(45), common, u16(28), u16(0), u16(0), u16(0), u32(0), wide, named),
    concat(u16(1), u16(24), size, size, u64(0n)),
  );
  const start = local.length + bytes.length;
  const end64 = concat(
    concat(u32(0x06064b50), u64(44n), u16(45), u16(45), u32(0), u32(0), u64(1n), u64(1n)),
    concat(u64(BigInt(record.length)), u64(BigInt(start))),
  );
  const locator = concat(u32(0x07064b50), u32(0), u64(BigInt(start + record.length)), u32(1));
  const end = concat(u32(0x06054b50), u32(0), u16(0xffff), u16(0xffff), wide, wide, u16(0));
  return concat(local, bytes, record, end64, locator, end);
}

describe("readZip", () => {
  it("reads stored and deflated members, behind a comment", async () => {
    const plain = zip([
      { name: "a", bytes: utf8("hello") },
      { name: "b", bytes: utf8("world ".repeat(1000)), deflate: true },
    ]);
    const commented = concat(plain.slice(0, -2), u16(3), utf8("PK!"));
    const source = memorySource(commented, "x.zip");
    const { members } = await readZip(source);
    expect(members.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(text(await readMember(source, members[0]))).toBe("hello");
    expect(text(await readMember(source, members[1]))).toBe("world ".repeat(1000));
  });

  it("reads an archive in zip64 form", async () => {
    const source = memorySource(zip64("a", utf8("hello")), "x.zip");
    const { members } = await readZip(source);
    expect(members[0]).toMatchObject({ name: "a", size: 5, packedSize: 5, headerStart: 0 });
    expect(text(await readMember(source, members[0]))).toBe("hello");
  });

  it("refuses a zip64 end record that is not there", async () => {
    const bytes = zip64("a", utf8("hello"));
    bytes[bytes.length - 22 - 20 + 8] ^= 1;
    await expect(readZip(memorySource(bytes, "x.zip"))).rejects.toMatchObject({ code: "bad-magic" });
  });

  it("refuses sizes beyond 2^53", async () => {
    const bytes = zip64("a", utf8("hello"));
    // The count in the zip64 end record.
    bytes.set([255, 255, 255, 255, 255, 255, 255, 255], bytes.length - 22 - 20 - 24);
    await expect(readZip(memorySource(bytes, "x.zip"))).rejects.toMatchObject({ code: "bad-offsets" });
  });
});

describe("rewriteZip", () => {
  it("patches stored members, whether their CRC is before or behind the data", async () => {
    const content = utf8("hello");
    const header = concat(
      u32(0x04034b50),
      u16(20),
      u16(8),
      u16(0),
      u32(0),
      u32(0),
      u32(0),
      u32(0),
      u16(1),
      u16(0),
    );
    const plain = zip([{ name: "a", bytes: content, flags: 8 }]);
    // The same archive with a descriptor: header without CRC and sizes, then data, then CRC and sizes.
    const descriptor = concat(u32(0x08074b50), u32(crc32(content)), u32(5), u32(5));
    const record = plain.slice(36, -22);
    const local = concat(header, utf8("a"), content, descriptor);
    const end = concat(
      u32(0x06054b50),
      u32(0),
      u16(1),
      u16(1),
      u32(record.length),
      u32(local.length),
      u16(0),
    );
    for (const [bytes, crcAt] of [
      [zip([{ name: "a", bytes: content }]), 14],
      [concat(local, record, end), 40],
    ] as const) {
      const archive = await readZip(memorySource(bytes, "x.zip"));
      const changed = await collect(
        rewriteZip(archive, new Map([[archive.members[0], async () => utf8("HELLO")]])),
      );
      const again = await readZip(memorySource(changed, "y.zip"));
      expect(text(await readMember(memorySource(changed, "y.zip"), again.members[0]))).toBe("HELLO");
      expect(again.members[0].crc).toBe(crc32(utf8("HELLO")));
      expect(new DataView(changed.buffer).getUint32(crcAt, true)).toBe(crc32(utf8("HELLO")));
      expect(changed.length).toBe(bytes.length);
    }
  });

  it("rebuilds an archive with deflated members and keeps the others as they are packed", async () => {
    const array = npy(npyHeader("'<f4'", "(1000,)"), new Uint8Array(4000));
    const bytes = zip([
      { name: "a", bytes: utf8("first ".repeat(100)), deflate: true },
      { name: "b", bytes: array, deflate: true },
      { name: "c", bytes: utf8("last") },
    ]);
    const archive = await readZip(memorySource(bytes, "x.zip"));
    const noise = Uint8Array.from({ length: array.length }, (_, i) => (i * 2654435761) >>> 13);
    const edits = new Map([[archive.members[1], async () => noise]]);
    const source = memorySource(await collect(rewriteZip(archive, edits)), "y.zip");
    const { members } = await readZip(source);
    expect(members.map(({ name, method }) => [name, method])).toEqual([
      ["a", 8],
      ["b", 8],
      ["c", 0],
    ]);
    expect(text(await readMember(source, members[0]))).toBe("first ".repeat(100));
    expect(await readMember(source, members[1])).toEqual(noise);
    expect(text(await readMember(source, members[2]))).toBe("last");
    expect(members.map(({ headerStart }, i) => (headerStart - archive.members[i].headerStart) % 64)).toEqual([
      0, 0, 0,
    ]);
  });

  it("refuses content of another size", async () => {
    const archive = await readZip(memorySource(zip([{ name: "a", bytes: utf8("hello") }]), "x.zip"));
    const edits = new Map([[archive.members[0], async () => utf8("hi")]]);
    await expect(collect(rewriteZip(archive, edits))).rejects.toThrow(/2 bytes, not 5/);
  });
});
