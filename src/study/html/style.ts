import type { OwnStyle } from "../../audit/html/document.ts";
import { themed } from "../../audit/html/style.ts";
import { HUES } from "./palette.ts";

const variables = (hues: readonly string[]) => hues.map((hue, i) => `--arm-${i}:${hue}`).join(";");

const PAGE = `
${themed(variables(HUES.light), variables(HUES.dark))}
.opening{font-size:17px;line-height:1.5;max-width:72ch;margin-bottom:16px}
.findings{list-style:none;margin:0;padding:0}
.findings li{display:grid;grid-template-columns:8.5em minmax(0,1fr);gap:4px 20px;padding:12px 0;border-top:1px solid var(--line)}
.findings .verdict{font-weight:650}
.findings .holds{color:var(--reshaped)}
.findings .fails{color:var(--error)}
.findings .open,.findings .part{color:var(--warning)}
.findings p{max-width:78ch}
.findings .because{color:var(--muted)}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,var(--least,340px)),1fr));gap:20px 28px}
.plots:not([style]):is(:has(>:only-child),:has(>:nth-child(2):last-child),:has(>:nth-child(4):last-child)){--least:480px}
.plots h3{margin-bottom:6px}
.plots .note{color:var(--muted);font-size:13px}
figure{margin:0}
.cloud{width:100%;aspect-ratio:1;overflow:hidden;border:1px solid var(--line);border-radius:8px}
.gallery{display:grid;grid-template-columns:repeat(var(--columns),minmax(0,1fr));gap:2px}
.gallery img{display:block;width:100%;image-rendering:pixelated}
td.best{font-weight:650}
.guided:hover .hit{fill:transparent}
.guided:is(:hover,:focus-visible) .guide{opacity:1}
.swatches{display:grid;grid-template-columns:minmax(8em,auto) minmax(0,1fr);gap:6px 24px;font-size:14px;margin:0}
.swatches dt{font-weight:650;display:flex;align-items:center;gap:8px}
.swatches dd{margin:0;color:var(--muted)}
@media (max-width:600px){.findings li{grid-template-columns:minmax(0,1fr)}.swatches{grid-template-columns:minmax(0,1fr)}}
@media (prefers-reduced-motion:reduce),print{.cloud .film{animation:none!important}}
`;

const ARMS = HUES.light
  .map(
    (_, i) =>
      `.chart .line.arm-${i}{stroke:var(--arm-${i})}.chart .mark.arm-${i}{fill:var(--arm-${i});stroke:var(--arm-${i})}`,
  )
  .join("\n");

const CHART = `
.chart .line{fill:none;stroke-width:1;stroke-opacity:.35;stroke-linejoin:round}
.chart .line.mean{stroke-width:2.25;stroke-opacity:1}
.chart .line.dash{stroke-dasharray:7 4}
.chart .line.reference{stroke:var(--ink);stroke-width:1.5;stroke-opacity:1;stroke-dasharray:2 4}
.chart .mark{stroke-width:0;fill-opacity:.55}
.chart .mean-bar{stroke-width:3;fill:none}
.chart .guide{opacity:0;stroke:var(--strong);stroke-width:1}
.chart .target{fill:none;stroke:var(--ink);stroke-opacity:.5}
${ARMS}
`;

/** What a study's page has beyond the other reports. */
export const STUDY_STYLE: OwnStyle = { page: PAGE, chart: CHART };
