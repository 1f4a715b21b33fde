import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { stageFiles } from "./staging.ts";

const folder = await mkdtemp(join(tmpdir(), "lipschitz-staging-"));
afterAll(() => rm(folder, { recursive: true }));

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(1, 2, 3);
}

it("leaves nothing behind when the process ends in the middle", async () => {
  const before = process.listeners("exit");
  const stage = await stageFiles(join(folder, "out.bin"), { names: [""], inputs: [] });
  await stage.write("", bytes());
  expect(await readdir(folder)).toHaveLength(1);
  const [atExit] = process.listeners("exit").filter((listener) => !before.includes(listener));
  atExit!(130);
  expect(await readdir(folder)).toEqual([]);
  await stage.discard();
  expect(process.listeners("exit")).toEqual(before);
});
