/** A Python literal as data. Tuples and lists both become arrays; dicts become Maps with string keys. */
export type PythonValue =
  | string
  | number
  | boolean
  | null
  | readonly PythonValue[]
  | ReadonlyMap<string, PythonValue>;

/** Structured dtypes nest a little; more is an attack on the stack. */
const MAX_DEPTH = 16;

const TOKEN =
  /\s*(?:([()[\]{},:])|(-?\d+)L?(?![\w.])|(True|False|None)\b|[bu]?'((?:[^'\\\n]|\\.)*)'|[bu]?"((?:[^"\\\n]|\\.)*)")/y;

/**
 * Parses the literal in a NumPy header: dicts, tuples, lists, strings, whole numbers, True, False, None. Nothing is
 * evaluated. Returns undefined when the text is anything else (NumPy itself writes nothing else).
 */
export function parsePythonLiteral(text: string): PythonValue | undefined {
  const tokens = tokenize(text);
  if (tokens === null) return undefined;
  const state = { tokens, at: 0 };
  const value = readValue(state, 0);
  return state.at === tokens.length ? value : undefined;
}

type Token = { readonly mark: string } | { readonly value: string | number | boolean | null };

interface State {
  readonly tokens: readonly Token[];
  at: number;
}

function tokenize(text: string): Token[] | null {
  const tokens: Token[] = [];
  const body = text.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < body.length) {
    const found = TOKEN.exec(body);
    if (found === null) return null;
    const [, mark, number, word, single, double] = found;
    if (mark !== undefined) tokens.push({ mark });
    else if (number !== undefined) tokens.push({ value: Number(number) });
    else if (word !== undefined) tokens.push({ value: word === "None" ? null : word === "True" });
    else tokens.push({ value: (single ?? double).replace(/\\(.)/g, "$1") });
  }
  return tokens;
}

function takes(state: State, mark: string): boolean {
  const token = state.tokens[state.at];
  if (token === undefined || !("mark" in token) || token.mark !== mark) return false;
  state.at++;
  return true;
}

/** The value at the state's place, or undefined when there is none. */
function readValue(state: State, depth: number): PythonValue | undefined {
  if (depth > MAX_DEPTH) return undefined;
  if (takes(state, "(")) return readItems(state, ")", depth);
  if (takes(state, "[")) return readItems(state, "]", depth);
  if (takes(state, "{")) return readDict(state, depth);
  const token = state.tokens[state.at];
  if (token === undefined || !("value" in token)) return undefined;
  state.at++;
  return token.value;
}

function readItems(state: State, close: string, depth: number): PythonValue | undefined {
  const items: PythonValue[] = [];
  while (!takes(state, close)) {
    if (items.length > 0 && !takes(state, ",")) return undefined;
    if (items.length > 0 && takes(state, close)) break;
    const item = readValue(state, depth + 1);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

function readDict(state: State, depth: number): PythonValue | undefined {
  const members = new Map<string, PythonValue>();
  while (!takes(state, "}")) {
    if (members.size > 0 && !takes(state, ",")) return undefined;
    if (members.size > 0 && takes(state, "}")) break;
    const key = readValue(state, depth + 1);
    if (typeof key !== "string" || members.has(key) || !takes(state, ":")) return undefined;
    const value = readValue(state, depth + 1);
    if (value === undefined) return undefined;
    members.set(key, value);
  }
  return members;
}
