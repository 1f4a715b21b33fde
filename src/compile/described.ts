/** What a value is, for messages: "undefined", "a string", "an Int8Array". */
export function described(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return withArticle(typeof value);
  return withArticle(value.constructor?.name ?? "object without a prototype");
}

export function withArticle(noun: string): string {
  return `${/^[aeio]/i.test(noun) ? "an" : "a"} ${noun}`;
}
