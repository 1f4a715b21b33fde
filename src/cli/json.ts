/** One JSON document, indented; a number that JSON cannot hold (NaN, infinity) becomes null. */
export function jsonDocument(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
