import { checkElements, plainEntry } from "./entry.ts";
import { FormatError } from "./errors.ts";
import type { Format, Model, ModelWarning, TensorEntry } from "./model.ts";
import { type NpyArray, type NpyBytes, readNpyHeader } from "./npy-array.ts";
import { checkReplacement, patchedCopy } from "./patch.ts";
import type { ByteSource } from "./source.ts";
import { readSwapped, swapBytes } from "./swap.ts";

/** A tensor over bytes in the .npy format; patchable in place when `source` holds them as they are. */
export function npyEntry(
  name: string,
  array: NpyArray,
  bytes: NpyBytes,
  source: ByteSource | null,
): TensorEntry {
  const { dtype, shape, dataStart, dataEnd, bigEndian, itemBytes, fortranOrder, unsupported } = array;
  const known = {
    name,
    dtype,
    shape,
    ...(fortranOrder ? { fortranOrder } : {}),
    ...(unsupported === undefined ? {} : { unsupported }),
  };
  if (source !== null && bytes.start !== undefined && !bigEndian) {
    return plainEntry({ ...known, source, start: bytes.start + dataStart, end: bytes.start + dataEnd });
  }
  const byteLength = dataEnd - dataStart;
  const stored = (start: number, end: number) => bytes.read(dataStart + start, dataStart + end);
  return {
    ...known,
    byteLength,
    async read(start, end) {
      checkElements(bytes.file, name, byteLength, start, end);
      return bigEndian ? readSwapped(stored, itemBytes, start, end) : stored(start, end);
    },
  };
}

/** A replacement's bytes in the file's own byte order. */
export function toStored(array: NpyArray, entry: TensorEntry, bytes: Uint8Array): Uint8Array {
  const checked = checkReplacement(entry, bytes);
  return array.bigEndian ? swapBytes(checked.slice(), array.itemBytes) : checked;
}

function nameWithoutEnding(source: ByteSource): string {
  const base = source.name.split(/[\\/]/).at(-1) ?? source.name;
  return base.replace(/\.npy$/i, "");
}

/** NumPy's format for one array. The tensor is called as the file is. */
export const npyFormat: Format = {
  name: "npy",
  match(source, head) {
    const magic = head[0] === 0x93 && new TextDecoder().decode(head.subarray(1, 6)) === "NUMPY";
    return magic || source.name.toLowerCase().endsWith(".npy");
  },
  async open(source): Promise<Model> {
    const bytes: NpyBytes = {
      file: source.name,
      byteLength: source.byteLength,
      start: 0,
      read: (start, end) => source.read(start, end),
    };
    const array = await readNpyHeader(bytes);
    if (array.objects) {
      throw new FormatError("unsafe-pickle", "the array holds Python objects, stored as a pickle.", {
        file: source.name,
        byte: array.dataStart,
        hint: "Save the weights as plain float arrays.",
      });
    }
    const entry = npyEntry(nameWithoutEnding(source), array, bytes, source);
    const after = source.byteLength - array.dataEnd;
    const warnings: ModelWarning[] =
      after === 0 ? [] : [{ where: source.name, message: `${after} bytes after the array are ignored.` }];
    return {
      format: "npy",
      sources: [source],
      tensors: [entry],
      warnings,
      rewrite: (replaced, replace) => {
        const patch = {
          start: array.dataStart,
          end: array.dataEnd,
          bytes: async () => toStored(array, entry, await replace(entry)),
        };
        return [{ relativeName: "", chunks: () => patchedCopy(source, replaced.has(entry) ? [patch] : []) }];
      },
      close: () => source.close(),
    };
  },
};
