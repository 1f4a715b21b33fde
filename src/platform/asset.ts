import { FormatError } from "../formats/errors.ts";
import { builtin, hasBuiltins } from "./builtin.ts";

/**
 * The bytes of a data file that the build puts beside the built modules, also when the sources run unbuilt.
 * @throws FormatError when the file is not there: the package is not built, or not all of it is served.
 */
export async function readAsset(name: string): Promise<Uint8Array> {
  const unbuilt = import.meta.url.endsWith(".ts") ? "../../dist/" : "./";
  const url = new URL(`${unbuilt}${name}`, import.meta.url);
  try {
    return url.protocol === "file:" && hasBuiltins() ? await readLocal(url) : await fetched(url);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("not-found", `cannot be read: ${why}`, {
      file: name,
      hint: "It comes with the built package: run `npm run bundle` in a source tree, or serve it beside the modules.",
    });
  }
}

function readLocal(url: URL): Promise<Uint8Array> {
  return builtin("node:fs/promises").readFile(url);
}

async function fetched(url: URL): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}
