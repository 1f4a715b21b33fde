import { afterEach, expect, it, vi } from "vitest";
import { interruptSignal } from "./signals.ts";

afterEach(() => vi.restoreAllMocks());

it("aborts at the first interruption and ends the process at the second", () => {
  const exit = vi.spyOn(process, "exit").mockImplementation(() => undefined as never);
  const before = process.listenerCount("SIGINT");
  const { signal, release } = interruptSignal();
  expect(signal.aborted).toBe(false);
  process.emit("SIGINT");
  expect(signal.aborted).toBe(true);
  expect(exit).not.toHaveBeenCalled();
  process.emit("SIGTERM");
  expect(exit).toHaveBeenCalledExactlyOnceWith(130);
  release();
  expect(process.listenerCount("SIGINT")).toBe(before);
});
