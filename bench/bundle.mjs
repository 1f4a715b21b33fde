import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

/**
 * An entry and all it imports, now or later, bundled and minified as a web page's bundler would.
 * @param {string} entry
 * @returns {Promise<{ bytes: number, gzip: number, lazyGzip: number, outside: string[] }>} `gzip` of all chunks;
 * `lazyGzip` is the part of it that only a dynamic import loads; `outside`: what a page cannot load, such as node:fs.
 */
export async function bundleSize(entry) {
  const bundle = await rolldown({ input: entry, platform: "browser", logLevel: "silent" });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  const chunks = output.map((chunk) => ({ ...chunk, name: chunk.fileName, gzip: gzipped(chunk.code) }));
  const byName = new Map(chunks.map((chunk) => [chunk.name, chunk]));
  const first = staticImports(chunks.find((chunk) => chunk.isEntry).name, byName);
  const sum = (of) => of.reduce((total, chunk) => total + chunk.gzip, 0);
  return {
    bytes: chunks.reduce((total, chunk) => total + Buffer.byteLength(chunk.code), 0),
    gzip: sum(chunks),
    lazyGzip: sum(chunks.filter((chunk) => !first.has(chunk.name))),
    outside: chunks.flatMap((chunk) => [
      ...[...chunk.imports, ...chunk.dynamicImports].filter((name) => !byName.has(name)),
      ...(/\brequire\(/.exec(chunk.code) ?? []),
    ]),
  };
}

/**
 * What a page loads to compute: `lipschitz/core` and its worker, each with all it imports. They are counted as two
 * bundles without a common part, which is the most that any bundler makes of them.
 * @param {string} dist the built package's folder
 */
export async function coreSize(dist) {
  const core = await bundleSize(`${dist}/core.js`);
  const worker = await bundleSize(`${dist}/worker.js`);
  return { bytes: core.bytes + worker.bytes, gzip: core.gzip + worker.gzip, core, worker };
}

/** @param {string} code */
function gzipped(code) {
  return gzipSync(code, { level: 9 }).byteLength;
}

function staticImports(name, byName, found = new Set()) {
  if (found.has(name) || !byName.has(name)) return found;
  found.add(name);
  for (const next of byName.get(name).imports) staticImports(next, byName, found);
  return found;
}
