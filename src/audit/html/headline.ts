import type { Guarantee } from "../../linalg/bound.ts";
import { formatCount, formatSigma } from "../format-number.ts";
import { networkFacts, networkHeadline } from "../report-network.ts";
import { allProblems, coverageShare, guaranteeSentence, steepestLayer } from "../report-text.ts";
import type { AuditReport } from "../schema.ts";
import { html, type Markup } from "./markup.ts";

const GUARANTEES: readonly Guarantee[] = ["estimate", "probable", "proof"];
/** More operators than this are folded away. */
const REASONS_SHOWN = 4;

/** The result in a minute: the network's interval or why there is none, the steepest layer, what the bounds promise. */
export function headline(report: AuditReport): Markup {
  const measured = report.layers.length > 0;
  return html`<section aria-label="Result"><div class="headline">${networkPart(report)}${measured ? steepestPart(report) : null}</div>${measured ? promises(report) : null}${settings(report)}</section>`;
}

function networkPart(report: AuditReport): Markup {
  const { interval, sentence, reasons } = networkHeadline(report);
  const figure =
    interval === null
      ? html`<p class="figure none">${reasons.length > 0 ? "No finite bound" : "No upper bound"}</p>`
      : html`<p class="figure">${interval}</p>`;
  const items = reasons.map(
    ({ node, op, because }) => html`<li><span class="op">${op}</span> <bdi>${node}</bdi><br>${because}</li>`,
  );
  const rest = items.slice(REASONS_SHOWN);
  const more =
    rest.length === 0
      ? null
      : html`<details><summary>${rest.length} more</summary><ul class="reasons">${rest}</ul></details>`;
  const list =
    items.length === 0 ? null : html`<ul class="reasons">${items.slice(0, REASONS_SHOWN)}</ul>${more}`;
  const title = report.network === null ? "Network" : "Lipschitz constant of the network";
  return html`<div><p class="eyebrow">${title}</p>${
    report.network === null ? html`<p class="figure none">No graph, no bound</p>` : figure
  }<p>${sentence}</p>${list}${networkFacts(report).map(({ text }) => html`<p class="fact">${text}</p>`)}</div>`;
}

function steepestPart(report: AuditReport): Markup {
  const steepest = steepestLayer(report);
  if (steepest === null) {
    return html`<div class="minor"><p class="eyebrow">Steepest layer</p><p class="figure none">None</p><p>No layer has a known σ.</p></div>`;
  }
  const { layer } = steepest;
  return html`<div class="minor"><p class="eyebrow">Steepest layer</p><p class="figure">${
    layer.sigma === null ? "" : formatSigma(layer.sigma)
  }</p><p><bdi>${layer.name}</bdi> (${layer.operator}): ${
    layer.sigma?.upper === null
      ? "it can stretch a change of its input at least by the number after ≥."
      : "the most it can stretch a change of its input."
  }</p></div>`;
}

function promises(report: AuditReport): Markup {
  const { guarantee, failureProbability } = report.settings;
  const items = GUARANTEES.map((each) => {
    const own = each === guarantee;
    return html`<div${own ? html` class="own"` : null}><dt>${each}</dt><dd>${guaranteeSentence(each, own ? failureProbability : null)}</dd></div>`;
  });
  return html`<dl class="promises">${items}</dl>`;
}

function settings(report: AuditReport): Markup {
  const { seed, threads, version } = report.settings;
  const { tensors, parameters } = report.coverage;
  const problems = allProblems(report).length;
  const facts = [
    `lipschitz ${version}`,
    `seed ${seed}`,
    `${threads} ${threads === 1 ? "thread" : "threads"}`,
    `audited ${formatCount(tensors[0])} of ${formatCount(tensors[1])} tensors, ${coverageShare(parameters)} of the parameters`,
    problems === 0 ? "no problems" : `${problems} ${problems === 1 ? "problem" : "problems"}, listed below`,
  ];
  return html`<p class="fine">Bounds speak of the stored weights in real arithmetic, in the ℓ2 norm. ${facts.join(" · ")}.</p>`;
}
