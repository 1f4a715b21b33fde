import { formatNumber } from "../../audit/format-number.ts";
import { html, type Markup } from "../../audit/html/markup.ts";
import { armTitle, bestOf, rowTitle, summaryOf, summaryText } from "../cells.ts";
import type { CellReport, StudyReport, SweepReport } from "../schema.ts";
import type { Experiment, Study } from "../study.ts";

/** Mean ± standard deviation of every arm; the best of each variant in bold. */
export function experimentTable(study: Study, cells: readonly CellReport[], experiment: Experiment): Markup {
  const heads = experiment.metrics.map(({ title }) => html`<th scope="col" class="number">${title}</th>`);
  const rows = cells.map((cell) => {
    const peers = cells.filter(({ variant }) => variant === cell.variant);
    const values = experiment.metrics.map((column) => {
      const best = bestOf(peers, column);
      const isBest = best !== null && summaryOf(cell, column)?.mean === best;
      return html`<td class="${isBest ? "number best" : "number"}">${summaryText(cell, column)}</td>`;
    });
    const rate = cell.learningRate === null ? "–" : formatNumber(cell.learningRate, 2);
    return html`<tr><th scope="row">${rowTitle(study, cell)}</th>${values}<td class="number">${rate}</td><td class="number">${cell.runs.length}</td></tr>`;
  });
  return scrolling(
    `${experiment.title}: mean and standard deviation`,
    html`<th scope="col">Arm</th>${heads}<th scope="col" class="number">Rate</th><th scope="col" class="number">Seeds</th>`,
    rows,
  );
}

/** How every learning rate was chosen. */
export function sweepTable(study: Study, sweeps: readonly SweepReport[]): Markup {
  const rows = sweeps.map((sweep) => {
    const tried = sweep.rates.map(({ learningRate, score }) => {
      const text = `${formatNumber(learningRate, 2)}: ${score === null ? "diverged" : formatNumber(score, 3)}`;
      return learningRate === sweep.chosen ? html`<b>${text}</b> ` : html`${text} `;
    });
    return html`<tr><th scope="row">${sweep.tuning}</th><td>${armTitle(study, sweep.arm)}</td><td>${sweep.score}, ${sweep.better} is better</td><td>${tried}</td></tr>`;
  });
  return scrolling(
    "Learning rates",
    html`<th scope="col">Sweep</th><th scope="col">Arm</th><th scope="col">Chosen by</th><th scope="col">Rate: score</th>`,
    rows,
  );
}

/** What others published. */
export function publishedTable({ published }: StudyReport): Markup {
  const rows = published.map(({ name, metrics, source }) => {
    const values = Object.entries(metrics).map(([key, value]) => `${key} ${value}`);
    return html`<tr><th scope="row">${name}</th><td>${values.join(" · ")}</td><td class="wrapped">${source}</td></tr>`;
  });
  return scrolling(
    "Published results",
    html`<th scope="col">What</th><th scope="col">Numbers</th><th scope="col">Where, and what differs</th>`,
    rows,
  );
}

function scrolling(caption: string, heads: Markup, rows: readonly Markup[]): Markup {
  return html`<div class="scroll-x" tabindex="0" role="region" aria-label="${caption}"><table><caption class="visually-hidden">${caption}</caption><thead><tr>${heads}</tr></thead><tbody>${rows}</tbody></table></div>`;
}
