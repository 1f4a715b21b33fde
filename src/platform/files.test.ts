import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtin, hasBuiltins } from "./builtin.ts";
import { makeFolder, openFile, sameFile, WriteError, writeWhole } from "./files.ts";

const hasProc = existsSync("/proc/self");
if (!hasProc) console.log("files.test.ts: folders that hold no others skipped, there is no /proc here");

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lipschitz-files-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function* chunksOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

describe("builtin", () => {
  it("finds Node's modules and says why it cannot in a browser", () => {
    expect(hasBuiltins()).toBe(true);
    const original = process.getBuiltinModule;
    try {
      Object.defineProperty(process, "getBuiltinModule", { value: undefined, configurable: true });
      expect(hasBuiltins()).toBe(false);
      expect(() => builtin("node:fs")).toThrow(/not available here: it needs Node\.js/);
    } finally {
      Object.defineProperty(process, "getBuiltinModule", { value: original, configurable: true });
    }
  });
});

describe("openFile", () => {
  it("reads any range, and no range outside", async () => {
    const path = join(folder, "x");
    await writeFile(path, "0123456789");
    const source = await openFile(path);
    expect(source.byteLength).toBe(10);
    expect(new TextDecoder().decode(await source.read(3, 6))).toBe("345");
    expect((await source.read(10, 10)).length).toBe(0);
    await expect(source.read(5, 11)).rejects.toMatchObject({ code: "truncated", byte: 5 });
    await expect(source.read(-1, 3)).rejects.toMatchObject({ code: "truncated" });
    await source.close();
    await source.close();
    await expect(source.read(0, 1)).rejects.toMatchObject({ code: "unreadable" });
  });

  it("says that the file shrank while it was read", async () => {
    const path = join(folder, "x");
    await writeFile(path, "0123456789");
    const source = await openFile(path);
    await writeFile(path, "01");
    await expect(source.read(0, 10)).rejects.toMatchObject({ code: "truncated", byte: 2 });
    await source.close();
  });

  it("names what cannot be opened", async () => {
    await expect(openFile(join(folder, "none"))).rejects.toMatchObject({ code: "not-found" });
    await expect(openFile(folder)).rejects.toThrow(/is a folder/);
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await expect(openFile(join(folder, "pipe"))).rejects.toThrow(/device or a pipe/);
  });

  it("finds siblings, also through the symlinks of a Hugging Face cache, but nothing outside", async () => {
    await mkdir(join(folder, "blobs"));
    await mkdir(join(folder, "snapshot"));
    for (const name of ["one", "two"]) {
      await writeFile(join(folder, "blobs", `${name}-hash`), name);
      await symlink(join("..", "blobs", `${name}-hash`), join(folder, "snapshot", name));
    }
    const one = await openFile(join(folder, "snapshot", "one"));
    const two = await one.sibling("two");
    expect(new TextDecoder().decode(await two?.read(0, 3))).toBe("two");
    expect(await one.sibling("three")).toBeNull();
    await expect(one.sibling("../blobs/two-hash")).rejects.toMatchObject({ code: "unsafe-path" });
    await one.close();
    await two?.close();
  });
});

describe("writeWhole", () => {
  it("writes everything and leaves nothing else behind", async () => {
    await writeWhole(join(folder, "out"), chunksOf("ab", "", "cd"));
    expect(await readdir(folder)).toEqual(["out"]);
    expect(await readFile(join(folder, "out"), "utf8")).toBe("abcd");
  });

  it("keeps the old file and removes the temporary one when the chunks fail", async () => {
    const path = join(folder, "out");
    await writeFile(path, "old");
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(5);
      throw new Error("no more");
    }
    await expect(writeWhole(path, failing(), { overwrite: true })).rejects.toThrow("no more");
    expect(await readdir(folder)).toEqual(["out"]);
    expect(await readFile(path, "utf8")).toBe("old");
  });

  it("overwrites only when asked, never an input under any of its names", async () => {
    const input = join(folder, "in");
    await writeFile(input, "in");
    await symlink("in", join(folder, "soft"));
    await link(input, join(folder, "hard"));
    const inputs = [input];
    await expect(writeWhole(input, chunksOf("x"))).rejects.toThrow(WriteError);
    for (const name of ["in", "soft", "hard"]) {
      const writing = writeWhole(join(folder, name), chunksOf("x"), { overwrite: true, inputs });
      await expect(writing).rejects.toThrow(/is the input file/);
    }
    await writeFile(join(folder, "other"), "old");
    await writeWhole(join(folder, "other"), chunksOf("new"), { overwrite: true, inputs });
    expect(await readFile(join(folder, "other"), "utf8")).toBe("new");
    expect(await readFile(input, "utf8")).toBe("in");
  });

  it("says when the folder does not exist", async () => {
    await expect(writeWhole(join(folder, "no", "out"), chunksOf("x"))).rejects.toThrow(
      /cannot write in this folder/,
    );
    expect(existsSync(join(folder, "no"))).toBe(false);
  });

  it("compares files by identity", async () => {
    await writeFile(join(folder, "a"), "");
    await writeFile(join(folder, "b"), "");
    await symlink("a", join(folder, "c"));
    expect(await sameFile(join(folder, "a"), join(folder, "c"))).toBe(true);
    expect(await sameFile(join(folder, "a"), join(folder, "b"))).toBe(false);
    expect(await sameFile(join(folder, "a"), join(folder, "none"))).toBe(false);
  });
});

describe("makeFolder", () => {
  it("makes what is missing, and leaves what is there", async () => {
    const path = join(folder, "a", "b", "c");
    await makeFolder(path);
    await writeFile(join(path, "kept"), "");
    await makeFolder(path);
    await makeFolder(`${join(folder, "a", "d")}/`);
    expect(await readdir(path)).toEqual(["kept"]);
    expect(await readdir(join(folder, "a"))).toEqual(["b", "d"]);
  });

  it("takes a link to a folder for one", async () => {
    await mkdir(join(folder, "real"));
    await symlink(join(folder, "real"), join(folder, "link"));
    await makeFolder(join(folder, "link", "below"));
    expect(await readdir(join(folder, "real"))).toEqual(["below"]);
  });

  it("names the file that is in the way", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const failure = makeFolder(file);
    await expect(failure).rejects.toBeInstanceOf(WriteError);
    await expect(failure).rejects.toThrow(`${file}: cannot be made a folder (EEXIST). Choose another name.`);
    await expect(makeFolder(join(file, "below"))).rejects.toThrow("(ENOTDIR)");
  });

  it.runIf(hasProc)("ends where a system folder holds no others", async () => {
    await expect(makeFolder("/proc/lipschitz-none")).rejects.toThrow(
      "/proc/lipschitz-none: cannot be made a folder (ENOENT). Choose another name.",
    );
    await expect(makeFolder("/proc/lipschitz-none/below")).rejects.toThrow(
      "/proc/lipschitz-none/below: cannot be made a folder (ENOENT at /proc/lipschitz-none). Choose another name.",
    );
  });

  it("says which folder may not be written", async () => {
    const closed = join(folder, "closed");
    await mkdir(closed, { mode: 0o500 });
    const path = join(closed, "a", "b");
    // Whoever is root may write everywhere.
    const outcome = makeFolder(path).then(
      () => "made",
      (error: unknown) => String(error),
    );
    const denied = `WriteError: ${path}: cannot be made a folder (EACCES at ${join(closed, "a")}). Choose another name.`;
    expect(await outcome).toBe(process.getuid?.() === 0 ? "made" : denied);
    await chmod(closed, 0o700);
  });
});
