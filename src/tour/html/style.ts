import type { OwnStyle } from "../../audit/html/document.ts";
import { themed } from "../../audit/html/style.ts";

/**
 * A hue per network, from the palette of all reports. Digits are stored white on black and turned round where the page
 * is light, with their frame: its colour there is the opposite of a line's. Changes are brightened on dark pages.
 */
const THEME = `
:root{--plain:var(--frobenius);--spectral:var(--sigma);--orthonormal:var(--reshaped)}
${themed("--ink-filter:invert(1);--ink-line:#201c18;--change-filter:none", "--ink-filter:none;--ink-line:var(--line);--change-filter:brightness(1.5)")}`;

const PAGE = `
${THEME}
.arm{display:inline-flex;align-items:center;gap:7px;font-weight:650}
.arm svg,.legend svg{flex:none}
.opening{font-size:17px;line-height:1.5;max-width:70ch;margin-bottom:20px}
.trio{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:20px 32px}
.trio h3{font-size:16px}
.card{border-top:3px solid var(--plain);padding-top:14px}
.card.spectral{border-color:var(--spectral)}
.card.orthonormal{border-color:var(--orthonormal)}
.cards{grid-template-rows:repeat(5,auto);row-gap:0}
.panels{grid-template-rows:auto auto;row-gap:0}
.panels>div{display:grid;grid-row:span 2;grid-template-rows:subgrid;align-content:start}
.card{display:grid;grid-row:span 5;grid-template-rows:subgrid;align-content:start;margin-bottom:20px}
.card .recipe{color:var(--muted);font-size:14px}
.card .figure{font-size:32px;margin:6px 0 0}
.card .unit{color:var(--muted);font-size:13px;margin-bottom:14px}
.shares{font-size:14px}
.shares>div{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:2px 12px;padding:5px 0}
.shares dd{font-weight:650}
.shares .gauge{grid-column:1/-1}
.gauge{display:block}
.below{margin-top:20px}
.chart-name{align-content:start;display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:0 12px;margin-bottom:6px}
.chart-name .ends{color:var(--muted);font-size:13px}
.choice{display:inline-flex}
.choice button{border-radius:0}
.choice button:first-child{border-radius:7px 0 0 7px}
.choice button:last-child{border-radius:0 7px 7px 0;margin-left:-1px}
.choice button[aria-pressed=true]{background:var(--chosen);font-weight:650}
.guided:hover .hit{fill:transparent}
.guided:is(:hover,:focus-visible) .guide{opacity:1}
.chart .mean{stroke-width:2.25}
.flow{list-style:none;display:flex;flex-wrap:wrap;gap:8px 0;margin:0 0 20px;padding:0;font-size:14px}
.flow li{display:flex;align-items:center}
.flow sub{font-size:.75em;line-height:0}
.flow b{display:block;font-size:16px}
.flow .layer-box{border:1px solid var(--line);border-radius:8px;padding:6px 14px;background:var(--page)}
.flow .arrow{padding:0 10px;color:var(--muted);white-space:nowrap}
.digits{list-style:none;margin:0;padding:0}
.digits>li{display:grid;grid-template-columns:84px repeat(3,minmax(0,1fr));gap:16px 28px;padding:18px 0;border-top:1px solid var(--line);align-items:start}
.digits .original{font-size:13px;color:var(--muted);line-height:1.35}
.digits .original b{color:var(--ink);font-weight:650}
figure{margin:0}
.turned{min-width:0;display:grid;grid-template-columns:auto minmax(0,1fr);gap:8px 14px;align-items:start}
.turned .pair{display:flex;gap:6px}
.turned .says{font-size:13px;color:var(--muted);line-height:1.4}
.turned .sees{display:block;color:var(--ink);font-size:15px;font-weight:650;white-space:nowrap}
.turned .ruler{grid-column:1/-1}
.picture{display:block;width:84px;height:84px;image-rendering:pixelated;border-radius:6px;box-shadow:0 0 0 1px var(--line)}
.picture.change,.swatch{filter:var(--change-filter)}
.picture.ink{filter:var(--ink-filter);box-shadow:0 0 0 1px var(--ink-line)}
.original .picture{margin-bottom:6px}
.picture.none{display:grid;place-items:center;color:var(--muted);font-size:13px;text-align:center;line-height:1.2}
.swatch{display:inline-block;width:12px;height:12px;border-radius:3px;flex:none}
.swatch.more{background:rgb(222 52 70)}
.swatch.less{background:rgb(64 98 235)}
.commands{display:grid;grid-template-columns:minmax(0,1fr);gap:14px;margin-top:12px}
.commands p{color:var(--muted);font-size:14px;margin-bottom:4px}
pre{margin:0;padding:10px 14px;background:var(--page);border:1px solid var(--line);border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
code{user-select:all;-webkit-user-select:all}
@media (max-width:1080px){.card .figure{font-size:24px}.shares{font-size:13px}}
@media (max-width:960px){.digits>li{grid-template-columns:72px repeat(3,minmax(0,1fr));gap:12px 16px}.turned{grid-template-columns:minmax(0,1fr)}.picture{width:72px;height:72px}}
@media (max-width:700px){.digits>li{grid-template-columns:minmax(0,1fr)}.digits .original{display:flex;gap:14px;align-items:center}.original .picture{margin:0}.turned{grid-template-columns:auto minmax(0,1fr)}}
@media (max-width:820px){.card .figure{font-size:30px}.shares{font-size:14px}.trio{grid-template-columns:minmax(0,1fr)}}
@media (max-width:600px){.opening{font-size:16px}}
@media print{.card .figure{font-size:19px}.shares{font-size:12px}thead th,thead button{white-space:normal}thead .number button{text-align:right}.trio{grid-template-columns:repeat(3,minmax(0,1fr))}.digits>li{grid-template-columns:60px repeat(3,minmax(0,1fr));gap:8px 14px;break-inside:avoid}.digits .original{display:block}.turned{grid-template-columns:minmax(0,1fr)}.picture{width:56px;height:56px}.card,.commands>div{break-inside:avoid}.choice{display:none}}
`;

const CHART = `
.chart .line{fill:none;stroke-width:2.25;stroke-linejoin:round}
.chart .raw{stroke-width:1;stroke-opacity:.4}
.chart .thin{stroke-width:1}
.chart .dash{stroke-dasharray:7 4}
.chart .dots{stroke-dasharray:1.5 4;stroke-linecap:round}
.chart .line.plain{stroke:var(--plain)}
.chart .line.spectral{stroke:var(--spectral)}
.chart .line.orthonormal{stroke:var(--orthonormal)}
.chart .gap{stroke:none;fill-opacity:.1}
.chart .gap.plain,.chart .mark.plain,.chart .sure.plain{fill:var(--plain)}
.chart .gap.spectral,.chart .mark.spectral,.chart .sure.spectral{fill:var(--spectral)}
.chart .gap.orthonormal,.chart .mark.orthonormal,.chart .sure.orthonormal{fill:var(--orthonormal)}
.chart .mark{stroke:var(--panel);stroke-width:1.5}
.chart .mark.hollow{fill:var(--panel);stroke-width:2}
.chart .mark.hollow.plain{stroke:var(--plain)}
.chart .mark.hollow.spectral{stroke:var(--spectral)}
.chart .mark.hollow.orthonormal{stroke:var(--orthonormal)}
.chart .direct{font-weight:650;font-size:12px;paint-order:stroke;stroke:var(--panel);stroke-width:4px;stroke-linejoin:round}
.chart .key-line{stroke:var(--ink);stroke-width:2.25}
.chart .key-line.thin{stroke-width:1}
.chart .guide{opacity:0;stroke:var(--strong);stroke-width:1}
.chart .tried{stroke:var(--strong);stroke-width:1;stroke-dasharray:2 3}
.chart .track{fill:var(--line)}
.chart .open{stroke-width:2;stroke-dasharray:3 3}
.chart.plot.plain .cascade,.chart.plot.plain .cascade-dot,.chart .open.plain{stroke:var(--plain)}
.chart.plot.spectral .cascade,.chart.plot.spectral .cascade-dot,.chart .open.spectral{stroke:var(--spectral)}
.chart.plot.orthonormal .cascade,.chart.plot.orthonormal .cascade-dot,.chart .open.orthonormal{stroke:var(--orthonormal)}
`;

/** What this page has beyond the other reports. */
export const TOUR_STYLE: OwnStyle = { page: PAGE, chart: CHART };
