import { drawSpectrum } from "../charts/spectrum.ts";
import { download } from "./download.ts";
import { chooseLayers } from "./layers.ts";
import { saveCharts } from "./save-charts.ts";
import { saveTables } from "./save-tables.ts";
import { switchScales } from "./scales.ts";
import { sortAndFilter } from "./tables.ts";
import { switchTheme } from "./theme.ts";
import { showTips } from "./tips.ts";

/**
 * The page's script: the source of functions that are type-checked here and run there. Each of them is
 * self-contained, so a bundler may rename what it likes.
 */
export function clientScript(): string {
  return `(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
(${switchTheme})();
(${showTips})();
(${switchScales})();
(${sortAndFilter})(data);
(${chooseLayers})(data, ${drawSpectrum});
const download = ${download};
(${saveCharts})(data, download);
(${saveTables})(data, download);
})();`;
}
