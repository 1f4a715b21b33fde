import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts", worker: "src/linalg/worker.ts", cli: "src/cli/main.ts" },
  format: "esm",
  platform: "neutral",
  target: "es2022",
  dts: { eager: true },
  clean: true,
  fixedExtension: false,
});
