/** Wide characters (East Asian, emoji) take two terminal cells, combining marks none. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const COMBINING = /\p{M}/u;

function cells(character: string): number {
  if (WIDE.test(character)) return 2;
  return COMBINING.test(character) ? 0 : 1;
}

/** Terminal cells that printable text takes. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += cells(character);
  return width;
}

/** As much of the text's start (or end) as fits in `width` cells. */
function take(characters: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let left = width;
  for (const character of characters) {
    left -= cells(character);
    if (left < 0) break;
    taken.push(character);
  }
  return taken;
}

/** Shortens to at most `width` cells, in the middle, where layer names differ least. */
export function fitMiddle(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width < 1) return "";
  const characters = Array.from(text);
  const head = take(characters, Math.floor((width - 1) * 0.4));
  const tail = take(characters.toReversed(), width - 1 - textWidth(head.join("")));
  return `${head.join("")}…${tail.toReversed().join("")}`;
}

/** Fills up to `width` cells with spaces, after the text or, aligned right, before it. */
export function pad(text: string, width: number, align: "left" | "right"): string {
  const space = " ".repeat(Math.max(0, width - textWidth(text)));
  return align === "left" ? text + space : space + text;
}

/** Breaks text at spaces (within a word only where it alone is too long) into lines of at most `width` cells. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (textWidth(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== "") lines.push(line);
    let rest = Array.from(word);
    while (textWidth(rest.join("")) > width) {
      const part = take(rest, Math.max(2, width));
      lines.push(part.join(""));
      rest = rest.slice(part.length);
    }
    line = rest.join("");
  }
  return line === "" ? lines : [...lines, line];
}
