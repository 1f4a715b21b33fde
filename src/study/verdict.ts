import type { FindingReport } from "./schema.ts";

type Verdict = FindingReport["verdict"];

/** What it makes of a claim that so many of all the cases it speaks of bear it out. */
export function verdictOf(right: number, all: number): Verdict {
  if (all === 0) return "not measured";
  return right === all ? "holds" : right > 0 ? "holds in part" : "does not hold";
}

/** The same from the cases. */
export function verdictOfChecks(checks: readonly boolean[]): Verdict {
  return verdictOf(checks.filter(Boolean).length, checks.length);
}
