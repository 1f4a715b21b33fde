import { allProblems } from "../report-text.ts";
import type { AuditReport } from "../schema.ts";
import { html, type Markup } from "./markup.ts";

/** More would bury the rest of the page; the JSON report holds all of them. */
const MOST_PROBLEMS = 500;

/** Errors and warnings, where and what; null when there are none. */
export function problemsSection(report: AuditReport): Markup | null {
  const problems = allProblems(report);
  if (problems.length === 0) return null;
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const warnings = problems.length - errors;
  const counts = [count(errors, "error"), count(warnings, "warning")]
    .filter((text) => text !== "")
    .join(", ");
  const items = problems
    .slice(0, MOST_PROBLEMS)
    .map(
      ({ severity, where, message }) =>
        html`<li><span class="sign ${severity}">${severity === "error" ? "✕ error" : "! warning"}</span><bdi class="where">${where}</bdi><span class="what">${message}</span></li>`,
    );
  const rest = problems.length - MOST_PROBLEMS;
  const more = rest > 0 ? html`<p class="fine">and ${rest} more, all in the JSON report.</p>` : null;
  return html`<section id="problems" class="callout ${errors > 0 ? "has-error" : "has-warning"}" aria-labelledby="problems-title"><div class="section-head"><h2 id="problems-title">Problems: ${counts}</h2></div><ul class="problems">${items}</ul>${more}</section>`;
}

function count(n: number, noun: string): string {
  if (n === 0) return "";
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
