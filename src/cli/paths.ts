import { type Dirent, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../audit/errors.ts";
import { globMatcher, hasGlobCharacters } from "../audit/glob.ts";

/** Folders deeper than this are not searched for `**`: a loop of links would never end. */
const MAX_DEPTH = 32;

/**
 * The files that arguments name: paths as they are, patterns (where the shell did not expand them) by what they
 * match, sorted. The same path twice counts once.
 * @throws UsageError when a pattern matches nothing.
 */
export function expandPaths(patterns: readonly string[]): string[] {
  return [...new Set(patterns.flatMap(expand))];
}

function expand(pattern: string): string[] {
  if (!hasGlobCharacters(pattern) || existsSync(pattern)) return [pattern];
  const normal = pattern.replaceAll("\\", "/");
  const segments = normal.split("/");
  const fixed = segments.findIndex(hasGlobCharacters);
  // A brace may hold slashes; then everything after it is one pattern anyway.
  const root = segments.slice(0, fixed).join("/") || (normal.startsWith("/") ? "/" : "");
  const matches = globMatcher(normal, { separator: "/" });
  const depth = normal.includes("**") || /\{[^}]*\//.test(normal) ? MAX_DEPTH : segments.length - fixed;
  const found = filesUnder(root, depth).filter(matches).sort();
  if (found.length > 0) return found;
  throw new UsageError(`no file matches '${pattern}'`);
}

/** Paths of files at most `depth` levels under a folder, as the pattern would write them; hidden ones left out. */
function filesUnder(folder: string, depth: number): string[] {
  if (depth === 0) return [];
  return entriesOf(folder || ".").flatMap((entry) => {
    if (entry.name.startsWith(".")) return [];
    const path = folder === "" ? entry.name : join(folder, entry.name).replaceAll("\\", "/");
    return entry.isDirectory() ? filesUnder(path, depth - 1) : [path];
  });
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
