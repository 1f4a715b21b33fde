/**
 * Text from a file made safe to show: control characters (which could drive a terminal), line breaks, direction
 * overrides (which could disguise a name) and lone surrogates appear as escapes such as `\x1b`.
 */
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Shortens in the middle, where layer names differ least: `model.lay…q_proj.weight`. */
export function shortenMiddle(text: string, length: number): string {
  const characters = Array.from(text);
  if (characters.length <= length) return text;
  if (length <= 1) return "…".slice(0, length);
  const head = Math.floor((length - 1) * 0.4);
  const tail = length - 1 - head;
  return `${characters.slice(0, head).join("")}…${characters.slice(characters.length - tail).join("")}`;
}
