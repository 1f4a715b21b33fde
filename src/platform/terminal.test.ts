import { describe, expect, it } from "vitest";
import { terminalOf } from "./terminal.ts";

const tty = { isTTY: true, columns: 72 };

describe("terminalOf", () => {
  it("knows a terminal from a pipe", () => {
    expect(terminalOf(tty, {})).toEqual({ interactive: true, width: 72, color: true });
    expect(terminalOf({}, {})).toEqual({ interactive: false, width: 100, color: false });
    expect(terminalOf({}, { COLUMNS: "120" }).width).toBe(120);
  });

  it("honours NO_COLOR, FORCE_COLOR and TERM=dumb", () => {
    expect(terminalOf(tty, { NO_COLOR: "1" }).color).toBe(false);
    expect(terminalOf(tty, { NO_COLOR: "" }).color).toBe(true);
    expect(terminalOf(tty, { TERM: "dumb" }).color).toBe(false);
    expect(terminalOf({}, { FORCE_COLOR: "1" }).color).toBe(true);
    expect(terminalOf(tty, { FORCE_COLOR: "0" }).color).toBe(false);
    expect(terminalOf(tty, { FORCE_COLOR: "1", NO_COLOR: "1" }).color).toBe(false);
  });
});
