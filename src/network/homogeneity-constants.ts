import { isFloatType } from "../formats/dtype.ts";
import type { TensorEntry } from "../formats/model.ts";
import type { Scope } from "./scope.ts";
import { knownContents } from "./shapes/value.ts";

/**
 * The stored numbers behind a constant. Those of `moved` are the constant's own, at most moved or repeated, so that
 * multiplying them multiplies it; `because` says why that cannot be done otherwise.
 */
export type Sources =
  | { readonly moved: readonly TensorEntry[] }
  | { readonly computed: readonly TensorEntry[]; readonly because: string };

/** Operators that move or repeat the numbers of input 0 and do nothing else to them. */
const MOVES: ReadonlySet<string> = new Set(
  "Identity Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile Slice".split(" "),
);

/** Values visited behind one constant; exporters stack a handful. */
const MAX_VISITED = 256;

interface Place {
  readonly scope: Scope;
  readonly name: string;
}

/** True for a constant known to hold zeros only, which no factor changes. */
export function isKnownZero({ scope, name }: Place): boolean {
  return knownContents(scope.value(name))?.every((x) => x === 0) === true;
}

/** The tensors that a constant's numbers are stored in, or all that it is computed from. */
export function sourcesOf(place: Place): Sources {
  const tensors = new Set<TensorEntry>();
  const queue = [place];
  const seen = new Set<string>();
  let because: string | undefined;
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const key = `${at.scope.prefix}${at.name}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (seen.size > MAX_VISITED) return { computed: [...tensors], because: "too much lies behind it" };
    const tensor = at.scope.tensor(at.name);
    if (tensor !== undefined) {
      tensors.add(tensor);
      if (!isFloatType(tensor.dtype) || tensor.unsupported !== undefined) {
        because ??= `it is stored as ${tensor.dtype}`;
      }
      continue;
    }
    const next = inputsMoved(at);
    because ??= next.because;
    queue.push(...next.places);
  }
  return because === undefined ? { moved: [...tensors] } : { computed: [...tensors], because };
}

/** What a computed constant is made from, with the reason where it is more than moved. */
function inputsMoved({ scope, name }: Place): {
  readonly places: readonly Place[];
  readonly because: string | undefined;
} {
  const site = scope.producer(name);
  if (site === undefined) return { places: [], because: "no node gives it" };
  const { node } = site;
  const places = node.inputs
    .filter((input) => input !== "")
    .map((input) => ({ scope: site.scope, name: input }));
  const label = `${node.opType} "${site.scope.prefix}${node.name}"`;
  if (node.opType === "Constant") return { places: [], because: `${label} holds it as an attribute` };
  if (node.opType === "Concat") return { places, because: undefined };
  if (MOVES.has(node.opType)) return { places: places.slice(0, 1), because: undefined };
  const [input] = node.inputs;
  const between = [scope.value(name).dtype, site.scope.value(input ?? "").dtype];
  if (node.opType === "Cast" && between.every(isFloatType)) return { places, because: undefined };
  return { places, because: `it is computed by ${label} from other constants` };
}
