import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

/**
 * Size of an entry and all it imports, bundled and minified as an application's bundler would.
 * @param {string} entry
 * @returns {Promise<{ bytes: number, gzip: number }>}
 */
export async function bundleSize(entry) {
  const bundle = await rolldown({ input: entry, platform: "browser", logLevel: "silent" });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  const code = output.map((part) => (part.type === "chunk" ? part.code : part.source));
  return {
    bytes: code.reduce((sum, part) => sum + Buffer.byteLength(part), 0),
    gzip: code.reduce((sum, part) => sum + gzipSync(part, { level: 9 }).byteLength, 0),
  };
}
