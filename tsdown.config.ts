import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    core: "src/core.ts",
    compile: "src/compile.ts",
    train: "src/train.ts",
    worker: "src/linalg/worker.ts",
    cli: "src/cli/main.ts",
    "study-worker": "src/cli/study-worker.ts",
  },
  format: "esm",
  // Only the command line imports node: modules; all other entries hold none and load in browsers. Peer dependencies stay outside.
  platform: "node",
  target: "es2022",
  dts: { eager: true, entry: ["src/index.ts", "src/core.ts", "src/compile.ts", "src/train.ts"] },
  clean: true,
  fixedExtension: false,
  // Its dearest plugin is the one that writes declarations; saying so at every build helps nobody.
  inputOptions: { checks: { pluginTimings: false } },
});
