/** JSON as untrusted data: objects are Maps, so no key can reach a prototype. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** Nesting beyond this is an attack on the stack, not a header. */
const MAX_DEPTH = 64;

/** A tensor takes about ten values; this is 400,000 tensors, and bounds the memory that a header can take. */
const MAX_VALUES = 4_000_000;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS: readonly (readonly [string, JsonValue])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/** What is wrong with a JSON text, and at which character. */
export class JsonProblem extends Error {
  readonly at: number;

  constructor(what: string, at: number) {
    super(what);
    this.at = at;
  }
}

/**
 * Parses strict JSON, unlike `JSON.parse` refusing repeated keys (it keeps the last one silently).
 * @throws JsonProblem with the character position.
 */
export function parseJson(text: string): JsonValue {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  readonly #text: string;
  #at = 0;
  #values = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonValue {
    this.#match(SPACE);
    if (depth > MAX_DEPTH) this.#fail(`nested deeper than ${MAX_DEPTH} levels`);
    if (++this.#values > MAX_VALUES) this.#fail(`it holds more than ${MAX_VALUES} values`);
    const c = this.#text[this.#at];
    if (c === "{") return this.#object(depth);
    if (c === "[") return this.#array(depth);
    if (c === '"') return this.#string();
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    const number = this.#match(NUMBER);
    if (number === null) return this.#fail(`expected a value, got ${this.#here()}`);
    return Number(number);
  }

  end(): void {
    this.#match(SPACE);
    if (this.#at < this.#text.length) this.#fail(`expected the end, got ${this.#here()}`);
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, JsonValue>();
    this.#at++;
    if (this.#takes("}")) return members;
    do {
      this.#match(SPACE);
      const at = this.#at;
      const key = this.#string();
      if (members.has(key)) this.#fail(`the key ${JSON.stringify(key.slice(0, 200))} appears twice`, at);
      if (!this.#takes(":")) this.#fail(`expected ":", got ${this.#here()}`);
      members.set(key, this.value(depth + 1));
    } while (this.#takes(","));
    if (!this.#takes("}")) this.#fail(`expected "," or "}", got ${this.#here()}`);
    return members;
  }

  #array(depth: number): readonly JsonValue[] {
    const items: JsonValue[] = [];
    this.#at++;
    if (this.#takes("]")) return items;
    do items.push(this.value(depth + 1));
    while (this.#takes(","));
    if (!this.#takes("]")) this.#fail(`expected "," or "]", got ${this.#here()}`);
    return items;
  }

  #string(): string {
    const text = this.#text;
    if (text[this.#at] !== '"') this.#fail(`expected a string, got ${this.#here()}`);
    let end = this.#at + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
    if (end >= text.length) this.#fail("a string does not end");
    const quoted = text.slice(this.#at, end + 1);
    try {
      const value = JSON.parse(quoted) as string;
      this.#at = end + 1;
      return value;
    } catch {
      return this.#fail("a string holds a control character or a bad escape");
    }
  }

  #takes(punctuation: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== punctuation) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return null;
    this.#at += found[0].length;
    return found[0];
  }

  #here(): string {
    const c = this.#text[this.#at];
    return c === undefined ? "the end" : JSON.stringify(c);
  }

  #fail(what: string, at: number = this.#at): never {
    throw new JsonProblem(what, at);
  }
}
