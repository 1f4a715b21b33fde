import { text } from "./attribute.ts";
import { elementTypeByCode } from "./element-types.ts";
import { type Budget, MAX_RANK } from "./limits.ts";
import type { OnnxValueInfo } from "./types.ts";
import type { Field, Message, WireReader } from "./wire.ts";

type Dimension = number | string | null;

/** Reads a ValueInfoProto: a value's name, element type and shape as far as the file gives them. */
export async function readValueInfo(
  wire: WireReader,
  budget: Budget,
  message: Message,
): Promise<OnnxValueInfo> {
  const info = { name: "", dtype: "unknown", shape: null as Dimension[] | null };
  await wire.visit(message, (field) => {
    if (field.number === 2) return readType(field);
    if (field.number === 1) info.name = text(wire, budget, field);
  });
  return info;

  /** TypeProto; only its tensor_type is of interest. */
  function readType(type: Field): Promise<void> {
    return wire.visit(wire.message(type), (field) =>
      field.number === 1 ? readTensorType(field) : undefined,
    );
  }

  async function readTensorType(type: Field): Promise<void> {
    await wire.visit(wire.message(type), async (field) => {
      if (field.number === 1) info.dtype = elementTypeByCode(wire.integer(field))?.name ?? "unknown";
      else if (field.number === 2) info.shape = await readShape(field);
    });
  }

  async function readShape(shape: Field): Promise<Dimension[]> {
    const dims: Dimension[] = [];
    await wire.visit(wire.message(shape), async (field) => {
      if (field.number !== 1) return;
      if (dims.length === MAX_RANK) {
        wire.fail("bad-shape", `a value of more than ${MAX_RANK} axes.`, field.at);
      }
      dims.push(await readDimension(field));
    });
    return dims;
  }

  async function readDimension(dimension: Field): Promise<Dimension> {
    budget.spend("items", 1, dimension.at);
    let dim: Dimension = null;
    await wire.visit(wire.message(dimension), (field) => {
      if (field.number === 1) {
        const size = wire.integer(field);
        // Some exporters write −1 for an unknown size.
        dim = size < 0 ? null : size;
      } else if (field.number === 2) {
        dim = text(wire, budget, field) || null;
      }
    });
    return dim;
  }
}
