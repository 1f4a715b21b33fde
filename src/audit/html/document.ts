import { clientScript } from "./client/script.ts";
import type { PageData } from "./client/types.ts";
import { html, jsonForScript, type Markup, trusted } from "./markup.ts";
import { CHART_STYLE, PAGE_STYLE, THEME_STYLE } from "./style.ts";

/** Nothing may be fetched: styles, script and data are all in the document. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/** Rules of one kind of page, after those of all. */
export interface OwnStyle {
  readonly page: string;
  /** What its drawings need, in saved SVG files too. */
  readonly chart: string;
}

/** A page that stands alone: with its script it can be sorted and explored, without it it still tells everything. */
export function page(
  title: string,
  body: Markup,
  data: PageData,
  own: OwnStyle = { page: "", chart: "" },
): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${CONTENT_SECURITY_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${trusted(THEME_STYLE)}${trusted(PAGE_STYLE)}${trusted(own.page)}</style>
<style id="chart-style">${trusted(CHART_STYLE)}${trusted(own.chart)}</style>
</head>
<body>
${body}
<script type="application/json" id="data">${jsonForScript(data)}</script>
<script>${trusted(clientScript())}</script>
</body>
</html>
`.text;
}

/** The top of a page: what it is about, and the theme switch. */
export function pageHeader(eyebrow: string, title: string, facts: readonly string[]): Markup {
  return html`<header class="top"><div><p class="eyebrow">${eyebrow}</p><h1>${title}</h1><p class="sub">${facts.map(
    (fact) => html`<span>${fact}</span>`,
  )}</p></div><div class="controls"><button type="button" data-theme-switch>Theme</button></div></header>`;
}

/**
 * A section with a chart that can be saved.
 * @param more controls besides that.
 */
export function figureSection(
  id: string,
  title: string,
  lead: Markup | string,
  legend: Markup | null,
  drawing: Markup,
  more: Markup | null = null,
): Markup {
  return html`<section data-figure aria-labelledby="${id}-title"><div class="section-head"><h2 id="${id}-title">${title}</h2><div class="controls">${more}<button type="button" data-save-svg="${id}">Save SVG</button></div></div>
<p class="lead">${lead}</p>${legend}${drawing}</section>`;
}

/** A section with a sortable table: filter box, copy and CSV buttons. */
export function tableSection(id: string, title: string, lead: string, table: Markup): Markup {
  return html`<section aria-labelledby="${id}-title"><div class="section-head"><h2 id="${id}-title">${title}</h2><div class="controls"><output data-filter="${id}" aria-live="polite"></output><input type="search" data-filter="${id}" placeholder="Filter" aria-label="Filter rows"><button type="button" data-copy="${id}">Copy</button><button type="button" data-save-csv="${id}">Save CSV</button></div></div>
<p class="lead">${lead}</p>${table}</section>`;
}
