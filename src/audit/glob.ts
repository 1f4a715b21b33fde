/** Where a `*` stops: file paths at "/", names of layers and tensors nowhere (they mix "." and "/"). */
export interface GlobOptions {
  readonly separator?: "/" | undefined;
}

const SPECIAL = /[\\^$.*+?()[\]{}|/]/g;

/**
 * A test for names against a shell pattern: `*` any run (within a path segment when a separator is given), `**` any
 * run across segments, `?` one character, `{a,b}` alternatives, `\` before a character to take it literally. The
 * whole name must match.
 */
export function globMatcher(pattern: string, options: GlobOptions = {}): (name: string) => boolean {
  const expression = new RegExp(`^(?:${translate(pattern, options.separator)})$`, "su");
  return (name) => expression.test(name);
}

/** True when the text holds a character that `globMatcher` would treat as a pattern. */
export function hasGlobCharacters(text: string): boolean {
  return /[*?{}]/.test(text);
}

function translate(pattern: string, separator: "/" | undefined): string {
  const anyRun = separator === undefined ? ".*" : "[^/]*";
  const anyOne = separator === undefined ? "." : "[^/]";
  const closes = matchingBraces(pattern);
  let depth = 0;
  let out = "";
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (c === "\\" && i + 1 < pattern.length) {
      i += 1;
      out += literal(pattern[i]!);
    } else if (c === "*" && pattern[i + 1] === "*") {
      const wholeSegment = separator !== undefined && pattern[i + 2] === "/";
      i += wholeSegment ? 2 : 1;
      out += wholeSegment ? "(?:.*/)?" : ".*";
    } else if (c === "*") out += anyRun;
    else if (c === "?") out += anyOne;
    else if (c === "{" && closes.has(i)) {
      depth += 1;
      out += "(?:";
    } else if (c === "}" && depth > 0) {
      depth -= 1;
      out += ")";
    } else if (c === "," && depth > 0) out += "|";
    else out += literal(c);
  }
  return out;
}

/** Positions of the "{" that have a "}" to close them; the others are literal. */
function matchingBraces(pattern: string): ReadonlySet<number> {
  const closed = new Set<number>();
  const open: number[] = [];
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === "\\") i += 1;
    else if (pattern[i] === "{") open.push(i);
    else if (pattern[i] === "}" && open.length > 0) closed.add(open.pop()!);
  }
  return closed;
}

function literal(text: string): string {
  return text.replace(SPECIAL, "\\$&");
}
