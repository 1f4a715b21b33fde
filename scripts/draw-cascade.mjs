// Draws docs/images/cascade.svg: how the gains of 20 layers multiply. Mid-tone colours (after Okabe & Ito, safe for
// colour-blind readers) on a transparent ground, so that one file suits light and dark pages.
import { writeFileSync } from "node:fs";

const LAYERS = 20;
const SERIES = [
  { sigma: 1.5, color: "#d55e00" },
  { sigma: 1.1, color: "#b5669b" },
  { sigma: 1.0, color: "#6e7781" },
  { sigma: 0.9, color: "#1f83c4" },
];
const DECADES = { from: -1, to: 4 };

const WIDTH = 760;
const HEIGHT = 330;
const LEFT = 62;
const RIGHT = 186;
const TOP = 34;
const BOTTOM = 46;
const INK = "#6e7781";

const x = (layer) => LEFT + ((WIDTH - LEFT - RIGHT) * layer) / LAYERS;
const y = (value) =>
  TOP + ((HEIGHT - TOP - BOTTOM) * (DECADES.to - Math.log10(value))) / (DECADES.to - DECADES.from);
const round = (number) => Number(number.toFixed(1));

function text(content, at, { anchor = "start", color = INK, weight = "normal" } = {}) {
  return `<text x="${round(at.x)}" y="${round(at.y)}" text-anchor="${anchor}" fill="${color}" font-weight="${weight}">${content}</text>`;
}

function line(from, to, width) {
  return `<path d="M${round(from.x)} ${round(from.y)}L${round(to.x)} ${round(to.y)}" stroke="${INK}" stroke-width="${width}" stroke-opacity="0.45"/>`;
}

function decade(exponent) {
  const value = 10 ** exponent;
  const label = value.toLocaleString("en-US");
  return [
    line({ x: LEFT, y: y(value) }, { x: WIDTH - RIGHT, y: y(value) }, exponent === 0 ? 1.5 : 0.75),
    text(label, { x: LEFT - 8, y: y(value) + 4 }, { anchor: "end" }),
  ].join("\n");
}

function layerTick(layer) {
  return text(String(layer), { x: x(layer), y: HEIGHT - BOTTOM + 20 }, { anchor: "middle" });
}

function series({ sigma, color }) {
  const values = Array.from({ length: LAYERS + 1 }, (_, layer) => sigma ** layer);
  const points = values.map((value, layer) => `${round(x(layer))} ${round(y(value))}`);
  const end = values[LAYERS];
  const dots = values.map(
    (value, layer) => `<circle cx="${round(x(layer))}" cy="${round(y(value))}" r="2.6"/>`,
  );
  const label = `σ = ${sigma.toFixed(1)}: × ${end >= 100 ? Math.round(end) : Number(end.toPrecision(3))}`;
  return [
    `<g fill="${color}"><path d="M${points.join("L")}" fill="none" stroke="${color}" stroke-width="2"/>${dots.join("")}</g>`,
    text(label, { x: x(LAYERS) + 12, y: y(end) + 4 }, { color, weight: "bold" }),
  ].join("\n");
}

const exponents = Array.from({ length: DECADES.to - DECADES.from + 1 }, (_, i) => DECADES.from + i);
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="13">
<title id="title">Products of layer gains over ${LAYERS} layers</title>
<desc id="desc">Log axis. After ${LAYERS} layers with spectral norm 1.5 each, a change of the input may have grown ${Math.round(1.5 ** LAYERS)}-fold; at 1.0 it cannot grow; at 0.9 it has shrunk to ${(0.9 ** LAYERS).toPrecision(3)}.</desc>
${text("largest possible gain from the input to layer n (log axis)", { x: LEFT, y: 18 })}
${exponents.map(decade).join("\n")}
${[0, 5, 10, 15, 20].map(layerTick).join("\n")}
${text("layer n, every layer with the same spectral norm σ", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6 }, { anchor: "middle" })}
${SERIES.map(series).join("\n")}
</svg>
`;
writeFileSync(new URL("../docs/images/cascade.svg", import.meta.url), svg);
