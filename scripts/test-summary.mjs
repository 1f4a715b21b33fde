import { writeFileSync } from "node:fs";
import { relative } from "node:path";

/** A vitest reporter: counts, and the names and reasons of what was skipped, to $LIPSCHITZ_TEST_SUMMARY. */
export default class TestSummary {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    const skips = new Map();
    for (const module of modules) {
      // A file or a suite that throws outside its tests has none that failed; it fails all the same.
      if (module.errors().length > 0) counts.failed++;
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const { state, note } = test.result();
        counts[state === "pending" ? "skipped" : state]++;
        if (state !== "skipped") continue;
        const name = `${relative(process.cwd(), module.moduleId)} > ${note ?? skippedName(test)}`;
        skips.set(name, (skips.get(name) ?? 0) + 1);
      }
    }
    const reasons = [...skips].map(([name, tests]) => `${name} (${tests} ${tests === 1 ? "test" : "tests"})`);
    writeFileSync(process.env.LIPSCHITZ_TEST_SUMMARY, JSON.stringify({ ...counts, reasons }));
  }
}

/** The outermost skipped suite the test is in: its name says what it needs. */
function skippedName(test) {
  let outermost = test;
  for (let at = test.parent; at.type === "suite"; at = at.parent) {
    if (at.options.mode === "skip") outermost = at;
  }
  return outermost.name;
}
