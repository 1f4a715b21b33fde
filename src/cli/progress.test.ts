import { describe, expect, it } from "vitest";
import type { Io } from "./io.ts";
import { progressLine } from "./progress.ts";

function terminal(interactive: boolean) {
  const lines: string[] = [];
  const io: Io = {
    out: () => {},
    err: (text) => void lines.push(text),
    stdout: { interactive: false, width: 80, color: false },
    stderr: { interactive, width: 60, color: false },
    signal: new AbortController().signal,
    debug: false,
  };
  return { io, lines };
}

const MIB = 2 ** 20;
const step = (bytes: number) => ({
  label: "model.layers.17.self_attn.q_proj.weight",
  index: 3,
  count: 9,
  bytes,
  totalBytes: 4 * MIB,
});

describe("progressLine", () => {
  it("shows bytes, then rate and time left, in one line no wider than the terminal, and clears it", () => {
    const { io, lines } = terminal(true);
    let time = 0;
    const progress = progressLine(io, { progress: true, quiet: false }, () => time);
    progress.update(step(0));
    expect(lines).toEqual([]);
    time = 300;
    progress.update(step(MIB));
    time = 350;
    progress.update(step(1.5 * MIB));
    time = 2000;
    progress.update(step(2 * MIB));
    progress.clear();
    progress.clear();
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain("25 % · 1.0 MiB of 4.0 MiB · 4/9 model.");
    expect(lines[1]).toContain("50 % · 2.0 MiB of 4.0 MiB · 1.0 MiB/s · 2 s left");
    expect(lines[2]).toBe("\r\x1b[K");
    for (const line of lines) expect(line.replace("\r\x1b[K", "").length).toBeLessThan(60);
  });

  it("tells the pace by finished layers, since reading one is quick beside computing with it", () => {
    const { io, lines } = terminal(true);
    let time = 0;
    const progress = progressLine(io, { progress: true, quiet: false }, () => time);
    progress.update({ ...step(MIB), index: 0 });
    time = 4000;
    progress.update({ ...step(MIB), index: 1 });
    time = 6000;
    progress.update({ ...step(2 * MIB), index: 1 });
    expect(lines.at(-1)).toContain("50 % · 2.0 MiB of 4.0 MiB · 256.0 KiB/s · 10 s left");
    time = 17000;
    progress.update({ ...step(2 * MIB), index: 1 });
    expect(lines.at(-1)).not.toContain("left");
  });

  it.each([
    [false, { progress: true, quiet: false }],
    [true, { progress: false, quiet: false }],
    [true, { progress: true, quiet: true }],
  ])("is silent off a terminal and when asked (terminal %s, %o)", (interactive, options) => {
    const { io, lines } = terminal(interactive);
    let time = 0;
    const progress = progressLine(io, options, () => time);
    time = 9999;
    progress.update(step(1));
    progress.clear();
    expect(lines).toEqual([]);
  });
});
