/** Okabe–Ito hues, which stay apart under every common colour blindness; shapes repeat what colours say. */
const LIGHT = {
  page: "#f6f7f8",
  panel: "#ffffff",
  ink: "#1b2127",
  muted: "#5b6670",
  line: "#dfe3e7",
  strong: "#8b96a0",
  hover: "#eef3f7",
  chosen: "#dcebf5",
  sigma: "#0072b2",
  frobenius: "#b36b00",
  reshaped: "#007a5a",
  error: "#b34500",
  warning: "#8a6100",
  focus: "#0072b2",
};

const DARK: typeof LIGHT = {
  page: "#12161a",
  panel: "#1a2026",
  ink: "#e6eaee",
  muted: "#9aa7b2",
  line: "#2c353d",
  strong: "#6b7884",
  hover: "#222b33",
  chosen: "#1d3a4f",
  sigma: "#56b4e9",
  frobenius: "#e69f00",
  reshaped: "#2fc598",
  error: "#ff8a4c",
  warning: "#f0e442",
  focus: "#56b4e9",
};

function variables(palette: typeof LIGHT): string {
  return Object.entries(palette)
    .map(([name, value]) => `--${name}:${value}`)
    .join(";");
}

/** Declarations of the root for light and for dark, in every case: system, button, paper. */
export function themed(light: string, dark: string): string {
  return `
:root{${light}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){${dark}}}
:root[data-theme=dark]{${dark}}
@media print{:root,:root[data-theme],:root:not([data-theme=light]){${light}}}
`;
}

/** The palette. */
export const THEME_STYLE = themed(
  `color-scheme:light;${variables(LIGHT)}`,
  `color-scheme:dark;${variables(DARK)}`,
);

/** What the drawings need; goes into saved SVG files as well. */
export const CHART_STYLE = `
.chart{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;font-variant-numeric:tabular-nums}
.chart text{fill:var(--ink)}
.chart .chart-title{font-size:15px;font-weight:600}
.chart .paper{fill:var(--panel)}
.chart .narrow{display:none}
.chart .tick{fill:var(--muted);font-size:11px}
.chart .note{fill:var(--muted);font-size:11px}
.chart .grid{stroke:var(--line);stroke-width:1}
.chart .one{stroke:var(--strong);stroke-dasharray:4 3}
.chart .hit{fill:transparent}
.chart .link{stroke:var(--line);stroke-width:2}
.chart .sigma{stroke:var(--sigma);stroke-width:8;stroke-linecap:round}
.chart .sigma.open{stroke-width:6}
.chart .arrow{fill:var(--sigma);font-size:16px;font-weight:700}
.chart .frobenius{stroke:var(--frobenius);stroke-width:2.5}
.chart .dashed{stroke-dasharray:6 4;stroke-width:1.5}
.chart .reshaped{stroke:var(--reshaped);stroke-width:2;fill:none}
.chart circle.reshaped{fill:var(--panel);fill-opacity:.9}
.chart .unknown{fill:var(--error);font-size:11px}
.chart .cascade{stroke:var(--sigma);stroke-width:2;stroke-linecap:square}
.chart .cascade-dot{fill:var(--panel);stroke:var(--sigma);stroke-width:2}
.chart .ball{fill:var(--sigma)}
.chart .seen{fill:var(--panel);stroke:var(--reshaped);stroke-width:2}
.chart .bar{fill:var(--reshaped)}
.chart line.spectrum{stroke:var(--sigma);stroke-width:1.5}
.chart circle.spectrum{fill:var(--sigma)}
.chart .layer{stroke:var(--sigma);stroke-width:2;stroke-opacity:.55}
.chart .network{fill:var(--panel);stroke:var(--frobenius);stroke-width:2.5}
.chart .factor{fill:var(--muted);font-size:11px}
.chart .end{font-weight:650;font-size:13px}
.chart .unknown,.chart .note,.chart .factor,.chart .end{paint-order:stroke;stroke:var(--panel);stroke-width:4px;stroke-linejoin:round}
.chart .band{fill:var(--sigma);fill-opacity:.18}
.chart .certified{fill:none;stroke:var(--sigma);stroke-width:2.5}
.chart .certified.sample{stroke-width:1.2}
.chart .attacked{fill:none;stroke:var(--frobenius);stroke-width:2.5}
.chart .clean{stroke:var(--strong);stroke-width:1.5;stroke-dasharray:6 4}
.chart .dot{fill:var(--panel)}
.chart .radii{fill:var(--sigma)}
.chart .middle{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:2 3}
`;

/** The page around the drawings. */
export const PAGE_STYLE = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;font-variant-numeric:tabular-nums}
main,header.top{max-width:1240px;margin:0 auto;padding:0 28px}
header.top{padding-top:36px;padding-bottom:8px;display:flex;gap:24px;align-items:flex-start;justify-content:space-between}
h1{font-size:26px;line-height:1.25;font-weight:650;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:17px;line-height:1.3;font-weight:650;margin:0}
h3{font-size:15px;font-weight:650;margin:0;overflow-wrap:anywhere}
p{margin:0}
bdi,.wrap{overflow-wrap:anywhere}
a{color:var(--sigma)}
.eyebrow{color:var(--muted);font-size:13px;letter-spacing:.02em;margin-bottom:4px}
.sub{color:var(--muted);margin-top:6px}
.sub span+span::before{content:" · "}
section{background:var(--panel);border:1px solid var(--line);border-radius:12px;padding:24px;margin:20px 0;min-width:0}
.section-head{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:baseline;justify-content:space-between;margin-bottom:4px}
.section-head h2{flex:1 1 8em}
section:has([data-panel-chart]:empty) .controls{display:none}
.lead{color:var(--muted);max-width:75ch;margin-bottom:16px}
.two{display:grid;grid-template-columns:minmax(0,1.65fr) minmax(0,1fr);gap:20px;margin:20px 0}
.two>section{margin:0}
.headline{display:grid;grid-template-columns:minmax(0,1.4fr) minmax(0,1fr);gap:20px 40px}
.figure{font-size:38px;line-height:1.15;font-weight:650;letter-spacing:-.02em;margin:4px 0 8px;overflow-wrap:anywhere}
.figure.none{font-size:26px}
.minor .figure{font-size:26px}
.reasons{margin:12px 0 0;padding:0;list-style:none}
.reasons li{padding:6px 0;border-top:1px solid var(--line)}
.reasons .op{font-weight:600}
details summary{cursor:pointer;margin-top:8px;color:var(--muted)}
dl{margin:0}
.promises{border-top:1px solid var(--line);margin-top:20px;padding-top:16px;display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:8px 28px;font-size:14px}
.promises dt{font-weight:650}
.promises dd{margin:2px 0 0;color:var(--muted)}
.promises .own dt::after{content:"this report";margin-left:8px;font-weight:600;font-size:12px;padding:1px 8px;border-radius:99px;border:1px solid var(--sigma);color:var(--sigma)}
.promises .own dd{color:var(--ink)}
.fact{color:var(--muted);font-size:14px;margin:8px 0 0}
.meaning{display:grid;grid-template-columns:minmax(8em,auto) minmax(0,1fr);gap:10px 24px;margin-top:12px;font-size:14px}
.meaning>div{display:contents}
.meaning dt{font-weight:650}
.meaning dd{margin:0;max-width:78ch;color:var(--muted)}
.fine{color:var(--muted);font-size:13px;margin-top:14px}
.callout{border-left:4px solid var(--warning);padding:12px 20px}
.callout.has-error{border-left-color:var(--error)}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;margin:0 0 8px;padding:0;font-size:13px;color:var(--muted)}
.legend li{display:flex;align-items:center;gap:6px}
.chart{display:block;overflow:visible;font-size:12px}
.chart .name{overflow:hidden}
.panel-scroll{max-height:520px;overflow-y:auto;overflow-x:hidden;scrollbar-gutter:stable;padding:0 4px}
.axis{position:sticky;top:0;background:var(--panel);z-index:1}
.js .row,.js .column[data-layer],.js #layers tr[data-row]{cursor:pointer}
.row:hover .hit{fill:var(--hover)}
.column:hover .hit{fill:var(--strong);fill-opacity:.18}
.row.chosen .hit{fill:var(--chosen)}
.row.chosen .name text{font-weight:650}
.column.chosen .hit{fill:var(--sigma);fill-opacity:.16}
.row:focus-visible .hit,.column:focus-visible .hit{stroke:var(--focus);stroke-width:2}
.frame{display:grid;grid-template-columns:46px minmax(0,1fr);gap:8px}
.facts{display:flex;flex-wrap:wrap;gap:10px 24px;margin:12px 0}
.facts dt{color:var(--muted);font-size:12px}
.facts dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.controls{display:none;flex-wrap:wrap;gap:8px;align-items:center}
.js .controls{display:flex}
button,input{font:inherit;font-size:13px;color:inherit;background:var(--panel);border:1px solid var(--line);border-radius:7px;padding:5px 12px;min-height:32px}
button{cursor:pointer;white-space:nowrap}
button:hover{background:var(--hover)}
input{width:15em;max-width:100%}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
.row:focus-visible,.column:focus-visible{outline:none}
output:empty{display:none}
output{color:var(--muted);font-size:13px}
.scroll-x{overflow:auto;max-height:640px;margin-top:12px;border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:13px;line-height:1.45}
th,td{padding:7px 8px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
tbody tr:last-child>*{border-bottom:0}
thead th{position:sticky;top:0;background:var(--panel);padding:4px 6px;white-space:nowrap;z-index:1}
thead button{border-color:transparent;background:none;font-weight:650;padding:4px 6px}
thead th[aria-sort=ascending] button::after{content:" ↑"}
thead th[aria-sort=descending] button::after{content:" ↓"}
tbody th{font-weight:500}
tbody th bdi{display:block;width:max-content;max-width:24em}
td{white-space:nowrap}
.number{text-align:right}
.weight{display:block;color:var(--muted);font-size:12px}
tbody tr:hover{background:var(--hover)}
tr.chosen{background:var(--chosen);box-shadow:inset 3px 0 var(--sigma)}
.problems{list-style:none;margin:12px 0 0;padding:0}
.problems li{display:grid;grid-template-columns:6.5em minmax(0,1fr);gap:2px 12px;padding:10px 0;border-top:1px solid var(--line)}
.problems .where{font-weight:600}
.problems .what{grid-column:2;color:var(--muted);overflow-wrap:anywhere}
.sign{font-weight:700}
.error{color:var(--error)}
.warning{color:var(--warning)}
.tip{position:fixed;z-index:9;max-width:min(420px,calc(100vw - 16px));background:var(--ink);color:var(--page);font-size:12.5px;line-height:1.4;padding:6px 10px;border-radius:6px;pointer-events:none;overflow-wrap:anywhere}
.tip[hidden]{display:none}
.visually-hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
footer{max-width:1240px;margin:0 auto;padding:8px 28px 48px;color:var(--muted);font-size:13px}
@media (max-width:960px){.two,.headline{grid-template-columns:minmax(0,1fr)}.promises{grid-template-columns:minmax(0,1fr)}}
@media (max-width:600px){.chart .factor,.chart .name .wide{display:none}.chart .name .narrow{display:inline}main,header.top,footer{padding-left:12px;padding-right:12px}header.top{padding-top:20px}section{padding:16px 14px;border-radius:10px}h1{font-size:21px}.figure{font-size:30px}.panel-scroll{max-height:380px;margin:0 -6px}.problems li{grid-template-columns:minmax(0,1fr)}.problems .what{grid-column:1}tbody th bdi{max-width:11em}.meaning{grid-template-columns:minmax(0,1fr);gap:2px}.meaning dd{margin-bottom:10px}}
@media (prefers-reduced-motion:no-preference){button,tbody tr{transition:background-color .12s}}
@media print{
@page{margin:14mm}
body{background:none;font-size:10.5pt}
main,header.top,footer{max-width:none;padding-left:0;padding-right:0}
section{border:0;border-top:1px solid var(--line);border-radius:0;padding:12px 0;margin:12px 0}
.two{display:block}
.two>section{margin:12px 0}
.js .controls,.controls,.tip{display:none}
.panel-scroll,.scroll-x{max-height:none;overflow:visible;border:0}
.axis,thead th{position:static}
.axis{break-after:avoid}
.number{white-space:nowrap}
svg,.frame,.problems li,tr,.figure,.promises>div{break-inside:avoid}
h2,.section-head,.lead,.legend{break-after:avoid}
table{font-size:7.5pt}
th,td{padding:3px 4px;white-space:normal}
tbody th bdi{width:auto}
thead button{padding:0;min-height:0;font-size:7.5pt}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;
