import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts", worker: "src/linalg/worker.ts", cli: "src/cli/main.ts" },
  format: "esm",
  // Only the command line imports node: modules; index.js and worker.js hold none and load in browsers.
  platform: "node",
  target: "es2022",
  dts: { eager: true },
  clean: true,
  fixedExtension: false,
});
